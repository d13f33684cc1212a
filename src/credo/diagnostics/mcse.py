"""Is the answer known precisely? The Monte Carlo standard error of the mean, in posterior standard deviations.

An error of 0.1 standard deviations makes the uncertainty of an estimate sqrt(1 + 0.1^2), that is half a percent,
larger than the posterior says. Other than the effective sample sizes of ranks it sees heavy tails, for which the mean
converges slowly. Where the tails are so heavy that there is no standard deviation, the errors of the median and of the
5 % and 95 % quantiles are judged, relative to the distance between these two.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float

from credo import chain_stats
from credo.diagnostics.answers import group
from credo.diagnostics.base import Check
from credo.diagnostics.rows import judge_largest, judged, named_last, unless_short
from credo.diagnostics.summary import heavy, pieces
from credo.inference.convergence import effective
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Positive


@dataclass(frozen=True)
class Mcse:
    """The largest Monte Carlo standard error, relative to the spread.

    Attributes:
        threshold: the largest ratio that passes.
    """

    threshold: Positive

    of: ClassVar[Of] = of(Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge draws."""
        rows = judged(result, summary)
        error = rows["mcse_mean"] / rows["sd"]
        if heavy(rows).any():
            error = error.fillna(_of_quantiles(result, rows[heavy(rows)]))
        words = partial(_words, "inference.particles" if result.kind is Kind.WEIGHTED else "inference.draws")
        return unless_short(judge_largest("mcse", error, self.threshold, words, named_last(result)), result)


def _words(setting: str, names: str, worst: float) -> str:
    return (
        f"The Monte Carlo error of {names} is up to {worst:.2g} of the posterior's spread. "
        f"Raise {setting}, or report the median if the tails are heavy."
    )


def _of_quantiles(result: Result, rows: pd.DataFrame) -> pd.Series:
    """The largest standard error of the quantiles, in widths of the 90 % interval, by scalar.

    Args:
        result: draws.
        rows: of the summary, by scalar.
    """
    errors: dict[str, float] = {}
    walkers = result.grouping.walkers
    for variable in group(result, "posterior").data_vars.values():
        for names, draws in pieces(variable):
            chosen = np.flatnonzero(np.isin(names, rows.index))
            own = draws[chosen].astype(float)
            found = np.max([_of_quantile(own, prob, walkers) for prob in (0.05, 0.5, 0.95)], axis=0)
            errors |= dict(zip([names[i] for i in chosen], found, strict=True))
    return pd.Series(errors, dtype=float) / (rows["q95"] - rows["q5"])


def _of_quantile(
    draws: Float[np.ndarray, "scalar chain draw"], prob: float, walkers: int
) -> Float[np.ndarray, "scalar"]:
    """Half of the distance between the quantiles that an error of one standard deviation leads to.

    The draws of several walkers are as many as their indicators below the quantile are worth.
    """
    if walkers == 1:
        return np.asarray(chain_stats.of(draws, partial(chain_stats.mcse_quantile, prob=prob))[0])
    quantile = np.quantile(draws, prob, axis=(1, 2), keepdims=True)
    worth = effective((draws <= quantile).astype(float), walkers)
    shares = chain_stats.shares_of_quantile(worth, prob)
    found = np.full(len(draws), np.nan)
    for i in np.flatnonzero(np.isfinite(shares).all(axis=1)):
        low, high = np.quantile(draws[i], shares[i])
        found[i] = (high - low) / 2
    return found
