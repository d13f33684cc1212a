"""Do predictive intervals hold as many held-out rows as they say? Gneiting, Balabdaoui & Raftery (2007), section 3."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.diagnostics.distinct import advice as whole_numbers
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Share

_LEVELS = (0.5, 0.9)
_ERRORS = 3
"""Binomial standard errors that are allowed for chance: a right predictive exceeds them in 0.5 % of runs."""


@dataclass(frozen=True)
class Calibration:
    """By how much the coverage of the central 50 % and 90 % intervals is off, beyond three binomial standard errors.

    Attributes:
        threshold: the largest such excess that passes.
    """

    threshold: Share

    of: ClassVar[Of] = of(groups=("predictive/pit",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge the predictive of conditional models."""
        rows = group(result, "predictive")
        if rows.attrs["rows"] != "test":
            reason = "No rows are held out: whether predictions of new rows are right is unknown."
            return not_checked("calibration", self.threshold, f"{reason} Set data.test_fraction=0.1.")
        off = np.abs(rows["pit"].to_numpy() - 0.5)
        seen = {level: float(np.mean(off <= level / 2)) for level in _LEVELS}
        error = {level: np.sqrt(level * (1 - level) / len(off)) for level in _LEVELS}
        excess = max(abs(seen[level] - level) - _ERRORS * error[level] for level in _LEVELS)
        shares = " and ".join(f"{seen[level]:.1%} where {level:.0%} should be" for level in _LEVELS)
        words = f"The central intervals hold {shares}, of {len(off)} rows."
        if excess <= self.threshold:
            return Check("calibration", "passed", max(excess, 0.0), self.threshold, words)
        advice = whole_numbers(result) or _other(result, is_normal=bool(rows.attrs.get("normal", 0)))
        return Check("calibration", "failed", excess, self.threshold, f"{words} {advice}")


def _other(result: Result, *, is_normal: bool) -> str:
    """What to change of a model whose intervals are too narrow or too wide; a normal predictive has no components."""
    if is_normal:
        return "The rows are not as the model says: give it other parts, or choose another model."
    if result.kind is Kind.TRAINED:
        return "Train an ensemble (training.members), or choose other components (model.components, model.family)."
    return "Choose other components (model.components, model.family)."
