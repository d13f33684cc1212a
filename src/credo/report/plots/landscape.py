"""The density that an energy-based model gives its states, of one or two numbers, with rows that were observed."""

import numpy as np

from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import limits
from credo.report.drawing.sheet import ACCENT, INK, MARK, WIDTH, Sheet
from credo.report.view import Evidence

OF = of(groups=("density",))
TITLE = "Density of the model"
OF_ONE = "Line: the model's density exp(-E) / Z; ticks: observed rows."
OF_TWO = "Left: the model's density exp(-E) / Z, darkest where it is highest. Right: {rows} observed rows, to compare."
HEIGHT, HEAD, FOOT, LEFT, GAP = 200.0, 20.0, 30.0, 40.0, 24.0


def draw(evidence: Evidence) -> Drawing:
    """Draw the density, and the rows beside it or under it."""
    density = evidence.group("density")
    if "density" not in density:
        return Drawing(TITLE, "answer", "The density was not computed on a grid.")
    seen = density["seen"].transpose("row", "target").values
    names = [str(name) for name in density["target"].values]
    axes = [density[f"axis_{i}"].values for i in range(len(names))]
    values = density["density"].values
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    if len(axes) == 1:
        panel = sheet.panel(LEFT, HEAD, WIDTH - LEFT - 4, HEIGHT, limits(axes[0]), (0.0, 1.08 * float(values.max())))
        panel.line(axes[0], values, ACCENT, 1.4)
        panel.dots(seen[:, 0], np.full(len(seen), 0.01 * values.max()), INK, 1.6)
        panel.y_axis(4)
        panel.x_axis(6, names[0])
        return Drawing(TITLE, "answer", OF_ONE, sheet.finished())
    width = (WIDTH - 2 * LEFT - GAP - 4) / 2
    left, right = (
        sheet.panel(LEFT + i * (width + LEFT + GAP), HEAD, width, HEIGHT, limits(axes[0]), limits(axes[1]))
        for i in range(2)
    )
    left.shade(axes[0], axes[1], values / max(float(values.max()), 1e-300), ACCENT)
    right.dots(seen[:, 0], seen[:, 1], MARK, 1.2)
    for panel, title in ((left, "model"), (right, "data")):
        panel.y_axis(4)
        panel.x_axis(5, names[0])
        panel.title(title, names[1])
    return Drawing(TITLE, "answer", OF_TWO.format(rows=f"{len(seen):,}"), sheet.finished())
