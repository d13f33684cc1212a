"""Did each start find as good an approximation, and was it kept in time? The ELBO by step."""

import numpy as np

from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.sheet import ACCENT, MARK, WIDTH, Sheet
from credo.report.view import Evidence

OF = of(groups=("approximations",))
TITLE = "ELBO by step"
CAPTION = (
    "How far the ELBO of each start's approximation is below the best one, by its steps; dots: what was kept. All "
    "starts should end at the same height: one that stays lower found another part of the posterior, or a worse "
    "approximation."
)
HEIGHT, HEAD, FOOT, LEFT = 110.0, 20.0, 30.0, 44.0
LEAST = 1.0
"""Nats that the panel shows at least."""


def draw(evidence: Evidence) -> Drawing:
    """Draw the course of every start, without the first way up."""
    found = evidence.group("approximations")
    course = found["course"].transpose("start", "step").values.astype(float)
    if not np.isfinite(course).any():
        return Drawing(TITLE, "checks", "The ELBO was finite at no step.")
    steps, kept = found["step"].values.astype(float), found["kept"].values.astype(float)
    below = np.where(np.isfinite(course), course - course[np.isfinite(course)].max(), np.nan)
    low = min(float(np.nanquantile(below, 0.25)), -LEAST)
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    panel = sheet.panel(LEFT, HEAD, WIDTH - LEFT - 14, HEIGHT, (0, 1.03 * steps[-1]), (1.05 * low, -0.1 * low))
    for line in below:
        known = np.isfinite(line)
        panel.line(steps[known], line[known], ACCENT, 0.8, alpha=0.6)
    at = np.searchsorted(steps, kept)
    chosen = np.isfinite(kept)
    heights = below[chosen, at[chosen]]
    panel.dots(kept[chosen], np.maximum(heights, 1.05 * low), MARK, 4.5)
    panel.y_axis(4, lines=True)
    panel.x_axis(5, "steps")
    panel.title("ELBO below the best, nats", f"{len(below)} starts")
    return Drawing(TITLE, "checks", CAPTION, sheet.finished())
