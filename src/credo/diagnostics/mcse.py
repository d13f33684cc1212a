"""Is the posterior mean known precisely? Its Monte Carlo standard error, in posterior standard deviations.

An error of 0.1 standard deviations makes the uncertainty of an estimate sqrt(1 + 0.1^2), that is half a percent,
larger than the posterior says. Other than the effective sample sizes of ranks it sees heavy tails, for which the mean
converges slowly.
"""

from dataclasses import dataclass

import pandas as pd

from credo.contracts import Check
from credo.diagnostics.rows import judge_largest, judged, unless_short
from credo.result import Result


@dataclass(frozen=True)
class Mcse:
    """The largest Monte Carlo standard error of a mean, relative to the standard deviation.

    Attributes:
        threshold: the largest ratio that passes.
    """

    threshold: float

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge draws."""
        if result.kind != "draws":
            return None
        rows = judged(result, summary)
        error = rows["mcse_mean"] / rows["sd"]
        return unless_short(judge_largest("mcse", error, self.threshold, self._words), result)

    def _words(self, names: str, worst: float) -> str:
        return (
            f"The Monte Carlo error of the mean of {names} is up to {worst:.2g} posterior standard deviations. "
            "Raise inference.draws, or report the median if the tails are heavy."
        )
