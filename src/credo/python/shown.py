"""How runs, sweeps and comparisons show themselves in a notebook: HTML without scripts, everything escaped."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from credo.report.run.checks import HEADLINES

if TYPE_CHECKING:
    import pandas as pd

    from credo.diagnostics.base import Verdict

MOST_ROWS = 20
"""Of a table; the rest is named by its number."""

MOST_PLOTS = 3
DIGITS = 4
"""Significant digits of a number."""

COLOURS = {"passed": "#1a7f37", "failed": "#c62828", "not checked": "#9a6700", "note": "#0b6e99"}


def run(judged: "Verdict", summary: "pd.DataFrame", folder: Path) -> str:
    """The verdict of a run with whatever did not pass, its summary, and plots of its folder."""
    pictures = sorted((folder / "plots").glob("*.png"))[:MOST_PLOTS]
    return "".join([verdict(judged), _frame(summary), *map(_picture, pictures), f"<p>{escaped(folder)}</p>"])


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
    head = f"<p><b style='color:{COLOURS[judged.status]}'>{escaped(HEADLINES[judged.status])}</b></p>"
    return head + (f"<ul>{''.join(rows)}</ul>" if rows else "")


def escaped(value: object) -> str:
    """A text as it is read."""
    return escape(str(value))


def _frame(numbers: "pd.DataFrame") -> str:
    left = len(numbers) - MOST_ROWS
    form = f"{{:.{DIGITS}g}}".format
    html = str(numbers.head(MOST_ROWS).to_html(escape=True, border=0, float_format=form, na_rep=""))
    return f"<div style='overflow-x:auto'>{html}</div>" + (f"<p>and {left} more rows</p>" if left > 0 else "")


def _picture(file: Path) -> str:
    content = base64.b64encode(file.read_bytes()).decode()
    return f"<img alt='{escaped(file.stem)}' style='max-width:100%' src='data:image/png;base64,{content}'>"
