"""Densities and distances of distributions over a line of which only draws are known.

The density at x is the share of the draws within the distance r of the k-th nearest value, over 2r (Kozachenko &
Leonenko 1987; for a divergence Wang, Kulkarni & Verdú 2009, IEEE Transactions on Information Theory 55(5)). It has no
bandwidth, and its bias is of the order k / n. A value that repeats, as in Metropolis chains, weighs as often as it
comes; ln(k - 1/2) stands for psi(k), which it equals to 1 / 24 k^2.
"""

import numpy as np
from jaxtyping import Float, Int

NEAREST = 8
"""How many other values lie within the distance; the variance of a log density is about 1 / k."""


def log_density_at_draws(draws: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
    """The log density at each draw, by the others.

    Example:
        >>> draws = np.random.default_rng(0).uniform(size=4000)
        >>> bool(abs(log_density_at_draws(draws).mean()) < 0.02)
        True
    """
    values, which, counts = np.unique(draws, return_inverse=True, return_counts=True)
    return _log_density(values, counts, values, np.arange(len(values)), counts)[which]


def log_density(draws: Float[np.ndarray, "draw"], points: Float[np.ndarray, "point"]) -> Float[np.ndarray, "point"]:
    """The log density at points that are no draws."""
    values, counts = np.unique(draws, return_counts=True)
    return _log_density(values, counts, points, np.searchsorted(values, points), np.zeros(len(points), int))


def potential(
    p: Float[np.ndarray, "draw"], q: Float[np.ndarray, "other_draw"]
) -> tuple[Float[np.ndarray, "draw"], Float[np.ndarray, "other_draw"]]:
    """Kantorovich's potential f at the draws of p and of q: mean f(p) - mean f(q) is their Wasserstein distance.

    The distance is the integral of |F - G|, the distribution functions; f falls where F > G and rises elsewhere, with
    the slope 1. Its first-order error is that of two means.

    Example:
        >>> p = np.random.default_rng(0).normal(size=4000)
        >>> at_p, at_q = potential(p, p + 2.0)
        >>> round(float(at_p.mean() - at_q.mean()), 6)
        2.0
    """
    both = np.concatenate([p, q])
    order = np.argsort(both, kind="stable")
    ordered = both[order]
    ahead = np.where(order < len(p), 1 / len(p), -1 / len(q)).cumsum()  # F - G behind each draw
    found = np.empty(len(both))
    found[order] = -np.concatenate([[0.0], np.cumsum(np.sign(ahead[:-1]) * np.diff(ordered))])
    return found[: len(p)], found[len(p) :]


def _log_density(
    values: Float[np.ndarray, "value"],
    counts: Int[np.ndarray, "value"],
    points: Float[np.ndarray, "point"],
    places: Int[np.ndarray, "point"],
    own: Int[np.ndarray, "point"],
) -> Float[np.ndarray, "point"]:
    """The log density at points before whose places among the values there are lower ones.

    Args:
        values: in order.
        counts: how often each was drawn.
        points: where the density is wanted.
        places: of the points.
        own: how many draws a point itself is, which say nothing of the density at it.
    """
    is_own = own > 0
    k = min(NEAREST, len(values) - 1)
    ends = np.full(k, np.inf)
    padded = np.concatenate([-ends, values, ends])
    weights = np.concatenate([np.zeros(k), counts, np.zeros(k)])
    below = np.concatenate([[0.0], np.cumsum(weights)])
    reach, inside = np.full(len(points), np.inf), np.full(len(points), np.nan)
    for left in range(k + 1):  # of the k nearest, so many are lower
        first, last = places + k - left, places + 2 * k - left - 1 + is_own
        low = points - padded[first] if left else np.zeros(len(points))
        high = padded[last] - points if left < k else np.zeros(len(points))
        half = np.where(low > high, weights[first], weights[last]) / 2
        farther = np.maximum(low, high)
        inside = np.where(farther < reach, below[last + 1] - below[first] - own - half, inside)
        reach = np.minimum(reach, farther)
    scatter = np.var(counts) / np.mean(counts) ** 2 / (2 * k)  # E ln < ln E
    return np.log(inside) + scatter - np.log(counts.sum() - own) - np.log(2 * reach)
