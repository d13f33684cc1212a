"""Densities and intervals of draws, fast enough to be had for every panel."""

from collections.abc import Iterable

import numpy as np

PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_DRAWS = 2_000_000
"""How many numbers quantiles are taken of; more are thinned."""

CROP = 2.5
"""Draws that span this many times the range of their middle 99 % have outliers, which are moved to the panel's edge."""


def limits(values: np.ndarray) -> tuple[float, float]:
    """The range to show: all finite values, but for far outliers; never empty."""
    numbers = finite(values)
    if not numbers.size:
        return 0.0, 1.0
    low, high = float(numbers.min()), float(numbers.max())
    inner = np.quantile(numbers, (0.005, 0.995))
    span = float(inner[1] - inner[0])
    if span > 0 and high - low > CROP * span:
        low, high = max(low, inner[0] - 0.5 * span), min(high, inner[1] + 0.5 * span)
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        around = 0.5 * abs(low) or 0.5
        return low - around, high + around
    return float(low), float(high)


def density(values: np.ndarray, low: float, high: float, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian kernel density estimate on a grid of cells, mirrored at its ends so that no mass leaks out.

    The bandwidth is Silverman's (1986, equation 3.31).

    Returns:
        The cells' centres and the density there, each [points].
    """
    numbers = finite(values)
    step = (high - low) / points
    centres = low + step * (np.arange(points) + 0.5)
    inside = numbers[(numbers >= low) & (numbers <= high)]
    if not inside.size:
        return centres, np.zeros(points)
    counts, _ = np.histogram(inside, points, (low, high))
    width = max(bandwidth(numbers) / step, 0.5)
    reach = int(min(np.ceil(4 * width), points))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.pad(counts.astype(float), reach, mode="symmetric")
    return centres, np.convolve(padded, kernel / kernel.sum(), "valid") / (numbers.size * step)


def bandwidth(numbers: np.ndarray) -> float:
    """Silverman's bandwidth: 0.9 min(sd, interquartile range / 1.349) n^(-1/5)."""
    q25, q75 = np.quantile(numbers, (0.25, 0.75))
    spread = min(numbers.std(), (q75 - q25) / 1.349) or numbers.std()
    return float(0.9 * spread * numbers.size**-0.2)


def intervals(draws: np.ndarray) -> np.ndarray:
    """The quantiles 5, 25, 50, 75 and 95 %; NaN where a draw is not finite. [element, draw] -> [5, element]."""
    step = 1 + draws.size // MOST_DRAWS
    return np.quantile(draws[:, ::step].astype(float), PROBABILITIES, axis=1)


def finite(values: np.ndarray | Iterable[float]) -> np.ndarray:
    """The finite values, in one row."""
    flat = np.ravel(np.asarray(values, dtype=float))
    return flat[np.isfinite(flat)]
