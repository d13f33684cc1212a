"""Did the optimiser find the top, and is it a peak? The log density reached from each start, and the curvature."""

import numpy as np

from credo.report.drawing.base import Drawing
from credo.report.drawing.sheet import ACCENT, FAINT, INK, MARK, MUTED, WIDTH, Sheet
from credo.report.view import Evidence

TITLE = "Starts and curvature"
CAPTION = (
    "Left: how far the log density reached from each start is below the best; hollow: not converged. Several starts at "
    "zero speak for one global top. Right: the eigenvalues of the scaled curvature at the estimate; one near zero is a "
    "direction that the data and the priors leave undetermined."
)
HEIGHT, HEAD, FOOT, LEFT, GAP = 90.0, 20.0, 10.0, 44.0, 60.0
FLOOR = 1e-12


def draw(evidence: Evidence) -> Drawing:
    """Draw the starts in order of their height, and the eigenvalues in order of their size."""
    optimisation = evidence.group("optimisation")
    if "objective" not in optimisation:
        return Drawing(TITLE, "checks", f"The method {evidence.result.method} is no optimiser.")
    best_first = optimisation.sortby("objective", ascending=False)
    objective = best_first["objective"].values.astype(float)
    if not np.isfinite(objective).any():
        return Drawing(TITLE, "checks", "No start reached a finite log density.")
    converged = np.asarray(best_first.get("converged", np.ones(objective.shape)), bool)
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    width = (WIDTH - LEFT * 2 - GAP) / 2
    _starts(sheet, LEFT, width, objective, converged)
    if "hessian_eigenvalues" in optimisation:
        _eigenvalues(sheet, LEFT + width + GAP, width, optimisation["hessian_eigenvalues"].values.astype(float))
    return Drawing(TITLE, "checks", CAPTION, sheet.finished())


def _starts(sheet: Sheet, left: float, width: float, objective: np.ndarray, converged: np.ndarray) -> None:
    known = np.isfinite(objective)
    below = objective - objective[known].max()
    lowest = float(below[known].min(initial=0.0))
    low = min(1.1 * lowest, -0.1)
    panel = sheet.panel(left, HEAD, width, HEIGHT, (-0.7, len(below) - 0.3), (low, -0.08 * low))
    panel.y_axis(3, lines=True)
    at = np.arange(len(below))
    panel.dots(at[known & converged], below[known & converged], ACCENT, 5)
    panel.dots(at[known & ~converged], below[known & ~converged], MARK, 5, hollow=True)
    panel.title("log density below the best", "" if known.all() else f"{int((~known).sum())} not finite")


def _eigenvalues(sheet: Sheet, left: float, width: float, eigenvalues: np.ndarray) -> None:
    """On a logarithmic scale; those not above zero lie on the floor, in red."""
    known = eigenvalues[np.isfinite(eigenvalues)]
    if not known.size:
        return
    heights = np.log10(np.maximum(known, FLOOR))
    low, high = float(np.floor(heights.min())), float(np.ceil(heights.max()) + 0.3)
    panel = sheet.panel(left, HEAD, width, HEIGHT, (-0.7, len(known) - 0.3), (low, high))
    for power in range(int(low), int(high) + 1, max(int(high - low) // 4, 1)):
        down = float(panel.below(power))
        sheet.line([left, left + width], [down, down], FAINT, 0.6)
        sheet.text(left - 4, down + 2.3, f"1e{power}" if power else "1", MUTED, 6.5, align="right")
    flat = known <= FLOOR
    at = np.arange(len(known))
    panel.dots(at[~flat], heights[~flat], INK, 4.5)
    panel.dots(at[flat], heights[flat], MARK, 5)
    panel.title("eigenvalues of the curvature")
