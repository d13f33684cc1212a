"""What was learnt: the density of every scalar variable, and the intervals of every vector.

Of a point estimate: the estimates with 90 % intervals of 1.64 standard errors.
"""

import numpy as np

from credo.inference.kind import Kind
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import density, finite, intervals, limits
from credo.report.drawing.forest import Intervals
from credo.report.drawing.numbers import fixed, places
from credo.report.drawing.sheet import ACCENT, INK, MARK, MUTED, SOFT, WIDTH, Panel, Sheet
from credo.report.view import Evidence, Variable

TITLE = "Posterior"
EDGE, GAP, HEAD, FOOT, BETWEEN = 2.0, 24.0, 16.0, 26.0, 12.0
DENSITY, ESTIMATE = 50.0, 26.0
"""The heights of the panels of scalars, of draws and of point estimates."""

MOST_BARS = 25
"""A variable of whole numbers with no more values than this is drawn as bars."""

HALF_90, HALF_50 = 1.6448536, 0.6744898
"""Half widths of the normal distribution's 90 % and 50 % intervals, in standard deviations."""


def draw(evidence: Evidence) -> Drawing:
    """Draw the scalars in small panels and the vectors below them."""
    point = evidence.result.kind is Kind.POINT
    title = "Estimates" if point else TITLE
    variables, left_out = evidence.chosen_variables()
    if not variables:
        return Drawing(title, "answer", "The model has no variables to show.")
    single = [variable for variable in variables if len(variable.labels) == 1]
    several = [_intervals(variable, point) for variable in variables if len(variable.labels) > 1]
    per_row = 2 if len(single) in (1, 2, 4) else 3
    pitch = HEAD + (ESTIMATE if point else DENSITY) + FOOT
    top = pitch * -(-len(single) // per_row)
    sheet = Sheet(top + sum(block.height + BETWEEN for block in several))
    width = (WIDTH - 2 * EDGE - GAP * (per_row - 1)) / per_row
    for i, variable in enumerate(single):
        left = EDGE + (width + GAP) * (i % per_row)
        place = left, HEAD + pitch * (i // per_row), width, variable
        _estimate(sheet, *place) if point else _density(sheet, *place, evidence.priors.get(variable.labels[0]))
    for block in several:
        block.draw(sheet, top)
        top += block.height + BETWEEN
    before = any(variable.labels[0] in evidence.priors for variable in single)
    caption = _caption(point, bool(single), bool(several), variables, before)
    return Drawing(title, "answer", caption, sheet.finished(), left_out)


def _density(
    sheet: Sheet,
    left: float,
    top: float,
    width: float,
    variable: Variable,
    prior: tuple[np.ndarray, np.ndarray] | None,
) -> None:
    """The posterior's density, and before it that of the prior, over the range of the draws."""
    draws = variable.draws[0]
    low, high = limits(draws)
    if 0 < low < 0.05 * high:
        low = 0.0
    values = finite(draws)
    whole = variable.draws.dtype.kind in "biu" and high - low <= MOST_BARS
    if whole:
        low, high = low - 0.6, high + 0.6
        centres, counts = np.unique(values, return_counts=True)
        heights = counts / max(values.size, 1)
    else:
        centres, heights = density(draws, low, high)
    panel = sheet.panel(left, top, width, DENSITY, (low, high), (0, 1.08 * float(heights.max()) or 1))
    if whole:
        for centre, height in zip(centres, heights, strict=True):
            panel.bar((centre - 0.35, centre + 0.35), (0, height), SOFT)
    elif values.size:
        inside = np.quantile(values, (0.05, 0.95))
        middle = (centres >= inside[0]) & (centres <= inside[1])
        panel.area(centres, 0, heights, SOFT, 0.35)
        panel.area(centres[middle], 0, heights[middle], SOFT)
        panel.line(centres, heights, ACCENT, 1.1)
    if prior is not None:
        inside = (prior[0] >= low) & (prior[0] <= high)
        panel.line(prior[0][inside], np.where(prior[1] <= panel.y[1], prior[1], np.nan)[inside], MUTED, 0.8)
    panel.x_axis(4)
    if values.size:
        panel.dots([float(np.median(values))], [0.0], INK, 4.5)
    _truth(panel, variable)
    panel.title(variable.name, _words(values, whole))


def _estimate(sheet: Sheet, left: float, top: float, width: float, variable: Variable) -> None:
    """A dot with its intervals; hollow where there is no standard error."""
    block = _intervals(variable, point=True)
    panel = sheet.panel(left, top, width, ESTIMATE, block.range, (-1, 1))
    low, q25, centre, q75, high = block.quantiles
    panel.ranges(low, high, [0.0], SOFT, 3)
    panel.ranges(q25, q75, [0.0], ACCENT, 5)
    panel.dots(centre, [0.0], INK, 5, hollow=not np.isfinite(low[0]))
    error = np.nan if variable.error is None else float(variable.error[0])
    estimate = fixed(float(centre[0]), places(error, 2))
    panel.title(variable.name, f"{estimate} ± {fixed(error, places(error, 2))}" if np.isfinite(error) else estimate)
    _truth(panel, variable)
    panel.x_axis(4)


def _intervals(variable: Variable, point: bool) -> Intervals:
    if point:
        centre = variable.draws.reshape(len(variable.labels), -1)[:, 0].astype(float)
        error = np.full(centre.shape, np.nan) if variable.error is None else variable.error
        steps = (-HALF_90, -HALF_50, 0, HALF_50, HALF_90)
        quantiles = np.stack([centre + step * error if step else centre for step in steps])
    else:
        quantiles = intervals(variable.draws.reshape(len(variable.labels), -1))
    return Intervals(variable.name, ", ".join(variable.dims), variable.elements, quantiles, variable.truth)


def _truth(panel: Panel, variable: Variable) -> None:
    if variable.truth is not None and panel.x[0] <= variable.truth[0] <= panel.x[1]:
        panel.columns(variable.truth, [panel.y[0]], [panel.y[1]], MARK, 1.2)


def _words(values: np.ndarray, whole: bool) -> str:
    if not values.size:
        return "no finite draw"
    q5, q50, q95 = np.quantile(values, (0.05, 0.5, 0.95))
    digits = 0 if whole else places((q95 - q5) / 3.3, 2)
    return f"{fixed(q50, digits)}  [{fixed(q5, digits)}, {fixed(q95, digits)}]"


def _caption(point: bool, single: bool, several: bool, variables: list[Variable], before: bool) -> str:
    truth = " Red marks: the values that generated the data." if any(v.truth is not None for v in variables) else ""
    if point:
        return (
            "Dots: the estimates. Thin bars: 90 % intervals of 1.64 standard errors; thick bars: 50 %. A hollow dot "
            f"has no standard error.{truth}"
        )
    densities = "Curves: the posterior density, its middle 90 % in the darker shade. " if single else ""
    densities += "Thin grey lines: the prior's density. " if before else ""
    bars = "Thin bars: 90 % intervals; thick bars: 50 %. " if several else ""
    return f"{densities}{bars}Dots and numbers: the median and the 90 % interval.{truth}"
