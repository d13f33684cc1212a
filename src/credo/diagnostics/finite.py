"""Are all numbers numbers? A NaN or an infinity in the answer makes everything computed from it worthless."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.summary import pieces
from credo.inference.result import Result, Status

GROUPS = ("posterior", "log_likelihood", "log_prior")


@dataclass(frozen=True)
class Finite:
    """The number of values of the posterior and its log densities that are NaN or infinite."""

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws and point estimates."""
        if result.status is Status.NOT_FINITE:
            advice = f"{result.status.value} Look at the data and the priors, or set device.precision=float64."
            return Check("finite", "failed", None, 0, advice)
        if not group(result, "posterior").data_vars:
            return not_checked("finite", 0, "There is no posterior.")
        bad = {
            f"{name} of the {word}": count
            for word in GROUPS
            for name, variable in group(result, word).data_vars.items()
            if (count := sum(int(np.sum(~np.isfinite(draws))) for _, draws in pieces(variable)))
        }
        if not bad:
            return Check("finite", "passed", 0, 0, "All draws and log densities are finite.")
        total = sum(bad.values())
        single = any(v.dtype == np.float32 for v in group(result, "posterior").data_vars.values())
        wider = ", or set device.precision=float64" if single else ""
        advice = f"{total} values are NaN or infinite, in {some(bad)}. Look at the model there{wider}."
        return Check("finite", "failed", total, 0, advice)
