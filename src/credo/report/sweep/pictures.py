"""The pictures of a sweep: what was found by what was swept, and the history of a search."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from credo.diagnostics import metrics
from credo.report.drawing.base import Drawing
from credo.report.drawing.lettering import width as width_of
from credo.report.drawing.sheet import ACCENT, INK, MARK, MUTED, WIDTH, Sheet, axis_ticks
from credo.report.sweep.summary import MEASURES
from credo.runs import job

if TYPE_CHECKING:
    from credo.report.sweep.summary import SweepSummary

MOST_KEYS, HEIGHT, HEAD, FOOT, LEFT, GAP = 6, 92.0, 22.0, 34.0, 44.0, 20.0
MOST_TICKS = 6
"""Of more values than these the axis has round numbers."""

WIDE = 30.0
"""Positive numbers whose greatest is more than so many times the least stand on a logarithmic axis."""


def draw(summary: "SweepSummary") -> Drawing | None:
    """Draw what was found against what was swept; `None` where nothing differs."""
    table = pd.DataFrame([row for row in summary.rows if row["state"] in job.ANSWERED], columns=summary.columns)
    measures = [name for name in MEASURES if name in table and table[name].nunique() > 1]
    measures = [name for i, name in enumerate(measures) if not any(table[name].equals(table[o]) for o in measures[:i])]
    keys = [key for key in summary.keys if table[key].nunique() > 1][:MOST_KEYS]
    if not measures or not keys:
        return None
    width = (WIDTH - LEFT * len(measures) - 4) / len(measures) if len(measures) > 1 else WIDTH - LEFT - 4
    sheet = Sheet((HEAD + HEIGHT + FOOT) * len(keys))
    short = job.shortened(summary.keys)
    for row, key in enumerate(keys):
        for column, name in enumerate(measures):
            left, top = LEFT + column * (width + LEFT), HEAD + row * (HEAD + HEIGHT + FOOT)
            _draw_panel(sheet, table, key, name, short[key], (left, top, width))
    caption = "One mark per finished job. A cross: its verdict is failed, so that its numbers may not be believed."
    return Drawing("What was found, by what was swept", "answer", caption, sheet.finished())


def _draw_panel(
    sheet: Sheet, table: pd.DataFrame, key: str, name: str, short: str, place: tuple[float, float, float]
) -> None:
    """Draw a metric against a key, one mark per job.

    Args:
        sheet: the drawing.
        table: the finished jobs.
        key: that was swept.
        name: of the metric.
        short: the key in short.
        place: left, top and width of the panel.
    """
    places, ticks, log = _axis(table[key])
    values = table[name].to_numpy(float)
    panel = sheet.panel(*place, HEIGHT, _span(places), _span(values))
    panel.y_axis(4, lines=True)
    free = -np.inf  # to the right of the last word
    for at, word in ticks:
        across, half = float(panel.right_of(at)), width_of(word, 6.5) / 2
        if across - half > free:
            sheet.text(across, panel.top + panel.height + 10, word, MUTED, 6.5, align="center")
            free = across + half + 5
    title = f"{short}{' (log)' if log else ''}"
    sheet.text(panel.left + panel.width / 2, panel.top + HEIGHT + 22, title, MUTED, 7, "center")
    failed = (table["verdict"] == "failed").to_numpy()
    panel.dots(places[~failed], values[~failed], ACCENT, 5)
    panel.dots(places[failed], values[failed], MARK, 5, "x")
    panel.title(name if name == "objective" else metrics.find(name).title, color=INK)


def draw_search(summary: "SweepSummary") -> Drawing | None:
    """Draw the history of a search, and which keys mattered; `None` where nothing was searched or found."""
    result, values = summary.result, np.array(summary.column("objective"), float)
    if result is None or (~np.isnan(values)).sum() < 2:
        return None
    width = WIDTH - LEFT - 4
    sheet = Sheet(HEAD + HEIGHT + FOOT + (HEAD + 16.0 * len(result.importance) + 12 if result.importance else 0))
    panel = sheet.panel(LEFT, HEAD, width, HEIGHT, (-0.5, len(values) - 0.5), _span(values))
    panel.y_axis(4, lines=True)
    panel.x_axis(8, "job")
    pick = np.fmin if result.directions[0] == "minimize" else np.fmax
    finite = np.flatnonzero(np.isfinite(values))
    panel.line(finite, pick.accumulate(values[finite]), ACCENT, 1.2)
    panel.dots(finite, values[finite], MUTED, 4)
    panel.dots(list(result.best), values[list(result.best)], MARK, 6)
    panel.title(result.objectives[0], "line: the best so far", color=INK)
    top = HEAD + HEIGHT + FOOT + HEAD
    if result.importance:
        sheet.text(LEFT, top - 6, "importance of the keys", INK, 8, bold=True)
    for row, (key, part) in enumerate(result.importance.items()):
        bar = sheet.panel(LEFT + 0.4 * width, top + 16.0 * row, 0.6 * width, 10.0, (0.0, 1.0), (0.0, 1.0))
        bar.bar((0.0, part), (0.0, 1.0), ACCENT)
        sheet.text(LEFT + 0.4 * width - 6, top + 16.0 * row + 8, key, MUTED, 7, "right")
        sheet.text(float(bar.right_of(part)) + 4, top + 16.0 * row + 8, f"{part:.0%}", MUTED, 7)
    caption = (
        "One dot per job in the order of the search; red: the best. Importance: the share of the differences in the "
        "objective that a key explains (PED-ANOVA)."
    )
    return Drawing("The search", "answer", caption, sheet.finished())


def _axis(values: "pd.Series[Any]") -> tuple[np.ndarray, list[tuple[float, str]], bool]:
    """Places of the jobs on an axis, ticks with their words, and whether it is logarithmic."""
    try:
        numbers = values.astype(float).to_numpy()
    except ValueError:
        words = list(dict.fromkeys(values))
        places = np.array([words.index(value) for value in values], float)
        return places, [(float(i), str(word)) for i, word in enumerate(words)], False
    log = bool((numbers > 0).all() and numbers.max() / numbers.min() > WIDE)
    places = np.log(numbers) if log else numbers
    distinct = sorted(set(zip(places.tolist(), values.astype(str), strict=True)))
    return places, distinct if len(distinct) <= MOST_TICKS else _round(numbers, log), log


def _round(numbers: np.ndarray, log: bool) -> list[tuple[float, str]]:
    """Round numbers over the range of a search, whose own have many digits."""
    low, high = float(numbers.min()), float(numbers.max())
    if not log:
        ticks, words = axis_ticks(low, high, 4)
        return list(zip(ticks.tolist(), words, strict=True))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    step = max(len(powers) // 4, 1)
    return [(power * math.log(10), f"{10.0**power:g}") for power in powers if power % step == 0]


def _span(values: np.ndarray) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 0.5
    return low - room, high + room
