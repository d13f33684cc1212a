"""What a run says at its end on stdout, which a script can read alone: the answer, the verdict, and what to do next."""

import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from credo.config.paths import near
from credo.diagnostics.answers import group
from credo.diagnostics.base import Verdict
from credo.inference.evidence import table as evidence
from credo.inference.kind import Kind
from credo.inference.result import Result, Status
from credo.report.comparison.runs import Run
from credo.report.drawing.numbers import seconds
from credo.report.run import table
from credo.report.run.checks import HEADLINES, counts, ended, measured
from credo.report.run.table import Column
from credo.report.terminal.screen import STYLES, Screen
from credo.runs import naming, saved
from credo.runs.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

    from credo.runs.reproduction import Comparison

MOST_ROWS = 20
INDENT = 14


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
    from credo.diagnostics.summary import parametrisations  # these take time to load, and show an answer
    from credo.report.run import scores

    console = console or Screen(highlight=False)
    console.print()
    console.print(Text(record.name, style="bold"), Text(f"in {seconds(record.waited)}", style="dim"))
    if left_out := left_out_of(record):
        console.print(Text(left_out, style="yellow"))
    if len(classes := record.description.get("data", {}).get("classes", ())) == 2:
        console.print(Text(f"the target: {classes[1]} is 1, {classes[0]} is 0", style="dim"))
    if table.columns(result.kind):
        _show_table(console, result.kind, summary, verdict, parametrisations(group(result, "posterior")))
    if ways := evidence.found(result.tree):
        console.print(Text(f"log p(data): {evidence.in_words(ways)}"))
    if found := scores.rows(result):
        console.print(Text(f"{scores.title(result)}:"))
        console.print(_scores(found))
    _show_verdict(console, verdict, result.status.value if result.status is not Status.DONE else "")


def show_saved(folder: Path, run: Run, console: Console | None = None) -> None:
    """Print the answer of a finished run from its folder.

    Args:
        folder: of the run.
        run: as a comparison reads it.
        console: where to print; stdout by default.
    """
    console = console or Screen(highlight=False)
    verdict = saved.verdict(folder)
    console.print(Text(str(run.config.get("name") or naming.name(run.config, run.choices)), style="bold"))
    summary = saved.summary(folder).reset_index()
    if table.columns(run.kind) and len(summary):
        _show_table(console, run.kind, summary, verdict, saved.parametrisations(folder))
    _show_verdict(console, verdict, "")
    page = folder / "report.html"
    _show_places(console, folder, Path.cwd(), {"report": page if page.exists() else None}, {})


def show_places(
    record: RunRecord,
    made: Mapping[str, Path | None],
    tracked: Mapping[str, str | None],
    next_commands: Sequence[str],
    console: Console | None = None,
) -> None:
    """Print where the run is, and what to try next.

    Args:
        record: the run.
        made: what was written beside the answer, by its word, such as the report; `None` where it was not.
        tracked: the tracker's name, and where it has the run, if anywhere.
        next_commands: what to type next.
        console: where to print; stdout by default.
    """
    console = console or Screen(highlight=False)
    _show_places(console, record.folder, record.start_folder, made, tracked)
    if next_commands:
        console.print("\nNext:")
        for command in next_commands:
            console.print(Text(f"  {command}"), soft_wrap=True)


def show_job(record: RunRecord, verdict: Verdict, console: Console | None = None) -> None:
    """One line of a job of a sweep: what makes it another one, whether to believe it, and what is wrong with it."""
    console = console or Screen(highlight=False)
    if left_out := left_out_of(record):
        say_once(left_out)
    took = seconds(record.waited)
    wrong = ", ".join(check.name for check in ended(verdict, "failed"))
    word = f"{verdict.status:<12}", STYLES[verdict.status]
    console.print(Text.assemble(word, record.name, (f"  {took}", "dim"), (f"  {wrong}", "red")), soft_wrap=True)


def left_out_of(record: RunRecord) -> str:
    """The columns of a table that are in no variable, and the rows with missing cells; empty where there are none."""
    data = record.description.get("data", {})
    found = ", ".join(filter(None, (data.get("left_out"), data.get("dropped"))))
    parts = [f"left out: {found}"] if found else []
    parts += [f"unknown: the missing cells ({cells}), each with a prior"] if (cells := data.get("imputed")) else []
    return "; ".join(parts)


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
        what = f" The code that ran is the present one, not that of the first run: {'; '.join(found.edited)}."
        how = f" credo reproduce {first} --code=recorded runs the old code, if you trust what is in that folder."
        console.print(Text("OTHER CODE", style="bold red") + Text(what + how), soft_wrap=True)
    for difference in found.differences:
        console.print(Text(f"  {difference}"), soft_wrap=True)
    if found.same is False and not found.differences:
        console.print("  Code, versions, device and data are as they were.")


def show_unknown_code(reasons: Sequence[str], console: Console | None = None) -> None:
    """Say of a run that it can be neither skipped nor gone on with, because other code may look the same."""
    console = console or Screen(highlight=False)
    sentence = (
        f"This run cannot be resumed, made longer or skipped: your code cannot be compared: {'; '.join(reasons[:3])}"
    )
    console.print(Text(sentence, style="yellow"), soft_wrap=True)


def show_lacking(reasons: Sequence[str], console: Console | None = None) -> None:
    """Say what could not be made after the answer."""
    console = console or Screen(highlight=False)
    for reason in reasons:
        console.print(Text.assemble(("not done ", "yellow"), reason), soft_wrap=True)


def _show_table(
    console: Console, kind: Kind, summary: "pd.DataFrame", verdict: Verdict, aside: Mapping[str, str]
) -> None:
    """The summary, and how many rows are left out of it, among them those that are only a parametrisation."""
    thresholds = {check.name: check.threshold for check in verdict.checks}
    rows = table.records(summary, MOST_ROWS, thresholds, aside)
    console.print(_table(console, kind, summary, thresholds, rows))
    if more := table.left_out(summary, len(rows), aside):
        console.print(Text(f" and {more} in summary.csv", style="dim"))


def _table(
    console: Console,
    kind: Kind,
    summary: "pd.DataFrame",
    thresholds: Mapping[str, float | None],
    rows: Sequence[Mapping[str, Any]],
) -> Table:
    """The rows; names are cut where the numbers leave no room for them."""
    heavy = summary[["mean", "sd"]].isna().any(axis=None)  # the median then says where the draws are
    columns = [column for column in table.columns(kind) if column.short or (heavy and column.key == "q50")]
    cells = [[_cell(row, column, kind, thresholds) for column in columns] for row in rows]
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


def _cell(row: Mapping[str, Any], column: Column, kind: Kind, thresholds: Mapping[str, float | None]) -> Text:
    return Text(table.cell(row, column, kind), style="red" if table.is_beyond(row, column, thresholds) else "")


def _show_verdict(console: Console, verdict: Verdict, broken_off: str) -> None:
    """The verdict with its reasons; the passed checks are only counted."""
    word = Text(verdict.status.upper(), style=f"bold {STYLES[verdict.status]}")
    console.print()
    console.print(word, Text(f"{HEADLINES[verdict.status]}."))
    console.print(Text(f"  {counts(verdict)}", style="dim"))
    if broken_off:
        console.print(Text(broken_off, style="yellow"))
    reasons = [check for status in ("failed", "not checked", "note") for check in ended(verdict, status)]
    if reasons:
        console.print()
    for check in reasons:
        head = (f"  {check.status:<{INDENT - 2}}", STYLES[check.status]), (check.name, "bold"), f" {measured(check)}"
        advice = textwrap.wrap(check.advice, console.width - INDENT, break_on_hyphens=False)
        console.print(Text.assemble(*head))
        console.print(Text(textwrap.indent("\n".join(advice), " " * INDENT)))


def _show_places(
    console: Console,
    folder: Path,
    start_folder: Path,
    made: Mapping[str, Path | None],
    tracked: Mapping[str, str | None],
) -> None:
    """Where everything is; addresses are not wrapped, so that they can be copied."""
    files = {**made, "run": folder}
    places = {word: file and str(near(file, start_folder)) for word, file in files.items()}
    console.print()
    for word, place in {**places, **tracked}.items():
        if place:
            lines = textwrap.indent(place, " " * 8).strip()
            console.print(Text.assemble((f"{word:<8}", "dim"), lines), soft_wrap=True)
