"""Are the ranks of all replications uniform? Three exact tests of each scalar, with one rate of false alarms for all.

The normal scores of uniform ranks are standard normal. Their mean tells a bias, their sum of squares a spread that is
too small or too large, and Kolmogorov's distance of the ranks any other shape. Under uniform ranks the three have exact
distributions: normal, chi-square and Kolmogorov's. Holm's (1979) correction holds the chance of any alarm, over all
scalars and tests, whatever the dependence between them.
"""

import math

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats

ALARMS = 0.01
"""The chance of any false alarm, over all scalars of a model and a method."""

SHIFT, RATIO, POWER = 0.3, 1.2, 0.9
"""With enough replications, a bias of 0.3 posterior standard deviations, or a posterior that is 20 % too wide or too
narrow, is found with a chance of at least 90 %.
"""

TESTS = ("bias", "spread", "shape")


def judged(u: Float[np.ndarray, "replication scalar"]) -> pd.DataFrame:
    """One row per scalar: estimates, coverage, and the p-values of the three tests.

    Example:
        >>> table = judged(np.random.default_rng(0).uniform(size=(500, 2)))
        >>> list(table), bool(alarms(table).any())
        (['bias', 'spread', 'coverage_50', 'coverage_90', 'p_bias', 'p_spread', 'p_shape'], False)

    Args:
        u: ranks in (0, 1).

    Returns:
        `bias`: by how many posterior standard deviations the draws lie too high; `spread`: how many times too wide they
        are; `coverage_50` and `coverage_90`: the share of true values in the central intervals; p-values before Holm's
        correction.
    """
    count = len(u)
    scores = stats.norm.ppf(u)
    off, squares = np.abs(u - 0.5), (scores**2).sum(axis=0)
    return pd.DataFrame(
        {
            "bias": -scores.mean(axis=0),
            "spread": 1 / scores.std(axis=0),
            "coverage_50": (off <= 0.25).mean(axis=0),
            "coverage_90": (off <= 0.45).mean(axis=0),
            "p_bias": 2 * stats.norm.sf(np.abs(scores.mean(axis=0)) * math.sqrt(count)),
            "p_spread": np.minimum(2 * np.minimum(stats.chi2.cdf(squares, count), stats.chi2.sf(squares, count)), 1),
            "p_shape": stats.kstwo.sf(_distance(u), count),
        }
    )


def _distance(u: Float[np.ndarray, "replication scalar"]) -> Float[np.ndarray, "scalar"]:
    """The largest distance of the ranks' empirical distribution from the uniform one."""
    count = len(u)
    ordered, steps = np.sort(u, axis=0), np.arange(count + 1)[:, None] / count
    return np.asarray(np.maximum(steps[1:] - ordered, ordered - steps[:-1]).max(axis=0))


def alarms(table: pd.DataFrame) -> Bool[np.ndarray, "scalar test"]:
    """Which tests of which scalars alarm, by Holm's correction over all of them."""
    p = table[[f"p_{test}" for test in TESTS]].to_numpy()
    order = np.argsort(p, axis=None)
    bars = ALARMS / np.arange(p.size, 0, -1)
    below = p.ravel()[order] <= bars
    found = np.zeros(p.size, bool)
    found[order[: p.size if below.all() else int(np.argmin(below))]] = True
    return found.reshape(p.shape)


def enough(scalars: int) -> int:
    """How many replications find a bias of `SHIFT`, or a spread of `RATIO`, with the chance `POWER`.

    Example:
        >>> enough(1), enough(10), enough(100)
        (268, 357, 444)
    """
    bar = float(stats.norm.isf(ALARMS / (2 * len(TESTS) * max(scalars, 1))) - stats.norm.ppf(1 - POWER))
    return math.ceil(max((bar / SHIFT) ** 2, (bar / math.log(RATIO)) ** 2 / 2))
