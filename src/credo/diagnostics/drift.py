"""Are the draws of an approximation where Markov chains stay? They begin at the draws, and must not drift away."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy.special import ndtri

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Positive

_FALSE = 1e-3
"""How often draws of the posterior itself seem to drift."""


@dataclass(frozen=True)
class Drift:
    """How far the mean of a scalar moves, or its mean square, in posterior standard deviations.

    Attributes:
        threshold: the largest move that passes; a smaller one that is not told from noise passes, too.
    """

    threshold: Positive

    of: ClassVar[Of] = of(Kind.INDEPENDENT, groups=("approximations",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws of an approximation."""
        found = group(result, "drift")
        if "drift" not in found:
            reason = "The draws are not resampled by their importance ratios, and so are not of the posterior."
            return not_checked("drift", self.threshold, reason)
        drift, error = abs(found["drift"].to_numpy()), found["error"].to_numpy()
        if not np.isfinite(drift).all() or not (error > 0).all():
            return not_checked("drift", self.threshold, "Markov chains that began at the draws did not move.")
        told = drift > float(-ndtri(_FALSE / 2 / drift.size)) * error
        if not (told & (drift > self.threshold)).any():
            seen = "Short Markov chains that began at the draws stayed where these are."
            return Check("drift", "passed", float(drift.max()), self.threshold, seen)
        worst = float(drift[told].max())
        advice = (
            f"Short Markov chains that began at the draws went away from there, by {worst:.2g} standard deviations: "
            "the approximation lacks a part of the posterior. Use inference=nuts, or reparametrise the model."
        )
        return Check("drift", "failed", worst, self.threshold, advice)
