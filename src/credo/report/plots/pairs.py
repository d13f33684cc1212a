"""How unknowns depend on each other, and where draws diverged: the usual sight of a funnel."""

import numpy as np

from credo.inference.kind import Kind, of
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import limits
from credo.report.drawing.lettering import shortened
from credo.report.drawing.numbers import counted
from credo.report.drawing.sheet import ACCENT, MARK, WIDTH, Panel, Sheet
from credo.report.view import Evidence, Scalar

OF = of(Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)
TITLE = "Dependence between unknowns"
MOST = 4
MOST_POINTS = 500
LEFT, GAP, HEIGHT, HEAD, FOOT, NAME = 40.0, 26.0, 96.0, 14.0, 26.0, 6.0


def draw(evidence: Evidence) -> Drawing:
    """Draw every pair of a few scalars against each other."""
    scalars, left_out = evidence.chosen_scalars(MOST)
    if len(scalars) < 2:
        return Drawing(TITLE, "checks", "There is one unknown, so there is no pair.")
    diverging = np.ravel(evidence.group("sample_stats").get("diverging", np.zeros(scalars[0].draws.shape, bool)))
    cells = len(scalars) - 1
    width = (WIDTH - LEFT - 2 - GAP * (cells - 1)) / max(cells, 2)
    sheet = Sheet(HEAD + cells * (HEIGHT + FOOT) + NAME)
    for row, below in enumerate(scalars[1:]):
        for column, across in enumerate(scalars[: row + 1]):
            left, top = LEFT + column * (width + GAP), HEAD + row * (HEIGHT + FOOT)
            panel = sheet.panel(left, top, width, HEIGHT, limits(across.draws), limits(below.draws))
            _scatter(panel, across, below, diverging)
            if column == 0:
                panel.y_axis(3)
                panel.title(below.label)
            if row == cells - 1:
                name = shortened(across.label, width, 8, bold=True)
                sheet.text(left + width / 2, top + HEIGHT + 21, name, size=8, align="center", bold=True)
    return Drawing(TITLE, "checks", _caption(len(scalars), len(left_out), int(diverging.sum())), sheet.finished())


def _scatter(panel: Panel, across: Scalar, below: Scalar, diverging: np.ndarray) -> None:
    x, y = np.clip(np.ravel(across.draws), *panel.x), np.clip(np.ravel(below.draws), *panel.y)
    shown = slice(None, None, max(x.size // MOST_POINTS, 1))
    panel.x_axis(3)
    panel.dots(x[shown], y[shown], ACCENT, 2.2)
    panel.dots(x[diverging], y[diverging], MARK, 3)


def _caption(shown: int, left_out: int, diverged: int) -> str:
    of = f"The {shown} of {shown + left_out:,} that mix worst, variables without dims first. " if left_out else ""
    if not diverged:
        return f"{of}Blue: draws. Straight bands and clouds are easy for a sampler, narrow curves and funnels are hard."
    return (
        f"{of}Blue: draws; red: the {counted(diverged, 'divergent transition')}. Where the red dots crowd, the sampler "
        "could not follow the density, and the answer lacks what lies beyond."
    )
