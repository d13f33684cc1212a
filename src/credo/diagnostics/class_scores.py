"""How good a classifier's probabilities of held-out rows are."""

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

BINS = 15
"""Of the confidence, equally wide (Guo et al. 2017)."""


def class_scores(rows: xr.Dataset) -> dict[str, float]:
    """The scores of rows with classes `y` [row], `probability` [row, class] and `nll` [row].

    Returns:
        `nll_test` and `cross_entropy_test`, the mean log loss in nats per row, and the same in bits; `accuracy_test`;
        `brier_test`; `ece_test`; and `auc_test` where there are two classes.
    """
    y, p, nll = rows["y"].to_numpy(), rows["probability"].to_numpy(), float(rows["nll"].mean())
    found = {
        "nll_test": nll,
        "cross_entropy_test": nll,
        "cross_entropy_bits_test": nll / float(np.log(2)),
        "accuracy_test": float(np.mean(p.argmax(1) == y)),
        "brier_test": brier(p, y),
        "ece_test": expected_calibration_error(p, y),
    }
    area = auc(p[:, 1], y) if p.shape[1] == 2 else np.nan
    return found | ({} if np.isnan(area) else {"auc_test": area})


def brier(p: Float[np.ndarray, "row class"], y: Int[np.ndarray, "row"]) -> float:
    """The mean of sum_k (p_k - 1{y = k})^2; of two classes half of it, which is the square of either.

    Example:
        >>> round(brier(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 0])), 3)
        0.1
    """
    squares = np.square(p - (y[:, None] == np.arange(p.shape[1]))).sum(1)
    return float(squares.mean()) / (2 if p.shape[1] == 2 else 1)


def auc(p: Float[np.ndarray, "row"], y: Int[np.ndarray, "row"]) -> float:
    """The probability that a row of class 1 has a higher p than one of class 0, ties by half; NaN without both.

    Example:
        >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        0.75
    """
    ones = int((y == 1).sum())
    zeros = len(y) - ones
    if not ones or not zeros:
        return float("nan")
    _, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    ranks = float((np.cumsum(counts) - (counts - 1) / 2)[place[y == 1]].sum())
    return (ranks - ones * (ones + 1) / 2) / (ones * zeros)


def expected_calibration_error(p: Float[np.ndarray, "row class"], y: Int[np.ndarray, "row"]) -> float:
    """The mean over rows of |share that is right - mean confidence| in the row's bin of confidence.

    The confidence is the probability of the most probable class (Guo, Pleiss, Sun & Weinberger 2017, equation 3).

    Example:
        >>> round(expected_calibration_error(np.array([[0.3, 0.7], [0.3, 0.7]]), np.array([1, 0])), 3)
        0.2
    """
    counts, confidence, right = reliability(p, y)
    return float((counts * np.abs(right - confidence)).sum() / counts.sum()) if counts.size else float("nan")


def reliability(
    p: Float[np.ndarray, "row class"], y: Int[np.ndarray, "row"]
) -> tuple[Int[np.ndarray, "bin"], Float[np.ndarray, "bin"], Float[np.ndarray, "bin"]]:
    """Of each bin of confidence that has rows: how many, their mean confidence, and the share that is right.

    Rows whose probabilities are not finite are left out.
    """
    known = np.isfinite(p).all(1)
    p, y = p[known], y[known]
    highest, right = p.max(1), p.argmax(1) == y
    at = np.clip(np.ceil(highest * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(at, minlength=BINS)
    some = counts > 0
    means = (np.bincount(at, weights, BINS)[some] / counts[some] for weights in (highest, right))
    confidence, share = means
    return counts[some], confidence, share
