"""How runs, sweeps and comparisons show themselves in a notebook: HTML without scripts, everything escaped."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from credo.report.run.checks import HEADLINES, counts

if TYPE_CHECKING:
    import pandas as pd

    from credo.diagnostics.base import Verdict

MOST_ROWS = 20
"""Of a table; the rest is named by its number."""

MOST_PLOTS = 3
FIRST = ("posterior", "predictive", "conditional", "samples", "landscape", "learning", "trace")
"""Plots that are shown before the others."""

COLUMNS = ("mean", "sd", "q5", "q95", "ess_bulk", "r_hat")
"""Of a summary."""

LEFT_OUT = ("posterior/", "seconds/", "folder", "reason")
"""Columns of tables of runs that have no room."""

DIGITS = 4
"""Significant digits of a number."""

COLOURS = {"passed": "#1a7f37", "failed": "#c62828", "not checked": "#9a6700", "note": "#0b6e99"}


def run(judged: "Verdict", summary: "pd.DataFrame", folder: Path) -> str:
    """The verdict of a run with whatever did not pass, its summary, and plots of its folder."""
    pictures = sorted((folder / "plots").glob("*.png"), key=_place)[:MOST_PLOTS]
    columns = [name for name in COLUMNS if name in summary and summary[name].notna().any()]
    parts = [verdict(judged), _frame(summary[columns]), *map(_picture, pictures), f"<p>{escaped(folder)}</p>"]
    return "".join(parts)


def table(headline: str, numbers: "pd.DataFrame", notes: Sequence[str] = ()) -> str:
    """A sentence with a table, and what a reader must know."""
    return f"<p><b>{escaped(headline)}</b></p>{_frame(numbers)}" + "".join(f"<p>{escaped(one)}</p>" for one in notes)


def verdict(judged: "Verdict") -> str:
    """The verdict in one line, and the advice of each check that did not pass."""
    rows = [
        f"<li><b style='color:{COLOURS[check.status]}'>{escaped(check.status)}</b> {escaped(check.name)}: "
        f"{escaped(check.advice)}</li>"
        for check in judged.checks
        if check.status != "passed"
    ]
    head = (
        f"<p><b style='color:{COLOURS[judged.status]}'>{escaped(HEADLINES[judged.status])}</b> "
        f"({escaped(counts(judged))})</p>"
    )
    return head + (f"<ul>{''.join(rows)}</ul>" if rows else "")


def escaped(value: object) -> str:
    """A text as it is read."""
    return escape(str(value))


def _place(file: Path) -> tuple[int, str]:
    """The answer first."""
    name = file.stem
    return next((i for i, first in enumerate(FIRST) if name.startswith(first)), len(FIRST)), name


def _frame(numbers: "pd.DataFrame") -> str:
    kept = [name for name in numbers if not str(name).startswith(LEFT_OUT)]
    return _html(numbers[kept])


def _html(numbers: "pd.DataFrame") -> str:
    left = len(numbers) - MOST_ROWS
    form = f"{{:.{DIGITS}g}}".format
    html = str(numbers.head(MOST_ROWS).to_html(escape=True, border=0, float_format=form, na_rep=""))
    return f"<div style='overflow-x:auto'>{html}</div>" + (f"<p>and {left} more rows</p>" if left > 0 else "")


def _picture(file: Path) -> str:
    content = base64.b64encode(file.read_bytes()).decode()
    return f"<img alt='{escaped(file.stem)}' style='max-width:100%' src='data:image/png;base64,{content}'>"
