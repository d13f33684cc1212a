"""The account of a sweep: how its jobs ended and what they found, as a table, a page, and on the terminal."""

import itertools
import math
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from credo import writing
from credo.diagnostics import metrics
from credo.errors import ConfigError
from credo.escape import markdown
from credo.report.drawing.numbers import counted, seconds
from credo.report.terminal.run import STYLES, Screen
from credo.runs import job as jobs
from credo.runs import saved
from credo.secrets import masked

if TYPE_CHECKING:
    import pandas as pd

    from credo.sweep.course import Course
    from credo.sweep.search import Found

SHOWN = (
    "elpd_loo",
    "nll_test",
    "log_z",
    "log_density",
    "ess_bulk_min",
    "r_hat_max",
    "divergences",
    "seconds/total",
)
"""Metrics on the terminal and on the page; those that no run has are left out."""

MOST_ROWS = 40
MOST_COMPARED = 40
LEFT = "not run"
LOOKS = {
    "FINISHED": "green",
    "SKIPPED": "cyan",
    "PRUNED": "cyan",
    "FAILED": "red",
    "KILLED": "red",
    LEFT: "yellow",
    "RUNNING": "yellow",
}


@dataclass(frozen=True)
class Account:
    """What came of a sweep.

    Attributes:
        folder: of the sweep.
        name: what was typed for its jobs.
        keys: what differs between the jobs.
        table: one row per job: `job, state, verdict`, a column per key, `objective`, all metrics, `seconds, reason,
            folder`.
        files: the table and the page.
        found: what a search found; `None` where nothing was searched.
        uncompared: why the finished jobs are not compared, where that was asked for.
    """

    folder: Path
    name: str
    keys: tuple[str, ...]
    table: "pd.DataFrame"
    files: tuple[Path, ...]
    found: "Found | None" = None
    uncompared: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs ended in which state."""
        return dict(Counter(self.table["state"]))

    @property
    def failed(self) -> int:
        """Jobs that ended without an answer, or whose gate did not let them pass."""
        return int((~self.table["state"].isin(jobs.DONE) & (self.table["state"] != LEFT) | self._stopped_at_gate).sum())

    @property
    def undone(self) -> int:
        """Jobs that failed, or did not begin."""
        return int((~self.table["state"].isin(jobs.DONE) | self._stopped_at_gate).sum())

    @property
    def _stopped_at_gate(self) -> "pd.Series[bool]":
        return self.table["exit_code"].fillna(0) == 3

    @property
    def sentence(self) -> str:
        """What is wrong, and what to do."""
        missing = self.counts.get(LEFT, 0)
        parts = [f"{self.failed} of {counted(len(self.table), 'job')} failed"] if self.failed else []
        parts += [f"{missing} did not begin"] if missing else []
        left = not self.table["state"].isin(jobs.DONE).all()
        resume = f"; credo -m sweep.resume={shlex.quote(str(self.folder))} runs what is left" if left else ""
        return f"{' and '.join(parts)}{resume}"

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers of the whole sweep."""
        numbers = {"jobs": len(self.table), "finished": len(self.table) - self.undone, "failed": self.failed}
        found = self.table["objective"].dropna()
        best = {"objective_min": found.min(), "objective_max": found.max()} if len(found) else {}
        verdicts = Counter(self.table["verdict"].dropna())
        passed = {"verdict_passed": verdicts["passed"], "verdict_failed": verdicts["failed"]}
        took = {"seconds/total": self.table["seconds"].sum()}
        return {name: float(value) for name, value in (numbers | best | passed | took).items()}

    @property
    def tags(self) -> dict[str, str]:
        """The states, and the verdicts, in words."""
        words = ", ".join(f"{count} {state.lower()}" for state, count in self.counts.items())
        verdicts = self.table["verdict"].dropna()
        passed = f"{sum(verdicts == 'passed')}/{len(verdicts)} passed"
        return {"jobs": words} | ({"verdict": passed} if len(verdicts) else {})

    @property
    def note(self) -> str:
        """The table in markdown."""
        shown = self.shown()
        head = "| " + " | ".join(map(markdown, shown.columns)) + " |\n" + "| --- " * len(shown.columns) + "|"
        rows = ["| " + " | ".join(markdown(str(cell)) for cell in row) + " |" for row in shown.to_numpy()]
        return "\n".join([head, *rows[:MOST_ROWS], *([f"\n{len(rows) - MOST_ROWS} more"] if rows[MOST_ROWS:] else [])])

    def shown(self) -> "pd.DataFrame":
        """The columns that a person reads, as words."""
        import pandas as pd

        named = [self.table["job"].astype(str), self.table["state"].str.lower(), self.table["verdict"].fillna("")]
        columns: dict[str, Any] = dict(zip(("job", "state", "verdict"), named, strict=True))
        columns |= {
            short: self.table[key].fillna("") for key, short in zip(self.keys, jobs.shortest(self.keys), strict=True)
        }
        if self.table["objective"].notna().any():
            columns["objective"] = self.table["objective"].map(_number)
        for metric in map(metrics.find, SHOWN):
            if metric.name in self.table and self.table[metric.name].notna().any():
                columns[metric.title] = self.table[metric.name].map(_seconds if metric.unit == "s" else _number)
        return pd.DataFrame(columns)

    def best(self) -> list[str]:
        """What a search found best, in words."""
        if self.found is None or not self.found.best:
            return []
        words = " and ".join(
            f"the {'least' if way == 'minimize' else 'greatest'} {name}"
            for name, way in zip(self.found.objectives, self.found.directions, strict=True)
        )
        rows = [self.table.iloc[number] for number in self.found.best]
        columns = [name for name in self.table if str(name).startswith("objective")]
        return [
            f"{words}: {', '.join(_number(row[one]) for one in columns)}, job {row['job']}: "
            + " ".join(f"{key}={row[key]}" for key in self.keys)
            for row in rows
        ]

    def unfinished(self) -> list[tuple[str, str]]:
        """Number, state and swept values of each job that has no answer, and why."""
        unread = (self.table["state"] == "FINISHED") & (self.table["reason"] != "")
        bad = self.table[~self.table["state"].isin(jobs.DONE) | self._stopped_at_gate | unread]
        return [(f"{row['job']}", str(row["reason"])) for _, row in bad.iterrows() if row["reason"]]


def give(course: "Course") -> Account:
    """Collect what the jobs left, and write `sweep.csv` and `report.html` into the sweep's folder."""
    import pandas as pd

    from credo.report.sweep import page

    table = pd.DataFrame([_row(number, one, course.keys) for number, one in enumerate(course.planned)])
    csv, html = course.folder / "sweep.csv", course.folder / "report.html"
    compared, why = _compared(course)
    account = Account(course.folder, course.name, course.keys, table, (csv, html, *compared), course.found, why)
    writing.write(csv, table.drop(columns="exit_code").to_csv(index=False))
    writing.write(html, page.render(account))
    return account


def _compared(course: "Course") -> tuple[tuple[Path, ...], str]:
    """The comparison of the finished jobs; or why there is none, where it was asked for and there are several."""
    finished = [one for one in course.planned if (job := one.stands()) is not None and job.state in jobs.ANSWERED]
    if not course.config.sweep.compare or len(finished) < 2:
        return (), ""
    if len(finished) > MOST_COMPARED:
        return (), f"{len(finished)} jobs are more than the {MOST_COMPARED} that are compared at once"
    from credo.cli import compare
    from credo.report.comparison import runs, table

    try:
        comparison = table.compare(runs.find([str(course.folder)]))
        return compare.write(comparison, course.folder, [str(course.folder)]), ""
    except ConfigError as error:
        return (), str(error).removeprefix("credo compare: ")
    except Exception as error:  # noqa: BLE001 - the jobs are done, and their account is not lost to their comparison
        return (), f"{type(error).__name__}: {error}"


def _row(number: int, one: Any, keys: Sequence[str]) -> dict[str, Any]:
    job = one.stands()
    values = {jobs.key_of(word): word.split("=", 1)[-1] for word in masked(one.overrides)}
    took = None if job is None or job.ended is None else job.ended - job.began
    place = one.folder if job is None or job.state != "SKIPPED" else Path(job.reason)
    finds, verdict, damage = ({}, None, "") if job is None or job.state not in jobs.ANSWERED else _found(place)
    return {
        "job": number,
        "state": LEFT if job is None else job.state,
        "verdict": verdict,
        **{key: values.get(key) for key in keys},
        **_objectives(job),
        **finds,
        "seconds": took,
        "exit_code": None if job is None else job.exit_code,
        "reason": damage or ("" if job is None else job.reason),
        "folder": str(one.folder),
    }


def _found(run: Path) -> tuple[dict[str, float], str | None, str]:
    """The metrics and the verdict of a job that has an answer; or why they cannot be read."""
    if not (run / saved.METRICS).exists():
        return {}, None, ""
    try:
        return saved.metrics(run, saved.ANEW), saved.verdict(run, saved.ANEW).status, ""
    except ConfigError as error:
        return {}, None, str(error)


def _objectives(job: Any) -> dict[str, float | None]:
    values = None if job is None else job.objective
    if values is None or len(values) < 2:
        return {"objective": None if not values else values[0]}
    return {f"objective{'' if i == 0 else f'_{i + 1}'}": value for i, value in enumerate(values)}


def _number(value: float) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"


def _seconds(value: float) -> str:
    return "" if math.isnan(value) else seconds(value)


def _fitting(shown: "pd.DataFrame", room: int) -> "pd.DataFrame":
    """The columns for which there is room, from the left, and at least the first three."""
    widths = [max(len(name), *shown[name].str.len()) + 2 for name in shown]
    ends = itertools.accumulate(widths, initial=-2)
    count = sum(end <= room for end in ends) - 1
    return shown.iloc[:, : max(count, 3)]


def show(account: Account, place: str | None) -> None:
    """Print the jobs, why some have no answer, and where everything is."""
    screen = Screen(soft_wrap=False, highlight=False)
    shown = _fitting(account.shown(), screen.width)
    lines = Table(box=None, pad_edge=False, header_style="dim")
    for column in shown.columns:
        is_word = column in ("state", "verdict") or column in jobs.shortest(account.keys)
        lines.add_column(column, justify="left" if is_word else "right", no_wrap=True)
    for row in shown.head(MOST_ROWS).itertuples(index=False):
        cells = [Text(str(cell)) for cell in row]
        cells[1].stylize(LOOKS.get(str(row[1]).upper(), LOOKS.get(str(row[1]), "")))
        cells[2].stylize(STYLES.get(str(row[2]), ""))
        lines.add_row(*cells)
    screen.print()
    screen.print(lines)
    if len(shown) > MOST_ROWS:
        screen.print(f"... {len(shown) - MOST_ROWS} more in sweep.csv", style="dim")
    for number, reason in account.unfinished():
        screen.print(Text(f"job {number}: {reason}", style="red"), soft_wrap=True)
    took = account.table["seconds"].sum()
    screen.print(f"\n{counted(len(shown), 'job')} in {seconds(took)} of their own time", style="dim")
    for sentence in account.best():
        screen.print(Text(sentence), soft_wrap=True)
    screen.print(Text(f"report  {account.files[1]}"), soft_wrap=True)
    for word, file in zip(("table", "compare"), (account.files[0], *account.files[2:3]), strict=False):
        screen.print(Text(f"{word:<8}{file}"), soft_wrap=True)
    if account.uncompared:
        screen.print(Text(f"not compared: {account.uncompared}", style="yellow"), soft_wrap=True)
    if place:
        screen.print(Text(f"mlflow  {place.splitlines()[0]}"), soft_wrap=True)
