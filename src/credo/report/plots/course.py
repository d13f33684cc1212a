"""How precise the chains were by when: the least effective sample size and the largest R-hat at every look."""

import numpy as np

from credo.report.drawing.base import Drawing
from credo.report.drawing.sheet import ACCENT, INK, MARK, WIDTH, Sheet
from credo.report.view import Evidence

TITLE = "Precision by draws"
CAPTION = (
    "Left: the smallest bulk effective sample size by the draws per chain; it should grow in proportion. Right: the "
    "largest R-hat, which should fall towards 1. Dashed: the bars of the checks."
)
HEIGHT, HEAD, FOOT, LEFT, GAP = 90.0, 20.0, 14.0, 44.0, 60.0


def draw(evidence: Evidence) -> Drawing:
    """Draw both courses."""
    history = evidence.result.history
    looks = [entry for entry in history if np.isfinite(entry.get("ess_bulk_min", np.nan))]
    if len(looks) < 2:
        reason = (
            "The chains were looked at once only." if looks else "No course of effective sample sizes was recorded."
        )
        return Drawing(TITLE, "checks", reason)
    draws = np.array([entry["done"] for entry in looks], float)
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    width = (WIDTH - LEFT * 2 - GAP) / 2
    bars = evidence.thresholds
    ess = np.array([entry["ess_bulk_min"] for entry in looks])
    r_hat = np.array([entry["r_hat_max"] for entry in looks])
    _panel(sheet, LEFT, width, draws, ess, bars.get("ess_bulk"), 0.0, "smallest ESS by draws per chain")
    _panel(sheet, LEFT + width + GAP, width, draws, r_hat, bars.get("r_hat"), 1.0, "largest R-hat by draws per chain")
    return Drawing(TITLE, "checks", CAPTION, sheet.finished())


def _panel(
    sheet: Sheet,
    left: float,
    width: float,
    draws: np.ndarray,
    values: np.ndarray,
    bar: float | None,
    floor: float,
    title: str,
) -> None:
    known = np.isfinite(values)
    highest = max(float(values[known].max(initial=floor)), bar or floor)
    panel = sheet.panel(left, HEAD, width, HEIGHT, (0, 1.05 * draws[-1]), (floor, floor + 1.1 * (highest - floor)))
    panel.y_axis(3, lines=True)
    panel.x_axis(4)
    if bar is not None:
        panel.line([0, 1.05 * draws[-1]], [bar, bar], INK, 0.8, dash=True)
    panel.line(draws[known], values[known], ACCENT, 1.2)
    panel.dots(draws[known][-1:], values[known][-1:], MARK, 5)
    panel.title(title)
