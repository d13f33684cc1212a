"""What the dead and the live points of nested sampling say: weights, log evidence, its error, and draws.

A batch replaces the lowest k of n points. Each of them stands for 1/n of the prior above the level before, and what is
above the new level for (n - k)/n of it: so the mean of the evidence over runs is exact where new points are independent
(Brehier, Lelievre and Rousset 2015, "Analysis of adaptive multilevel splitting algorithms in an idealized case", ESAIM:
Probability and Statistics 19). The points of all batches are [batch, point], the lowest first.
"""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

Batches = Float[np.ndarray, "batch dead"]
Last = Float[np.ndarray, "live"]


def log_volumes(batches: int, dead: int, live: int) -> Float[np.ndarray, "all"]:
    """The log of the share of the prior for which each point stands, of the dead in order and then of the live."""
    level = np.arange(batches + 1) * math.log1p(-dead / live)
    return np.repeat(level, [dead] * batches + [live]) - math.log(live)


def log_weights(dead: Batches, live: Last) -> Float[np.ndarray, "all"]:
    """The part of each point in the evidence; the log of their sum is the log evidence."""
    batches, each = dead.shape
    return log_volumes(batches, each, len(live)) + np.concatenate([dead.ravel(), live])


def variance(dead: Batches, live: Last) -> float:
    """The relative variance of the evidence, were all points independent.

    The volumes of a batch are weights of the Bayesian bootstrap (Rubin 1981, Annals of Statistics 9(1)), those of
    spacings; it is about H/n where one point is replaced at a time (Skilling 2006, Bayesian Analysis 1(4)).

    Example:
        A likelihood that is constant has an evidence without error.

        >>> variance(np.zeros((3, 2)), np.zeros(4))
        0.0
    """
    count = len(live)
    log_n, log_keep = math.log(count), math.log1p(-dead.shape[1] / count)
    inside = float(logsumexp(live)) - log_n
    found = _relative(float(logsumexp(2 * live)) - log_n, inside, count)
    for batch in dead[::-1]:
        total = float(np.logaddexp(logsumexp(batch) - log_n, log_keep + inside))
        squares = float(np.logaddexp(logsumexp(2 * batch) - log_n, log_keep + 2 * inside))
        found = _relative(squares, total, count + 1) + math.exp(2 * (log_keep + inside - total)) * found
        inside = total
    return found


def _relative(log_square: float, log_mean: float, count: int) -> float:
    """The relative variance of a mean."""
    return max(math.exp(log_square - 2 * log_mean) - 1, 0.0) / count


def combined(log_evidence: Float[np.ndarray, "repeat"], variances: Float[np.ndarray, "repeat"]) -> float:
    """The relative error of the mean evidence of all repeats."""
    share = np.exp(log_evidence - logsumexp(log_evidence))
    return float(np.sqrt(share**2 @ variances))


def resampled(
    log_weight: Float[np.ndarray, "all"], count: int, generator: np.random.Generator
) -> Int[np.ndarray, "draw"]:
    """The numbers of so many draws by systematic resampling of the points in random order.

    Copies of a point stand side by side, so that effective sample sizes know them.
    """
    order = generator.permutation(len(log_weight))
    ends = np.cumsum(np.exp(log_weight - log_weight.max())[order])
    places = (np.arange(count) + generator.uniform()) / count
    return order[np.minimum(np.searchsorted(ends / ends[-1], places, side="right"), len(order) - 1)]


def founders(log_weight: Float[np.ndarray, "all"], founder: Int[np.ndarray, "all"]) -> float:
    """How many draws of the prior the weighted points descend from, effectively."""
    share = np.bincount(founder, np.exp(log_weight - logsumexp(log_weight)))
    return float(1 / np.sum(share**2))
