"""What an approximation is worth: the importance ratios of its draws, smoothed by a Pareto tail.

Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto Smoothed Importance Sampling", JMLR 25(72); Yao, Vehtari,
Simpson and Gelman (2018), "Yes, but did it work? Evaluating variational inference", ICML. The shape k says whether the
draws of the approximation q can stand for those of the posterior p, not whether p has modes that q does not reach.
"""

import math
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy.special import logsumexp

from credo import pareto

GROUP = "importance"
"""The group of a result that has the weights of the draws."""

USABLE = 0.7
"""The largest k at which reweighted draws are of use."""

EVEN = 0.25
"""Nats: where the largest log ratios differ by less, none of their weights exceeds another by more than 28 %, and there
is no tail."""

FEWEST = 25
"""With fewer draws nothing is known of the tail."""

SHORTEST = 10
"""To so many of the largest ratios a Pareto tail is fitted at least."""

_NOTHING = 2000.0
"""Nats below all others, at which a weight is zero."""


class Weights(NamedTuple):
    """The importance weights of draws.

    - **log_weight** - normalised and smoothed; all equal where k is not known.
    - **pareto_k** - the shape of the tail of the ratios; NaN where it is not known.
    - **log_mean** - the log of the mean of the smoothed ratios: log of p's normaliser; NaN where k is not known.
    """

    log_weight: Float[np.ndarray, "draw"]
    pareto_k: float
    log_mean: float

    @property
    def usable(self) -> bool:
        """Whether the reweighted draws stand for the posterior."""
        return self.pareto_k < most(len(self.log_weight))

    @property
    def error(self) -> float:
        """The standard error of `log_mean`, by the delta method.

        Where k is above 0.5 the ratios have no variance, and the error falls with the number S of draws as S^(k - 1),
        not as S^(-1/2) (Vehtari et al. 2024, section 3). k is taken one standard error, (1 + k) / sqrt(tail), larger.
        """
        count = len(self.log_weight)
        plain = math.sqrt(max(float(np.exp(2 * self.log_weight).sum()) - 1 / count, 0.0))
        k = self.pareto_k + (1 + self.pareto_k) / math.sqrt(_longest(count))
        return plain * count ** max(0.0, k - 0.5)


def most(draws: int) -> float:
    """The k below which so many draws are of use: fewer need a lighter tail."""
    return min(USABLE, 1 - 1 / math.log10(draws)) if draws >= FEWEST else -math.inf


def weigh(log_ratio: Float[np.ndarray, "draw"]) -> Weights:
    """Smooth importance ratios.

    Example:
        Where the approximation is right, the mean of the ratios is the normaliser.

        >>> found = weigh(np.full(100, -3.0))
        >>> round(found.log_mean, 4), found.pareto_k, found.usable
        (-3.0, 0.0, True)

    Args:
        log_ratio: log p - log q of each draw of q, where p need not be normalised; minus infinity where p is zero.
    """
    count = len(log_ratio)
    unknown = Weights(np.full(count, -math.log(count)), math.nan, math.nan)
    known = np.isfinite(log_ratio)
    if count < FEWEST or not known.any() or (np.isnan(log_ratio) | np.isposinf(log_ratio)).any():
        return unknown
    ratio = np.where(known, log_ratio, log_ratio[known].min() - _NOTHING).astype(float)
    if np.ptp(np.sort(ratio)[-_longest(count) - 1 :]) < EVEN:
        total = float(logsumexp(ratio))
        return Weights(ratio - total, 0.0, total - math.log(count))
    (log_weight,), (k,) = pareto.smooth(ratio[None], pareto.length(count, _r_eff(ratio)))
    if np.isnan(k) or not np.isfinite(log_weight).any():  # the largest ratios are all equal, say
        return unknown
    below = int(np.argsort(ratio, kind="stable")[count // 2])  # smoothing leaves what is not in the tail
    return Weights(log_weight, float(k), float(ratio[below] - log_weight[below]) - math.log(count))


def _longest(count: int) -> int:
    """How many of the largest ratios the Pareto tail is fitted to at most."""
    return math.ceil(min(count / 5, 3 * math.sqrt(count)))


def _r_eff(ratio: Float[np.ndarray, "draw"]) -> float:
    """The relative efficiency of the draws for which the Pareto tail has the right length.

    A tail is what lies above the body. Where the approximation is nearly right, most ratios are nearly equal, and the
    longest tail would begin on this plateau, whose edge has the shape of no Pareto distribution. The tail begins above
    it, by the meaning of `EVEN`.
    """
    count, longest = len(ratio), _longest(len(ratio))
    above = int(np.count_nonzero(ratio > np.median(ratio) + EVEN))
    length = max(above, SHORTEST)
    return 9 * count / length**2 if length < longest else 1.0


def resample(weights: Float[np.ndarray, "draw"], offset: float) -> tuple[Int[np.ndarray, "draw"], float]:
    """As many draws as there are, each about as often as its weight says, and how many independent ones they are worth.

    Systematic resampling (Carpenter, Clifford and Fearnhead 1999) takes each draw the expected number of times, rounded
    up or down. The effective number counts what the weights lose (Kong 1992) and what the rounding adds.

    Args:
        weights: of the draws, with the sum 1.
        offset: a uniform number between 0 and 1.
    """
    count = len(weights)
    ends = np.cumsum(weights)
    chosen = np.searchsorted(ends / ends[-1], (np.arange(count) + offset) / count, side="right")
    return np.minimum(chosen, count - 1), effective(weights)


def effective(weights: Float[np.ndarray, "draw"]) -> float:
    """How many independent draws of the posterior resampled ones are worth."""
    count = len(weights)
    rounded = np.mod(count * weights, 1.0)
    return float(1 / (np.sum(weights**2) + np.sum(rounded * (1 - rounded)) / count**2))


def table(
    weights: Weights,
    log_p: Float[np.ndarray, "draw"],
    log_q: Float[np.ndarray, "draw"],
) -> xr.Dataset:
    """What is recorded: of each draw of the approximation, in order, its densities and its weight.

    Args:
        weights: of the draws.
        log_p: the log joint density in unconstrained space.
        log_q: the log density of the approximation there.
    """
    known = not math.isnan(weights.pareto_k)
    attributes = {
        "pareto_k": weights.pareto_k,
        "most": most(len(log_p)),
        "resampled": int(weights.usable),
        "effective": effective(np.exp(weights.log_weight)) if known else math.nan,
    }
    columns = {"log_p": log_p, "log_q": log_q, "log_weight": weights.log_weight}
    return xr.Dataset({name: ("proposal", values) for name, values in columns.items()}, attrs=attributes)
