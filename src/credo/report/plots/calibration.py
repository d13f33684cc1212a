"""Do intervals hold what they promise? The share of rows inside the central intervals of every nominal coverage.

A row is inside its central interval of coverage c where its probability integral transform p has |2 p - 1| <= c.
"""

import numpy as np

from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.chance import binomial_interval
from credo.report.drawing.density import finite
from credo.report.drawing.sheet import ACCENT, BAND, MARK, MUTED, WIDTH, Sheet
from credo.report.view import Evidence

OF = of(groups=("predictive",))
TITLE = "Coverage of the intervals"
CAPTION = (
    "The share of the {rows} inside their central intervals, by the coverage that these promise. Right intervals stay "
    "within the grey band (95 % at each coverage) around the diagonal; a line below it: they are too narrow; above it: "
    "too wide. Red: the share inside the 90 % intervals."
)
NOMINAL = np.linspace(0, 1, 101)
HEIGHT, HEAD, FOOT, LEFT, GAP = 120.0, 32.0, 30.0, 34.0, 18.0


def draw(evidence: Evidence) -> Drawing:
    """Draw a line per target against the diagonal."""
    predictive = evidence.group("predictive")
    if "pit" not in predictive or not predictive["pit"].size:
        return Drawing(TITLE, "checks", "The model predicts no intervals per row.")
    names, more = evidence.targets("predictive")
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    sheet.text(4, 10, "observed coverage", MUTED, 7)
    width = (WIDTH - LEFT - GAP * len(names)) / len(names)
    for i, name in enumerate(names):
        pit = finite(predictive["pit"].isel(target=i))
        panel = sheet.panel(LEFT + i * (width + GAP), HEAD, width, HEIGHT, (0, 1), (0, 1))
        panel.area(NOMINAL, *band(pit.size), BAND)
        panel.line([0, 1], [0, 1], MUTED, 0.7, dash=True)
        panel.line(NOMINAL, coverage(pit, NOMINAL), ACCENT, 1.4)
        (held,) = coverage(pit, np.array([0.9]))
        panel.dots([0.9], [held], MARK, 4.5)
        if i == 0:
            panel.y_axis(4)
        panel.x_axis(4 if len(names) < 3 else 2, "nominal coverage")
        panel.title(name, f"{100 * held:.0f} %", MARK)
    return Drawing(TITLE, "checks", CAPTION.format(rows=evidence.predicted_rows) + more, sheet.finished())


def coverage(pit: np.ndarray, nominal: np.ndarray) -> np.ndarray:
    """The share of rows inside their central intervals of each nominal coverage."""
    distance = np.sort(np.abs(2 * pit - 1))
    return np.searchsorted(distance, nominal, side="right") / max(pit.size, 1)


def band(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Between what the share of rows lies with a probability of 95 % at each of `NOMINAL`, if it is binomial."""
    low, high = binomial_interval(0.95, max(rows, 1), NOMINAL)
    return low / max(rows, 1), high / max(rows, 1)
