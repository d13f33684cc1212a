"""The plots of a comparison, in the style of a run's report."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from credo.inference.kind import Kind
from credo.report.comparison.compare import Comparison
from credo.report.comparison.configurations import Configuration
from credo.report.drawing.base import Drawing
from credo.report.drawing.lettering import shortened, width
from credo.report.drawing.numbers import fixed, places
from credo.report.drawing.sheet import CHAINS, FAINT, INK, MARK, MUTED, SOFT, WIDTH, Panel, Sheet

HEAD, ROW, FOOT, EDGE, GAP = 20.0, 15.0, 16.0, 2.0, 18.0
LEAST_LABEL, MOST_LABEL = 60.0, 170.0
KEY_ROW = 12.0
BAR = 7.0
"""The height of a configuration's interval in the forest."""

MOST_ROWS = 40
MOST_SCALARS = 30
MOST_LINES = 8
"""As many as there are colours."""


def draw(comparison: Comparison) -> list[Drawing]:
    """The plots that apply."""
    return [one for one in (differences(comparison), forest(comparison)) if one is not None]


def differences(comparison: Comparison) -> Drawing | None:
    """The predictive densities and their differences to the best; `None` where they were not compared."""
    loo = comparison.loo.head(MOST_ROWS)
    if loo.empty:
        return None
    labels = [str(label) for label in loo.index]
    failed = {line.label for line in comparison.lines if line.failed}
    elpd = np.array([comparison.left_out[label].elpd.sum() for label in labels])
    se = np.array([comparison.left_out[label].se for label in labels])
    diff, dse = loo["elpd_diff"].to_numpy(), loo["dse"].to_numpy()
    words = ["best" if not d else _interval(d, e) for d, e in zip(diff, dse, strict=True)]
    left = _label_width(labels)
    right = max(width(word, 7) for word in words) + 8 + EDGE
    across = (WIDTH - left - right - GAP) / 2
    sheet = Sheet(HEAD + ROW * len(labels) + FOOT)
    at = np.arange(len(labels))[::-1].astype(float)
    colours = [MARK if label in failed else INK for label in labels]
    for start, values, errors, title in (
        (left, elpd, se, "elpd_loo ± se"),
        (left + across + GAP, diff, dse, "elpd_diff ± dse"),
    ):
        panel = sheet.panel(start, HEAD, across, ROW * len(at), _span(values, errors), (-0.5, len(at) - 0.5))
        _draw(panel, values, errors, at, colours)
        panel.title(title)
    for label, word, down, colour in zip(labels, words, panel.below(at) + 2.6, colours, strict=True):
        sheet.text(left - 8, float(down), shortened(label, left - 10, 7.5), colour, 7.5, align="right")
        sheet.text(WIDTH - EDGE, float(down), word, MUTED, 7, align="right")
    caption = [
        "Left: the expected log predictive density, higher is better.",
        "Right: the difference to the best, known better than either, as the observations are the same.",
        "Bars: one standard error to each side.",
        "Red: the verdict failed." if failed & set(labels) else "",
        _cut(len(loo), len(comparison.loo), "configurations"),
    ]
    return Drawing("Leave-one-out differences", "answer", " ".join(filter(None, caption)), sheet.finished())


def _draw(panel: Panel, values: np.ndarray, errors: np.ndarray, at: np.ndarray, colours: Sequence[str]) -> None:
    """A dot and its errors for each line, and a rule at the first."""
    panel.line([values[0], values[0]], list(panel.y), FAINT, 0.8)
    panel.ranges(values - errors, values + errors, at, SOFT, 3)
    for value, place, colour in zip(values, at, colours, strict=True):
        panel.dots([float(value)], [float(place)], colour, 5)
    panel.x_axis(4)


def forest(comparison: Comparison) -> Drawing | None:
    """Means and 90 % intervals of the variables that several configurations have; `None` where there is none."""
    lines = [line for line in comparison.finished if line.kind is not Kind.TRAINED]
    shown = lines[:MOST_LINES]
    shared = _shared({line.label: _summary(line) for line in shown})
    if not shared:
        return None
    chosen = _chosen(shared)
    heights = {
        name: _head(name, labels) + FOOT + 6 + len(labels) * _pitch(found) for name, (labels, found) in chosen.items()
    }
    colours = dict(zip([line.label for line in shown], CHAINS, strict=False))
    key = _key([label for label in colours if any(label in of for _, of in chosen.values())], colours)
    top = key[-1][1] + 10
    sheet = Sheet(top + sum(heights.values()))
    for left, baseline, words, colour in key:
        sheet.text(left, baseline, words, colour, 7)
    for name, (labels, found) in chosen.items():
        _variable(sheet, top, name, labels, found, colours)
        top += heights[name]
    caption = [
        "Variables that several have. Dots: means, hollow where there is no interval. Bars: central 90 % intervals.",
        "Of several seeds: means of their means and ends." if any(len(line.runs) > 1 for line in shown) else "",
        _cut(sum(len(of) for of, _ in chosen.values()), sum(len(of) for of, _ in shared.values()), "shared scalars"),
        _cut(len(shown), len(lines), "configurations"),
    ]
    return Drawing("Posteriors side by side", "answer", " ".join(filter(None, caption)), sheet.finished())


def _cut(shown: int, total: int, what: str) -> str:
    """How many are shown, where it is not all."""
    return f"Shown are {shown} of {total:,} {what}." if shown < total else ""


Found = Mapping[str, pd.DataFrame]
"""By the configuration's label: mean, q5 and q95 of scalars."""


def _summary(line: Configuration) -> pd.DataFrame:
    """Means over the seeds of mean, q5 and q95, by scalar."""
    parts = [run.summary()[["mean", "q5", "q95"]] for run in line.runs]
    return pd.DataFrame(sum(parts[1:], parts[0]) / len(parts)) if len(parts) > 1 else parts[0]


def _shared(summaries: Found) -> dict[str, tuple[list[str], Found]]:
    """The variables that at least two have with the same elements: by name, their scalars, and who has them."""
    elements: dict[str, dict[str, tuple[str, ...]]] = {}
    for label, summary in summaries.items():
        for scalar in summary.index:
            own = elements.setdefault(str(scalar).partition("[")[0], {})
            own[label] = (*own.get(label, ()), str(scalar))
    shared: dict[str, tuple[list[str], Found]] = {}
    for name, of in elements.items():
        scalars = max(of.values(), key=lambda one: sum(one == other for other in of.values()))
        having = [label for label, own in of.items() if own == scalars]
        if len(having) > 1:
            shared[name] = list(scalars), {label: summaries[label].loc[list(scalars)] for label in having}
    return shared


def _chosen(shared: Mapping[str, tuple[list[str], Found]]) -> dict[str, tuple[list[str], Found]]:
    """As many scalars as there is room for, variables of few elements first, in their own order."""
    room = MOST_SCALARS
    chosen: dict[str, tuple[list[str], Found]] = {}
    for name in sorted(shared, key=lambda name: len(shared[name][0])):
        scalars, found = shared[name]
        if room:
            chosen[name] = scalars[:room], found
            room -= len(chosen[name][0])
    return {name: chosen[name] for name in shared if name in chosen}


def _pitch(found: Found) -> float:
    return BAR * len(found) + 5


def _head(name: str, scalars: Sequence[str]) -> float:
    """Room above a panel; a variable of one element is named by its row."""
    return 4.0 if list(scalars) == [name] else HEAD


def _variable(
    sheet: Sheet, top: float, name: str, scalars: Sequence[str], found: Found, colours: Mapping[str, str]
) -> None:
    """A panel of one variable: for each element an interval per configuration."""
    elements = [scalar[len(name) + 1 : -1] or name for scalar in scalars]
    left = _label_width(elements)
    tables = {label: summary.loc[list(scalars)].astype(float) for label, summary in found.items()}
    every = np.concatenate([one.to_numpy().ravel() for one in tables.values()])
    pitch = _pitch(found)
    height = pitch * len(scalars)
    head = _head(name, scalars)
    panel = sheet.panel(left, top + head, WIDTH - left - EDGE, height, _range(every), (0.0, height))
    if head == HEAD:
        sheet.text(EDGE, top + 12, shortened(name, WIDTH - 2 * EDGE, 8, bold=True), size=8, bold=True)
    if panel.x[0] < 0 < panel.x[1]:
        panel.line([0, 0], list(panel.y), FAINT, 0.8)
    first = height - pitch * np.arange(len(scalars)) - 2.5 - BAR / 2
    for place, (label, one) in enumerate(tables.items()):
        at = first - BAR * place
        _intervals(panel, one, at, colours[label])
    panel.x_axis(6)
    centres = panel.below(first - BAR * (len(tables) - 1) / 2) + 2.6
    for element, down in zip(elements, centres, strict=True):
        sheet.text(left - 6, float(down), shortened(element, left - 8, 7.5), INK, 7.5, align="right")


def _intervals(panel: Panel, one: pd.DataFrame, at: np.ndarray, colour: str) -> None:
    """Means with their intervals; hollow where there is no interval."""
    mean, low, high = (one[column].to_numpy() for column in ("mean", "q5", "q95"))
    known = np.isfinite(low)
    panel.ranges(low[known], high[known], at[known], colour, 1.6)
    panel.dots(mean[known], at[known], colour, 4.5)
    panel.dots(mean[~known], at[~known], colour, 4.5, hollow=True)


def _key(labels: Sequence[str], colours: Mapping[str, str]) -> list[tuple[float, float, str, str]]:
    """Which colour is whose, in rows: left, baseline, words and colour of each."""
    placed, left, baseline = [], EDGE, 10.0
    for label in labels:
        words = f"● {shortened(label, WIDTH / 2, 7)}"
        if left > EDGE and left + width(words, 7) > WIDTH - EDGE:
            left, baseline = EDGE, baseline + KEY_ROW
        placed.append((left, baseline, words, colours[label]))
        left += width(words, 7) + 12
    return placed


def _label_width(labels: Sequence[str]) -> float:
    return float(np.clip(max(width(label, 7.5) for label in labels) + 12, LEAST_LABEL, MOST_LABEL))


def _span(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    reach = np.where(np.isfinite(errors), errors, 0.0)
    return _range(np.concatenate([values - reach, values + reach]))


def _range(values: np.ndarray) -> tuple[float, float]:
    """The range of the finite values, and a little more."""
    shown = values[np.isfinite(values)]
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
    pad = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    return low - pad, high + pad


def _interval(value: float, error: float) -> str:
    digits = places(error, 2)
    return f"{fixed(value, digits)} ± {fixed(error, digits)}"
