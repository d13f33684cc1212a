"""Are the probabilities of classes right? The share that is right, by the probability of the most probable class.

The reliability diagram of DeGroot & Fienberg (1983), as Guo et al. (2017) draw it.
"""

import numpy as np

from credo.diagnostics.class_scores import expected_calibration_error, reliability
from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.chance import binomial_interval
from credo.report.drawing.numbers import counted, number
from credo.report.drawing.sheet import ACCENT, BAND, MARK, MUTED, SOFT, WIDTH, Sheet
from credo.report.view import Evidence

OF = of(groups=("classes",))
TITLE = "Reliability of the probabilities"
CAPTION = (
    "Left: the share of the {rows} whose most probable class is right, by its probability. Dots are bins of rows; the "
    "grey bars hold 95 % of right ones. Below the diagonal the probabilities are too sure (red), above it not sure "
    "enough. Right: how many rows have such a probability, on a logarithmic scale. ECE: the mean distance from the "
    "diagonal."
)
HEIGHT, HEAD, FOOT, LEFT, GAP = 130.0, 32.0, 30.0, 34.0, 44.0


def draw(evidence: Evidence) -> Drawing:
    """Draw the bins against the diagonal, and how many rows they have."""
    rows = evidence.group("classes")
    if "probability" not in rows:
        return Drawing(TITLE, "checks", "The model predicts no classes.")
    p, y = rows["probability"].to_numpy(), rows["y"].to_numpy()
    counts, confidence, right = reliability(p, y)
    if not counts.size:
        return Drawing(TITLE, "checks", "No row has finite probabilities.")
    low, high = (end / counts for end in binomial_interval(0.95, counts, np.clip(confidence, 0, 1)))
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    width = (WIDTH - LEFT - GAP - 14) / 2
    panel = sheet.panel(LEFT, HEAD, width, HEIGHT, (0, 1), (0, 1))
    panel.line([0, 1], [0, 1], MUTED, 0.7, dash=True)
    panel.columns(confidence, low, high, BAND, 5)
    for inside, color in ((right >= low, ACCENT), (right < low, MARK)):
        panel.dots(confidence[inside], right[inside], color, 4.5)
    panel.y_axis(4)
    panel.x_axis(4, "probability of the most probable class")
    panel.title("share that is right", f"ECE {number(expected_calibration_error(p, y), 3)}")
    _counts(sheet, LEFT + width + GAP, width, counts, confidence)
    kind = {"train": "training"}.get(str(rows.attrs.get("rows", "test")), "test")
    return Drawing(TITLE, "checks", CAPTION.format(rows=counted(len(y), f"{kind} row")), sheet.finished())


def _counts(sheet: Sheet, left: float, width: float, counts: np.ndarray, confidence: np.ndarray) -> None:
    """How many rows there are in each bin, as powers of ten."""
    heights = np.log10(counts)
    panel = sheet.panel(left, HEAD, width, HEIGHT, (0, 1), (-0.3, float(heights.max()) + 0.2))
    for at, height in zip(confidence, heights, strict=True):
        panel.bar((at - 0.02, at + 0.02), (-0.3, height), SOFT)
    panel.y_axis(4)
    panel.x_axis(4, "probability of the most probable class")
    panel.title("log10 of the rows")
