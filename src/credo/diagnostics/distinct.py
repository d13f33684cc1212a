"""Has a target enough distinct values for its density to be worth comparing?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from credo.diagnostics.answers import group
from credo.diagnostics.base import Check
from credo.inference.result import Result
from credo.ranges import Natural

_FEW = 1000
"""Whole numbers with more distinct values than this are as good as real ones."""


def fewest(result: Result) -> int | None:
    """How many distinct values the predicted target has that has the fewest.

    `None` where they have masses, or each row is normal, with a noise that all rows share.
    """
    observed, predictive = group(result, "observed_data").get("y"), group(result, "predictive")
    if observed is None or "pit" not in predictive or _is_safe(predictive):
        return None
    values = observed.to_numpy()
    return min(len(np.unique(column)) for column in values.reshape(len(values), -1).T)


def advice(result: Result) -> str:
    """What to do where the target is whole numbers and its likelihood is a density; empty where it is not so."""
    predictive = group(result, "predictive")
    if "y" not in predictive or _is_safe(predictive):
        return ""
    y = predictive["y"].to_numpy()
    if not np.array_equal(y, np.round(y)) or len(np.unique(y)) > _FEW:
        return ""
    return "The target is whole numbers: use the discretised likelihood, model.family=discretized_gaussian."


def _is_safe(predictive: xr.Dataset) -> bool:
    """Whether no density can grow without bound at one value."""
    return predictive.attrs.get("measure") == "mass" or bool(predictive.attrs.get("normal", 0))


@dataclass(frozen=True)
class Distinct:
    """The number of distinct values of the target. A density may be made as high as one likes on a few values.

    Attributes:
        threshold: fewer are noted.
    """

    threshold: Natural

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge the targets of conditional densities."""
        count = fewest(result)
        if count is None:
            return None
        if count >= self.threshold:
            return Check("distinct", "passed", count, self.threshold, f"The target has {count} distinct values.")
        seen = (
            f"The target has only {count} distinct values, at which a narrow component gains likelihood without "
            "knowing anything."
        )
        todo = advice(result) or "Compare CRPS rather than NLL, or raise model.floor."
        return Check("distinct", "note", count, self.threshold, f"{seen} {todo}")
