"""Does every chain visit low and high values equally often?

For each chain, the share of its draws below a value minus that of all chains: zero where they agree. The idea is of
Säilynoja, Bürkner and Vehtari (2022), "Graphical test for discrete uniformity and its applications in goodness-of-fit
evaluation and multiple sample comparison", Statistics and Computing 32:32. The band, equally many standard deviations
wide everywhere, holds all chains in 95 % of the panels if draws are independent.
"""

from functools import lru_cache

import numpy as np

from credo.inference.kind import Kind, of
from credo.report.drawing.base import Drawing
from credo.report.drawing.sheet import BAND, CHAINS, FAINT, Panel, Sheet
from credo.report.view import Evidence, Scalar

OF = of(Kind.CHAINS)
TITLE = "Agreement of the chains"
CAPTION = (
    "For each chain, how much more of it lies below a value than of all chains together. Chains that agree stay within "
    "the grey band (95 %, for independent draws); a slope at one end means that a chain avoids low or high values."
)
PER_ROW = 4
LEFT, WIDTH, GAP, PITCH, HEIGHT, HEAD, FOOT = 34.0, 106.0, 18.0, 76.0, 52.0, 30.0, 14.0
GRID = 60
SIMULATIONS = 1000


def draw(evidence: Evidence) -> Drawing:
    """Draw a panel per scalar with a line per chain."""
    scalars, left_out = evidence.chosen_scalars()
    if not scalars or scalars[0].draws.shape[0] < 2:
        return Drawing(TITLE, "checks", "There is one chain, so there is nothing that it could agree with.")
    chains, count = scalars[0].draws.shape
    band = envelope(chains, count)
    differences = [difference(scalar.draws) for scalar in scalars]
    highest = 1.1 * max(float(band.max()), *(float(np.abs(lines).max()) for _, lines in differences))
    rows = -(-len(scalars) // PER_ROW)
    sheet = Sheet(HEAD + PITCH * rows - (PITCH - HEIGHT) + FOOT)
    for i, (scalar, (shares, lines)) in enumerate(zip(scalars, differences, strict=True)):
        left, top = LEFT + (WIDTH + GAP) * (i % PER_ROW), HEAD + PITCH * (i // PER_ROW)
        panel = sheet.panel(left, top, WIDTH, HEIGHT, (0, 1), (-highest, highest))
        _panel(panel, scalar, shares, lines, band)
        if i % PER_ROW == 0:
            panel.y_axis()
        if i + PER_ROW >= len(scalars):
            panel.x_axis(2)
    names = [(f"chain {chain}", CHAINS[chain % len(CHAINS)]) for chain in range(min(chains, len(CHAINS)))]
    sheet.words(LEFT + PER_ROW * WIDTH + (PER_ROW - 1) * GAP, 10, names, 7)
    return Drawing(TITLE, "checks", CAPTION, sheet.finished(), left_out)


def _panel(panel: Panel, scalar: Scalar, shares: np.ndarray, lines: np.ndarray, band: np.ndarray) -> None:
    grid = np.linspace(0, 1, len(band))
    panel.title(scalar.label)
    panel.area(grid, -band, band, BAND)
    panel.line([0, 1], [0, 0], FAINT, 0.8)
    for chain, line in enumerate(lines):
        panel.line(shares, line, CHAINS[chain % len(CHAINS)], 0.9)


def difference(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distribution function of each chain less that of all chains, at quantiles of all. [chain, draw].

    Returns:
        The pooled share of draws at the quantiles, [quantile], and the differences, [chain, quantile].
    """
    pooled = np.sort(draws, axis=None)
    values = pooled[_edges(pooled.size)[1:] - 1]
    shares = np.searchsorted(pooled, values, side="right") / pooled.size
    own = [np.searchsorted(np.sort(chain), values, side="right") / chain.size for chain in draws]
    shares = np.concatenate([[0.0], shares])
    return shares, np.pad(np.stack(own), ((0, 0), (1, 0))) - shares


@lru_cache
def envelope(chains: int, count: int) -> np.ndarray:
    """The half width, at equally spaced shares from 0 to 1, of a band that holds all chains with a probability of 95 %.

    If all chains sample one distribution independently, the number of a chain's draws among the lowest of all is
    hypergeometric. The band is as many standard deviations wide as simulated chains need, by Bonferroni over chains.
    """
    edges = _edges(chains * count)
    shares = edges / (chains * count)
    sd = np.sqrt(shares * (1 - shares) / count * (chains - 1) / (chains - 1 / count))
    generator = np.random.default_rng(0)
    steps = generator.multivariate_hypergeometric(np.diff(edges), count, SIMULATIONS, method="marginals")
    distance = np.abs(np.cumsum(steps, axis=1)[:, :-1] / count - shares[1:-1]) / sd[1:-1]
    return np.asarray(sd * np.quantile(distance.max(axis=1), 1 - 0.05 / chains))


def _edges(total: int) -> np.ndarray:
    """How many of all draws are at or below each quantile that is looked at."""
    return np.linspace(0, total, min(GRID, total) + 1).astype(int)
