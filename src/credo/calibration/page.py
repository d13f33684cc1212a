"""The page of a calibration, `report.html`: the verdict, a table of the scalars, and how their ranks lie."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arviz_stats.ecdf_utils import ecdf_pit

from credo import writing
from credo.diagnostics.sbc.uniform import ALARMS
from credo.diagnostics.sbc.verdict import Calibrated
from credo.report.drawing.base import Drawing
from credo.report.drawing.numbers import number
from credo.report.drawing.picture import Picture, picture
from credo.report.drawing.sheet import ACCENT, BAND, FAINT, Panel, Sheet
from credo.report.rendering import template
from credo.report.run.page import choices
from credo.runs.record import RunRecord

MOST_PANELS, MOST_FAILURES = 24, 20
PER_ROW, SIMULATIONS, DPI = 4, 1000, 200
LEFT, WIDTH, GAP, PITCH, HEIGHT, HEAD, FOOT = 34.0, 106.0, 18.0, 76.0, 52.0, 16.0, 14.0
TONES = {"calibrated": "passed", "not calibrated": "failed", "too few replications": "unsure"}

COLUMNS = {
    "scalar": "scalar",
    "alarms": "alarms",
    "bias": "bias",
    "spread": "spread",
    "coverage_50": "in 50 %",
    "coverage_90": "in 90 %",
    "p_bias": "p bias",
    "p_spread": "p spread",
    "p_shape": "p shape",
}
"""The columns of the table of scalars that are shown, and their titles."""

READING = (
    "bias: by how many posterior standard deviations the draws lie too high. spread: how many times too wide they are. "
    "in 50 %, in 90 %: the share of true values in these central intervals. p: of the tests, before Holm's correction. "
    "All columns are in calibration.csv beside this page."
)
CAPTION = (
    "The share of ranks below a value, less that value: zero where the inference is calibrated. The grey band holds "
    "the whole line of one scalar in 99 % of calibrated cases (ArviZ); the verdict rests on the tests in the table."
)


def write(folder: Path, record: RunRecord, found: Calibrated, rows: pd.DataFrame) -> Path:
    """Write `report.html`. Everything that came from outside is escaped."""
    unanswered = rows[rows["reason"].notna()][["replication", "reason"]].head(MOST_FAILURES)
    text = template("calibration.html", "credo.calibration").render(
        name=record.name,
        choices=choices(record),
        found=found,
        tone=TONES[found.status],
        titles=COLUMNS.values(),
        lines=_lines(found.table) if found.replications else [],
        reading=READING,
        picture=_picture(found, rows) if found.replications > 1 else None,
        failures=unanswered.itertuples(index=False),
    )
    place = folder / "report.html"
    writing.write(place, text)
    return place


def _lines(table: pd.DataFrame) -> list[list[str]]:
    """The table of scalars in words, those that alarm first."""
    return [
        [str(row[name]) if isinstance(row[name], str) else number(float(row[name])) for name in COLUMNS]
        for _, row in _ordered(table).iterrows()
    ]


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("alarms", key=lambda words: words == "", kind="stable")


def _picture(found: Calibrated, rows: pd.DataFrame) -> Picture:
    """A panel per scalar, those that alarm first."""
    names = [str(name) for name in _ordered(found.table)["scalar"]]
    curves = [
        _curve(rows.loc[(rows["scalar"] == name) & rows["reason"].isna(), "rank"]) for name in names[:MOST_PANELS]
    ]
    highest = 1.1 * max(float(np.abs(part).max()) for curve in curves for part in curve[1:])
    count = -(-len(curves) // PER_ROW)
    sheet = Sheet(HEAD + PITCH * count - (PITCH - HEIGHT) + FOOT)
    for i, (name, curve) in enumerate(zip(names[:MOST_PANELS], curves, strict=True)):
        left, top = LEFT + (WIDTH + GAP) * (i % PER_ROW), HEAD + PITCH * (i // PER_ROW)
        panel = sheet.panel(left, top, WIDTH, HEIGHT, (0, 1), (-highest, highest))
        _draw(panel, name, *curve)
        if i % PER_ROW == 0:
            panel.y_axis()
        if i + PER_ROW >= len(curves):
            panel.x_axis(2)
    drawing = Drawing("Ranks of the true values", "checks", CAPTION, sheet.finished(), tuple(names[MOST_PANELS:]))
    assert drawing.figure is not None  # noqa: S101 - it was just made
    return picture(drawing, DPI)


def _curve(ranks: "pd.Series[float]") -> tuple[Any, Any, Any, Any]:
    """Where, the distribution function less the uniform one, and the ends of its band."""
    generator = np.random.default_rng(0)
    x, ecdf, low, high = ecdf_pit(ranks.to_numpy(), 1 - ALARMS, SIMULATIONS, rng=generator)  # type: ignore[no-untyped-call]
    return x, ecdf - x, low - x, high - x


def _draw(panel: Panel, name: str, x: Any, line: Any, low: Any, high: Any) -> None:
    panel.title(name)
    panel.area(x, low, high, BAND)
    panel.line([0, 1], [0, 0], FAINT, 0.8)
    panel.line(x, line, ACCENT, 0.9)
