"""What is predicted along an input: the density of each target given it, with the rows that were observed."""

import numpy as np
import xarray as xr

from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import limits
from credo.report.drawing.numbers import counted
from credo.report.drawing.sheet import ACCENT, INK, WIDTH, Panel, Sheet
from credo.report.view import Evidence

OF = of(groups=("curve",))
TITLE = "Predicted distribution along an input"
MOST_ROWS = 400
"""How many observed rows are shown."""

HEIGHT, HEAD, FOOT, LEFT, GAP = 130.0, 20.0, 30.0, 40.0, 14.0


def draw(evidence: Evidence) -> Drawing:
    """Draw a panel per target."""
    curve = evidence.group("curve")
    if "density" not in curve:
        return Drawing(TITLE, "checks", "The model predicts along no input.")
    names, more = evidence.targets("curve")
    per_row = min(len(names), 2)
    width = WIDTH / per_row - LEFT - GAP
    sheet = Sheet((HEAD + HEIGHT + FOOT) * -(-len(names) // per_row))
    for i, name in enumerate(names):
        row, column = divmod(i, per_row)
        left, top = LEFT + column * (width + LEFT + GAP), HEAD + row * (HEAD + HEIGHT + FOOT)
        target = curve.isel(target=i)
        x, y = limits(target["at"].values), limits(target["level"].values)
        panel = sheet.panel(left, top, width, HEIGHT, x, y)
        _density(panel, target)
        outside = _rows(panel, target)
        _quantiles(panel, target)
        panel.y_axis(4)
        panel.x_axis(5, str(curve.attrs.get("feature", "input")))
        panel.title(name, f"{counted(outside, 'row')} outside" if outside else "")
    return Drawing(TITLE, "answer", _caption(curve) + more, sheet.finished())


def _density(panel: Panel, target: xr.Dataset) -> None:
    """Shade by the density relative to its highest value at each point."""
    density = np.nan_to_num(target["density"].transpose("point", "level").values)
    highest = density.max(axis=1, keepdims=True)
    panel.shade(target["at"].values, target["level"].values, density / np.where(highest > 0, highest, 1), ACCENT)


def _quantiles(panel: Panel, target: xr.Dataset) -> None:
    """The median and the ends of the central 90 %."""
    for probability, dash in ((0.05, True), (0.95, True), (0.5, False)):
        quantile = target["quantile"].sel(probability=probability, method="nearest").values
        panel.line(target["at"].values, quantile, INK, 0.8 if dash else 1.2, dash=dash)


def _rows(panel: Panel, target: xr.Dataset) -> int:
    """Show the observed rows, and say how many lie outside the panel."""
    if "seen_at" not in target:
        return 0
    x, y = target["seen_at"].values, target["seen_y"].values
    inside = (x >= panel.x[0]) & (x <= panel.x[1]) & (y >= panel.y[0]) & (y <= panel.y[1])
    shown = np.flatnonzero(inside)[:: 1 + len(x) // MOST_ROWS]
    panel.dots(x[shown], y[shown], INK, 2.4)
    return int((~inside).sum())


def _caption(curve: xr.Dataset) -> str:
    held = str(curve.attrs.get("held", ""))
    reading = (
        "Blue: the predicted density, darkest where it is highest for this value of the input; line: the median; "
        "dashed: the ends of the central 90 %."
    )
    if "seen_at" not in curve:
        return f"{reading} {held}".strip()
    rows = curve.sizes["seen"]
    some = f" ({-(-rows // (1 + rows // MOST_ROWS)):,} of {rows:,} rows)" if rows > MOST_ROWS else ""
    if not held:
        return f"{reading} Dots: observations{some}, of which nine in ten should lie between the dashed lines."
    return f"{reading} {held} Dots: observations{some}; their other inputs are their own, so they may lie elsewhere."
