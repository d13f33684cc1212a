"""The summary of a sweep on the terminal."""

import itertools
from collections.abc import Collection, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from credo.config.paths import near
from credo.report.drawing.numbers import counted, seconds
from credo.report.sweep.summary import MOST_ROWS, NOT_RUN, SweepSummary
from credo.report.terminal.screen import STYLES, Screen
from credo.runs import job as jobs

LOOKS = {
    "FINISHED": "green",
    "SKIPPED": "cyan",
    "PRUNED": "cyan",
    "FAILED": "red",
    "KILLED": "red",
    NOT_RUN: "yellow",
    "RUNNING": "yellow",
}
"""Styles of the states."""


def show(summary: SweepSummary, tracker: str, place: str | None, remark: str = "") -> None:
    """Print the jobs, why some have no answer, and where everything is.

    Args:
        summary: of the sweep.
        tracker: the name of the tracker that recorded it.
        place: where the tracker has it; `None` where it recorded nothing.
        remark: what must be known of it, in a sentence.
    """
    screen = Screen(soft_wrap=False, highlight=False)
    shown = summary.shown()
    screen.print()
    screen.print(_table(shown, jobs.shortened(summary.keys).values(), screen.width))
    if len(summary.rows) > MOST_ROWS:
        screen.print(f"... {len(summary.rows) - MOST_ROWS} more in sweep.csv", style="dim")
    for number, reason in summary.unfinished():
        screen.print(Text(f"job {number}: {reason}", style="red"), soft_wrap=True)
    if remark:
        screen.print(f"\n{remark}")
    screen.print(f"\n{counted(len(summary.rows), 'job')} in {seconds(summary.took)} of their own time", style="dim")
    for sentence in summary.best():
        screen.print(Text(sentence), soft_wrap=True)
    _show_places(screen, summary)
    if place:
        address, *more = place.splitlines()
        lines = [address, *(line for line in more if line.startswith("after:"))]
        screen.print(Text(f"{tracker:<8}{'\n        '.join(lines)}"), soft_wrap=True)


def _show_places(screen: Screen, summary: SweepSummary) -> None:
    screen.print(Text(f"report  {near(summary.files[1])}"), soft_wrap=True)
    for word, file in zip(("table", "compare"), (summary.files[0], *summary.files[2:3]), strict=False):
        screen.print(Text(f"{word:<8}{near(file)}"), soft_wrap=True)
    if summary.uncompared:
        screen.print(Text(f"not compared: {summary.uncompared}", style="yellow"), soft_wrap=True)


def _table(shown: Mapping[str, Sequence[str]], words: Collection[str], width: int) -> Table:
    """The jobs, as many and with as many columns as there is room for; numbers stand to the right."""
    shown = _fitting(shown, width)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in shown:
        is_word = column in ("state", "verdict") or column in words
        table.add_column(column, justify="left" if is_word else "right", no_wrap=True)
    for row in itertools.islice(zip(*shown.values(), strict=True), MOST_ROWS):
        cells = [Text(cell) for cell in row]
        cells[1].stylize(LOOKS.get(row[1].upper(), LOOKS.get(row[1], "")))
        cells[2].stylize(STYLES.get(row[2], ""))
        table.add_row(*cells)
    return table


def _fitting(shown: Mapping[str, Sequence[str]], room: int) -> dict[str, Sequence[str]]:
    """The columns for which there is room, from the left, and at least the first three."""
    widths = [max(map(len, (name, *cells))) + 2 for name, cells in shown.items()]
    ends = itertools.accumulate(widths, initial=-2)
    count = sum(end <= room for end in ends) - 1
    return dict(itertools.islice(shown.items(), max(count, 3)))
