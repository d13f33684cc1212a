"""What a run says in the terminal: its progress on stderr and its end on stdout, which a script can read alone."""

import math
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from credo.diagnostics import metrics
from credo.diagnostics.base import Verdict
from credo.escape import visible
from credo.inference.kind import Kind
from credo.inference.result import Result, Status
from credo.report.drawing.numbers import counted, number, seconds
from credo.report.run import table
from credo.report.run.checks import HEADLINES, counts, ended, measured
from credo.report.run.table import Column as Number
from credo.runs.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

    from credo.runs.reproduction import Comparison

MOST_ROWS = 20
PHASES = {"warmup": "warm-up", "sampling": "sampling", "optimisation": "optimising"}
STYLES = {"passed": "green", "failed": "red", "not checked": "yellow", "note": "cyan"}
INDENT = 14

LONG = 1e6
"""From here on, a number has an exponent rather than decimal places."""

LINE_SHARE = 0.1
LINE_SECONDS = 3.0
"""Without a terminal, a line is printed when both this share of a phase and this time have passed since the last."""


class Screen(Console):
    """A console that shows control characters in names, and whose reader may go, as in `credo | head`.

    The run goes on then, and where the disk is full, and says no more there.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render; a terminal would obey control characters that a name has."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError:  # Rich knows of broken pipes alone
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Write to nowhere from now on; Rich would end the process."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class Progress:
    """How the inference is coming along; a context manager and a `inference.base.Listener`.

    On a terminal, one live line per phase; otherwise a plain line now and then. Everything goes to stderr.
    """

    def __init__(self, console: Console | None = None):
        """Write to `console` instead of stderr."""
        self._console = console or Screen(stderr=True)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bars = _bars(self._console)
        self._tasks: dict[str, TaskID] = {}
        self._compiling: TaskID | None = None
        self._known: dict[str, dict[str, float]] = {}  # by phase: not every block brings every number
        self._clock = time.monotonic()
        self._line = ("", 0.0, 0.0)  # phase, share and time of the last plain line

    def __enter__(self) -> Self:
        """Start the display; the programs are compiled before the first news comes."""
        self._clock = time.monotonic()
        if self._live:
            self._bars.start()
            self._compiling = self._bars.add_task("compiling", total=None, count="", news="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the display and leave its last state standing."""
        if self._live:
            self._drop_compiling()
            self._bars.stop()

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Show how far a phase is (see `inference.base.Listener`)."""
        known = self._known.setdefault(phase, {})
        known.update(numbers)
        if self._live:
            self._move(phase, done, total, known)
        else:
            self._print(phase, done, total, known)

    def _move(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        self._drop_compiling()
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(PHASES.get(phase, phase), total=total, count="", news="")
        count = f"{done:,}/{total:,}"
        self._bars.update(
            self._tasks[phase], completed=done, total=total, count=count, news=news(phase, numbers), refresh=True
        )

    def _drop_compiling(self) -> None:
        if self._compiling is not None:
            self._bars.remove_task(self._compiling)
            self._compiling = None

    def _print(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        now, share = time.monotonic(), done / max(total, 1)
        last_phase, last_share, last_time = self._line
        soon = share - last_share < LINE_SHARE or now - last_time < LINE_SECONDS
        if phase == last_phase and done < total and soon:
            return
        self._line = (phase, share, now)
        words = [
            f"{PHASES.get(phase, phase)} {done:,}/{total:,}",
            news(phase, numbers),
            f"after {seconds(now - self._clock)}",
        ]
        self._console.print(", ".join(filter(None, words)), markup=False, highlight=False, soft_wrap=True)


def _bars(console: Console) -> Bars:
    return Bars(
        TextColumn("{task.description:<10}", style="bold"),
        BarColumn(bar_width=10),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[news]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=console,
        refresh_per_second=4,
        redirect_stdout=sys.stdout.isatty(),  # what is piped stays in the pipe
    )


def news(phase: str, numbers: Mapping[str, float]) -> str:
    """What is worth knowing between two blocks, the most telling first: `3 divergent, R-hat 1.01, ESS 812`.

    That transitions diverge while the step size is still being found is no news.
    """
    known = {name: value for name, value in numbers.items() if math.isfinite(value) and metrics.is_news(name)}
    if phase == "warmup":
        known.pop("divergences", None)
    return ", ".join(_news(metrics.find(name), known[name]) for name in sorted(known, key=metrics.place))


def _news(metric: metrics.Metric, value: float) -> str:
    plain = metric.digits is not None and abs(value) < LONG
    text = f"{value:,.{metric.digits}f}" if plain else number(value, 2)
    if metric.name == "divergences":
        return f"{text} divergent"
    return f"{'validation ' if metric.name.endswith('_validation') else ''}{metric.title} {text}"


def show_answer(
    record: RunRecord, result: Result, summary: "pd.DataFrame", verdict: Verdict, console: Console | None = None
) -> None:
    """Print the answer and whether to believe it.

    Args:
        record: the run.
        result: the answer.
        summary: one row per scalar.
        verdict: whether it may be believed.
        console: where to print; stdout by default.
    """
    from credo.report.run import scores  # takes time to load, and shows an answer

    console = console or Screen(highlight=False)
    console.print()
    console.print(
        Text(record.name, style="bold"), Text(f"in {seconds(sum(result.cost.seconds.values()))}", style="dim")
    )
    if left_out := left_out_of(record):
        console.print(Text(left_out, style="yellow"))
    if table.columns(result.kind):
        console.print(_table(console, result, summary, verdict))
        if len(summary) > MOST_ROWS:
            console.print(Text(f" and {counted(len(summary) - MOST_ROWS, 'more row')} in summary.csv", style="dim"))
    if found := scores.rows(result):
        console.print(Text(f"{scores.title(result)}:"))
        console.print(_scores(found))
    _show_verdict(console, result, verdict)


def show_places(
    record: RunRecord,
    page: Path | None,
    tracked: Mapping[str, str | None],
    next_commands: Sequence[str],
    console: Console | None = None,
) -> None:
    """Print where the run is, and what to try next.

    Args:
        record: the run.
        page: the report, if one was written.
        tracked: the tracker's name, and where it has the run, if anywhere.
        next_commands: what to type next.
        console: where to print; stdout by default.
    """
    console = console or Screen(highlight=False)
    _show_places(console, record, page, tracked)
    if next_commands:
        console.print("\nNext:")
        for command in next_commands:
            console.print(Text(f"  {command}"), soft_wrap=True)


def show_job(record: RunRecord, result: Result, verdict: Verdict, console: Console | None = None) -> None:
    """One line of a job of a sweep: what makes it another one, whether to believe it, and what is wrong with it."""
    console = console or Screen(highlight=False)
    if left_out := left_out_of(record):
        say_once(left_out)
    took = seconds(sum(result.cost.seconds.values()))
    wrong = ", ".join(check.name for check in ended(verdict, "failed"))
    word = f"{verdict.status:<12}", STYLES[verdict.status]
    console.print(Text.assemble(word, record.name, (f"  {took}", "dim"), (f"  {wrong}", "red")), soft_wrap=True)


def left_out_of(record: RunRecord) -> str:
    """The columns of a table that are in no variable; empty where there are none."""
    columns = record.description.get("data", {}).get("left_out")
    return f"left out: {columns}" if columns else ""


@cache
def say_once(sentence: str) -> None:
    """Print a sentence that is true of all jobs of a process."""
    Screen(highlight=False).print(Text(sentence, style="yellow"))


def show_reproduction(found: "Comparison", first: Path, console: Console | None = None) -> None:
    """Whether the draws are those of the first run, in this folder, and what is not as it was."""
    console = console or Screen(highlight=False)
    words = {
        True: ("SAME", "green", "All draws are equal to the bit."),
        False: ("DIFFERENT", "red", "The draws are not those of the first run."),
        None: ("UNKNOWN", "yellow", "The first run did not keep the hash of its draws."),
    }
    word, style, sentence = words[found.same]
    console.print()
    console.print(Text(word, style=f"bold {style}"), sentence)
    if found.edited:
        said = f" The code that ran is the present one, not that of the first run: {'; '.join(found.edited)}."
        how = f" credo reproduce {first} --code=recorded runs the old code, if you trust what is in that folder."
        console.print(Text("OTHER CODE", style="bold red") + Text(said + how), soft_wrap=True)
    for difference in found.differences:
        console.print(Text(f"  {difference}"), soft_wrap=True)
    if found.same is False and not found.differences:
        console.print("  Code, versions, device and data are as they were.")


def show_unknown_code(reasons: Sequence[str], console: Console | None = None) -> None:
    """Say of a run that it can be neither skipped nor gone on with, because other code may look the same."""
    console = console or Screen(highlight=False)
    said = f"This run cannot be resumed, made longer or skipped: your code cannot be compared: {'; '.join(reasons[:3])}"
    console.print(Text(said, style="yellow"), soft_wrap=True)


def show_lacking(reasons: Sequence[str], console: Console | None = None) -> None:
    """Say what could not be made after the answer."""
    console = console or Screen(highlight=False)
    for reason in reasons:
        console.print(Text.assemble(("not done ", "yellow"), reason), soft_wrap=True)


def show_answered(folder: Path, console: Console | None = None) -> None:
    """Say that nothing was run, because a finished run has the answer."""
    console = console or Screen(highlight=False)
    console.print(Text(f"not run: {folder} has the same fingerprint and is finished"), soft_wrap=True)


def _table(console: Console, result: Result, summary: "pd.DataFrame", verdict: Verdict) -> Table:
    """The summary; names are cut where the numbers leave no room for them."""
    heavy = summary[["mean", "sd"]].isna().any(axis=None)  # the median then says where the draws are
    columns = [column for column in table.columns(result.kind) if column.short or (heavy and column.key == "q50")]
    thresholds = {check.name: check.threshold for check in verdict.checks}
    rows = table.records(summary, MOST_ROWS, thresholds)
    cells = [[_cell(row, column, result.kind, thresholds) for column in columns] for row in rows]
    titles = [column.short or column.title for column in columns]
    widths = [max([len(title), *(len(row[i]) for row in cells)]) for i, title in enumerate(titles)]
    grid = Table(box=None, padding=(0, 1), header_style="dim")
    grid.add_column("", no_wrap=True, max_width=max(console.width - 2 - sum(width + 2 for width in widths), 8))
    for title, width in zip(titles, widths, strict=True):
        grid.add_column(title, justify="right", no_wrap=True, min_width=width)
    for row, numbers in zip(rows, cells, strict=True):
        grid.add_row(Text(str(row["variable"]), overflow="ellipsis"), *numbers)
    return grid


def _scores(found: Sequence[tuple[str, str, str]]) -> Table:
    grid = Table(box=None, padding=(0, 1), show_header=False)
    for name, value, remark in found:
        grid.add_row(Text(name), Text(value, justify="right"), Text(remark, style="dim"))
    return grid


def _cell(row: Mapping[str, Any], column: Number, kind: Kind, thresholds: Mapping[str, float | None]) -> Text:
    return Text(table.cell(row, column, kind), style="red" if table.is_beyond(row, column, thresholds) else "")


def _show_verdict(console: Console, result: Result, verdict: Verdict) -> None:
    """The verdict with its reasons; the passed checks are only counted."""
    word = Text(verdict.status.upper(), style=f"bold {STYLES[verdict.status]}")
    console.print()
    console.print(word, Text(f"{HEADLINES[verdict.status]}."))
    console.print(Text(f"  {counts(verdict)}", style="dim"))
    if result.status is not Status.DONE:
        console.print(Text(result.status.value, style="yellow"))
    reasons = [check for status in ("failed", "not checked", "note") for check in ended(verdict, status)]
    if reasons:
        console.print()
    for check in reasons:
        head = (f"  {check.status:<{INDENT - 2}}", STYLES[check.status]), (check.name, "bold"), f" {measured(check)}"
        advice = textwrap.wrap(check.advice, console.width - INDENT, break_on_hyphens=False)
        console.print(Text.assemble(*head))
        console.print(Text(textwrap.indent("\n".join(advice), " " * INDENT)))


def _show_places(console: Console, record: RunRecord, page: Path | None, tracked: Mapping[str, str | None]) -> None:
    """Where everything is; addresses are not wrapped, so that they can be copied."""
    places = {"report": page and _short(page, record.start_folder), "run": _short(record.folder, record.start_folder)}
    console.print()
    for word, place in {**places, **tracked}.items():
        if place:
            lines = textwrap.indent(place, " " * 8).strip()
            console.print(Text.assemble((f"{word:<8}", "dim"), lines), soft_wrap=True)


def _short(path: Path, start_folder: Path) -> str:
    """The path as seen from where `credo` was started, if it is below."""
    return str(path.relative_to(start_folder)) if path.is_relative_to(start_folder) else str(path)
