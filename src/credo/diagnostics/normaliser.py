"""Is log Z known well enough? A likelihood of an energy-based model is as uncertain as its log Z."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Positive


@dataclass(frozen=True)
class Normaliser:
    """The width of the interval for log Z, in nats, the largest of all members.

    Attributes:
        threshold: the largest width that passes.
    """

    threshold: Positive

    of: ClassVar[Of] = of(groups=("normaliser/low",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge estimates of energy-based models."""
        found = group(result, "normaliser")
        width = float((found["high"] - found["low"]).max(skipna=False))
        if np.isnan(width):
            reason = "Z is unknown, and with it every likelihood. Choose an exact sampler, as sampler=auto."
            return not_checked("normaliser", self.threshold, reason)
        value, low, high = (float(found[name][0]) for name in ("value", "low", "high"))
        seen = f"Log Z is {value:.4f}, between {low:.4f} and {high:.4f} (by {found.attrs['how']})."
        if width <= self.threshold:
            return Check("normaliser", "passed", width, self.threshold, seen)
        advice = (
            f"{seen} Likelihoods are no better known than that. Choose a sampler that mixes better, or a finer one."
        )
        return Check("normaliser", "failed", width, self.threshold, advice)
