"""Are the predicted distributions right as a whole? The probability integral transform of what was observed.

P(Y <= y), by the prediction for its row, of every observation y: uniform between 0 and 1 if rows come from their
predictions (Gneiting, Balabdaoui and Raftery 2007, "Probabilistic forecasts, calibration and sharpness", section 3.1).
"""

import numpy as np

from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.chance import binomial_interval
from credo.report.drawing.density import finite
from credo.report.drawing.sheet import BAND, MARK, MUTED, SOFT, WIDTH, Panel, Sheet
from credo.report.view import Evidence

OF = of(groups=("predictive",))
TITLE = "Probability integral transform"
CAPTION = (
    "Where the {rows} lie within their predicted distributions, from 0 (below all of it) to 1 (above); the height 1 is "
    "as many as expected. Right predictions give a flat histogram: 19 in 20 bars end in the grey band, the others are "
    "red. High ends: predictions are too narrow; a high middle: too wide; a slope: too low or too high."
)
MOST_BINS, ROWS_PER_BIN = 20, 10
HEIGHT, HEAD, FOOT, LEFT, GAP = 90.0, 32.0, 30.0, 34.0, 18.0


def draw(evidence: Evidence) -> Drawing:
    """Draw a histogram per target."""
    predictive = evidence.group("predictive")
    if "pit" not in predictive or not predictive["pit"].size:
        return Drawing(TITLE, "checks", "The model predicts no distribution per row.")
    names, more = evidence.targets("predictive")
    histograms = [histogram(finite(predictive["pit"].isel(target=i))) for i in range(len(names))]
    highest = 1.08 * max(1.0, *(float(max(heights.max(), band[1])) for heights, band in histograms))
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    sheet.text(4, 10, "relative frequency", MUTED, 7)
    width = (WIDTH - LEFT - GAP * len(names)) / len(names)
    for i, (name, (heights, band)) in enumerate(zip(names, histograms, strict=True)):
        panel = sheet.panel(LEFT + i * (width + GAP), HEAD, width, HEIGHT, (0, 1), (0, highest))
        bars(panel, heights, band)
        if i == 0:
            panel.y_axis(4)
        panel.x_axis(4 if len(names) < 3 else 2, "probability integral transform")
        panel.title(name)
    return Drawing(TITLE, "checks", CAPTION.format(rows=evidence.predicted_rows) + more, sheet.finished())


def histogram(pit: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """A histogram [bin] relative to the uniform one, and between what 95 % of each bar of uniform numbers lie.

    A bar's count is binomial, with probability 1 / bins.
    """
    bins = int(np.clip(pit.size // ROWS_PER_BIN, 2, MOST_BINS))
    expected = max(pit.size, 1) / bins
    counts, _ = np.histogram(pit, bins, (0, 1))
    low, high = binomial_interval(0.95, pit.size, 1 / bins)
    return counts / expected, (float(low) / expected, float(high) / expected)


def bars(panel: Panel, heights: np.ndarray, band: tuple[float, float]) -> None:
    """Draw the bars, those that end outside the band in red."""
    edges = np.linspace(0, 1, len(heights) + 1)
    gap = 0.04 / len(heights)
    panel.bar((0, 1), band, BAND)
    for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
        color = SOFT if band[0] <= height <= band[1] else MARK
        panel.bar((left + gap, right - gap), (0, height), color, 0.8)
    panel.line([0, 1], [1, 1], MUTED, 0.7, dash=True)
    panel.ranges([0, 0], [1, 1], list(band), MUTED, 0.5)
