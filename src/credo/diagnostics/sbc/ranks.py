"""Where a true value lies among the draws of an inference: ranks that are uniform where the inference is right.

Talts, Betancourt, Simpson, Vehtari and Gelman (2018), "Validating Bayesian inference algorithms with simulation-based
calibration". Draws are thinned to near independence, ties are broken at random, and the rank among L draws is spread
evenly over its share of the unit interval: then it is exactly uniform there, whatever L is.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from credo import chain_stats
from credo.inference.convergence import effective
from credo.inference.grouping import APART, Grouping


class Ranks(NamedTuple):
    """What one replication says of each scalar.

    - **u** - the rank, in (0, 1); NaN where a draw is not finite.
    - **z** - the true value less the mean of the draws, in their standard deviations; NaN where they are constant.
    - **kept** - among how many draws the rank is.
    """

    u: Float[np.ndarray, "scalar"]
    z: Float[np.ndarray, "scalar"]
    kept: Int[np.ndarray, "scalar"]


def rank(
    truth: Shaped[np.ndarray, "scalar"],
    draws: Shaped[np.ndarray, "scalar chain draw"],
    generator: np.random.Generator,
    grouping: Grouping = APART,
) -> Ranks:
    """Rank each true value among the draws of its scalar.

    Example:
        Three draws, of which one is below: the rank lies in the second quarter.

        >>> draws = np.array([[[1.0, 2.0, 3.0]]])
        >>> u = rank(np.array([1.5]), draws, np.random.default_rng(0)).u
        >>> bool(0.25 <= u[0] < 0.5)
        True

    Args:
        truth: the values from which the data were drawn.
        draws: of the inference, autocorrelated or not.
        generator: of the random part.
        grouping: which draws belong together.
    """
    draws = np.asarray(draws, float)
    steps = _steps(draws, grouping)
    below, ties, kept = np.zeros((3, len(draws)), int)
    for i, (value, step) in enumerate(zip(truth, steps, strict=True)):
        thinned = draws[i, :, ::step]
        below[i], ties[i], kept[i] = (thinned < value).sum(), (thinned == value).sum(), thinned.size
    place = below + generator.integers(0, ties, endpoint=True) + generator.uniform(size=len(draws))
    finite = np.isfinite(draws).all(axis=(1, 2)) & np.isfinite(truth)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (truth - draws.mean(axis=(1, 2))) / draws.std(axis=(1, 2), ddof=1)
    return Ranks(np.where(finite, place / (kept + 1), np.nan), np.where(np.isfinite(z), z, np.nan), kept)


def _steps(draws: Float[np.ndarray, "scalar chain draw"], grouping: Grouping) -> Int[np.ndarray, "scalar"]:
    """Which draws of each chain to keep, so that what is kept is about as many as are effective."""
    count = draws[0].size if len(draws) else 0
    if not len(draws) or draws.shape[2] < 2:
        return np.ones(len(draws), int)
    finite = np.where(np.isfinite(draws), draws, 0.0)
    independent = np.nan_to_num(effective(chain_stats.scores(finite), grouping.walkers), nan=count)
    return np.clip(np.ceil(count / np.maximum(independent, 1)), 1, draws.shape[2]).astype(int)
