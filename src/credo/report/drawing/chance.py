"""How far shares go by chance."""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import bdtr, bdtrik


def binomial_interval(
    coverage: float, trials: Int[np.ndarray, "..."] | int, chance: Float[np.ndarray, "..."] | float
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """The central interval of a number of successes; SciPy has it in its distributions, which take time to load.

    Example:
        >>> [float(end) for end in binomial_interval(0.95, 100, 0.5)]
        [40.0, 60.0]

    Args:
        coverage: the probability of the interval, at least.
        trials: how many.
        chance: of a success.
    """
    tails = (1 - coverage) / 2, (1 + coverage) / 2
    low, high = (_quantile(tail, np.asarray(trials, int), np.asarray(chance)) for tail in tails)
    return low, high


def _quantile(q: float, trials: Int[np.ndarray, "..."], chance: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The smallest number with at least the probability q of no more successes."""
    found = np.ceil(bdtrik(q, trials, chance))
    before = np.maximum(found - 1, 0)
    return np.where(bdtr(before, trials, chance) >= q, before, found)
