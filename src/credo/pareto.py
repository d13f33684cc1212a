"""Generalised Pareto tails of importance ratios and of draws, of all rows at once.

Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto Smoothed Importance Sampling", JMLR 25(72); the fit is the
empirical Bayes estimate of Zhang and Stephens (2009), "A new and efficient estimation method for the generalized Pareto
distribution", Technometrics 51(3), with a weak prior for the shape. The numbers are those of ArviZ, which takes one row
after another; where no tail can be fitted, the shape is NaN.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

SHORTEST = 5
"""A tail has at least so many draws."""

AT_ONCE = 2**18
"""Numbers that are worked on at once."""

_SCALE, _PRIOR_DRAWS, _PRIOR_SHAPE = 3, 10, 0.5
"""Of the prior of the fit (Vehtari et al. 2024, appendix C): the shape is drawn to 0.5 as by ten draws."""

_NEGLIGIBLE = 10 * np.finfo(float).eps
"""Weights of the fit below this are left out."""


class Smoothed(NamedTuple):
    """Importance weights.

    - **log_weight** - normalised; the largest are smoothed, where a tail could be fitted.
    - **k** - the shape of the tail; NaN where none could be fitted.
    """

    log_weight: Float[np.ndarray, "row draw"]
    k: Float[np.ndarray, " row"]


def length(draws: int, r_eff: float = 1.0) -> int:
    """How many of so many draws the tail has.

    Example:
        >>> length(4000), length(4000, 0.5), length(100)
        (189, 268, 20)

    Args:
        draws: of all chains.
        r_eff: effective draws per draw.
    """
    return math.floor(3 * (draws / r_eff) ** 0.5 if draws * r_eff > 225 else draws / 5)


def smooth(log_ratio: Float[np.ndarray, "row draw"], tail: int) -> Smoothed:
    """Smooth and normalise importance ratios.

    Example:
        Ratios with a finite variance have a shape below 0.5.

        >>> ratio = np.random.default_rng(0).normal(size=(1, 4000))
        >>> bool(smooth(ratio, length(4000)).k[0] < 0.5)
        True

    Args:
        log_ratio: of each row; minus infinity where a weight is zero.
        tail: how many of the largest are smoothed (see `length`).
    """
    log_weight = log_ratio - log_ratio.max(axis=1, keepdims=True)
    k = np.full(len(log_weight), np.nan)
    if SHORTEST <= tail < log_weight.shape[1]:
        chosen = np.argpartition(log_weight, -tail - 1, axis=1)[:, -tail - 1 :]
        ends = np.take_along_axis(log_weight, chosen, axis=1)
        order = np.argsort(ends, axis=1)
        chosen, ends = np.take_along_axis(chosen, order, axis=1), np.take_along_axis(ends, order, axis=1)
        k, smoothed = _smoothed(ends)
        np.put_along_axis(log_weight, chosen[:, 1:], smoothed, axis=1)
    return Smoothed(log_weight - logsumexp(log_weight, axis=1, keepdims=True), k)


def shape(draws: Float[np.ndarray, "row draw"], tail: int) -> Float[np.ndarray, " row"]:
    """The shape of the right tail of each row; NaN where none can be fitted.

    Args:
        draws: finite.
        tail: how many of the largest belong to it.
    """
    if not SHORTEST <= tail < draws.shape[1]:
        return np.full(len(draws), np.nan)
    ends = np.sort(np.partition(draws, -tail - 1, axis=1)[:, -tail - 1 :], axis=1)
    k, _ = fit(ends[:, 1:] - ends[:, :1])
    return np.where(ends[:, -1] - ends[:, 1] < np.finfo(float).tiny, np.nan, k)


def fit(excess: Float[np.ndarray, "row draw"]) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
    """The shape and the scale of generalised Pareto distributions.

    Args:
        excess: over the threshold, ascending.

    Returns:
        NaN where a quarter of the excesses are equal to the smallest; the shape is infinite where it has no estimate.
    """
    count = excess.shape[1]
    candidates = 30 + int(count**0.5)
    quartile = excess[:, int(count / 4 + 0.5) - 1]
    step = max(AT_ONCE // (candidates * count), 1)
    parts = [_fit(excess[i : i + step], quartile[i : i + step], candidates) for i in range(0, len(excess), step)]
    k, sigma = np.concatenate(parts, axis=1) if parts else np.empty((2, 0))
    flat = quartile <= excess[:, 0]
    return np.where(flat, np.nan, np.where(np.isnan(k), np.inf, k)), np.where(flat, np.nan, sigma)


def _fit(
    excess: Float[np.ndarray, "row draw"], quartile: Float[np.ndarray, " row"], candidates: int
) -> Float[np.ndarray, "2 row"]:
    """The shape and the scale, by the posterior mean of their ratio over some candidates."""
    count = excess.shape[1]
    with np.errstate(all="ignore"):
        ratio = 1 - np.sqrt(candidates / (np.arange(1, candidates + 1, dtype=float) - 0.5))
        ratio = ratio / (_SCALE * quartile[:, None]) + 1 / excess[:, -1:]
        k = np.log1p(-ratio[..., None] * excess[:, None]).mean(axis=2)
        profile = count * (np.log(-ratio / k) - k - 1)
        weight = np.exp(profile - logsumexp(profile, axis=1, keepdims=True))
        weight = np.where(weight >= _NEGLIGIBLE, weight, 0.0)
        ratio = (ratio * (weight / weight.sum(axis=1, keepdims=True))).sum(axis=1)
        k = np.log1p(-ratio[:, None] * excess).mean(axis=1)
        return np.stack([(count * k + _PRIOR_DRAWS * _PRIOR_SHAPE) / (count + _PRIOR_DRAWS), -k / ratio])


def _smoothed(
    ends: Float[np.ndarray, "row draw_and_one"],
) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, "row draw"]]:
    """The shapes of tails of log ratios, and the expected order statistics in place of these; none is above the last.

    Args:
        ends: ascending; the first is the largest ratio below the tail.
    """
    tail, count = ends[:, 1:], ends.shape[1] - 1
    cutoff = np.exp(ends[:, :1])
    k, sigma = fit(np.exp(tail) - cutoff)
    k = np.where(tail[:, -1] - tail[:, 0] < np.finfo(float).tiny, np.nan, k)
    shares = np.log1p(-np.arange(0.5, count) / count)
    with np.errstate(all="ignore"):
        of_k, of_sigma = k[:, None], sigma[:, None]
        quantile = np.where(of_k == 0, cutoff - of_sigma * shares, cutoff + of_sigma * np.expm1(-of_k * shares) / of_k)
        smoothed = np.minimum(np.log(quantile), tail[:, -1:])
    known = np.isfinite(k) & (sigma > 0)
    return k, np.where(known[:, None], smoothed, tail)
