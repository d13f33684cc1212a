"""The summary of a sweep: a table of its jobs, and the sentences and numbers that are shown of it."""

import math
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credo.diagnostics import metrics
from credo.escape import markdown
from credo.report.drawing.numbers import counted, seconds
from credo.runs import job as jobs

if TYPE_CHECKING:
    import pandas as pd

SHOWN = (
    "elpd_loo",
    "nll_test",
    "log_evidence",
    "log_z",
    "log_density",
    "calibration/alarms",
    "ess_bulk_min",
    "r_hat_max",
    "divergences",
    "seconds/warm",
)
"""Metrics on the terminal and on the page; those that no run has are left out."""

MEASURES = ("objective", "elpd_loo", "nll_test", "ess_per_second", "seconds/warm")
"""What is drawn against the swept keys: those that differ between the jobs."""

MOST_ROWS = 40
"""Jobs that are listed; all are in `sweep.csv`."""

NOT_RUN = "not run"


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        objectives: their names.
        directions: `minimize` or `maximize` for each.
        best: numbers of the best jobs: one, or all that no other is better than in every objective.
        importance: of each key for the first objective, adding up to 1; empty where it cannot be known.
    """

    objectives: tuple[str, ...]
    directions: tuple[str, ...]
    best: tuple[int, ...]
    importance: Mapping[str, float]


@dataclass(frozen=True)
class SweepSummary:
    """How the jobs of a sweep ended, and what they found.

    Attributes:
        folder: of the sweep.
        name: what was typed for its jobs.
        keys: what differs between the jobs.
        table: one row per job: `job, state, verdict`, a column per key, `objective`, all metrics, `seconds, reason,
            folder`.
        files: the table and the page.
        result: of a search; `None` where nothing was searched.
        uncompared: why the finished jobs are not compared, where that was asked for.
    """

    folder: Path
    name: str
    keys: tuple[str, ...]
    table: "pd.DataFrame"
    files: tuple[Path, ...]
    result: "SearchResult | None" = None
    uncompared: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs ended in which state."""
        return dict(Counter(self.table["state"]))

    @property
    def failed(self) -> int:
        """Jobs that ended without an answer, or whose gate did not let them pass."""
        return int(
            (~self.table["state"].isin(jobs.DONE) & (self.table["state"] != NOT_RUN) | self._stopped_at_gate).sum()
        )

    @property
    def undone(self) -> int:
        """Jobs that failed, or did not begin."""
        return int((~self.table["state"].isin(jobs.DONE) | self._stopped_at_gate).sum())

    @property
    def _stopped_at_gate(self) -> "pd.Series[bool]":
        return self.table["exit_code"].fillna(0) == 3

    @property
    def sentence(self) -> str:
        """How many jobs failed, and what to do."""
        missing = self.counts.get(NOT_RUN, 0)
        parts = [f"{self.failed} of {counted(len(self.table), 'job')} failed"] if self.failed else []
        parts += [f"{missing} did not begin"] if missing else []
        left = not self.table["state"].isin(jobs.DONE).all()
        resume = f"; credo -m sweep.resume={shlex.quote(str(self.folder))} runs what is left" if left else ""
        return f"{' and '.join(parts)}{resume}"

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers of the whole sweep."""
        numbers = {"jobs": len(self.table), "finished": len(self.table) - self.undone, "failed": self.failed}
        values = self.table["objective"].dropna()
        best = {"objective_min": values.min(), "objective_max": values.max()} if len(values) else {}
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
    def description(self) -> str:
        """How the jobs ended, and the table, in markdown; MLflow folds a description after a few lines."""
        shown, tags = self.shown(), self.tags
        ended = f"**Verdict: {tags['verdict']}.** " if "verdict" in tags else ""
        head = "| " + " | ".join(map(markdown, shown.columns)) + " |\n" + "| --- " * len(shown.columns) + "|"
        rows = ["| " + " | ".join(markdown(str(cell)) for cell in row) + " |" for row in shown.to_numpy()]
        return "\n".join(
            [
                f"{ended}Jobs: {tags['jobs']}.",
                "",
                head,
                *rows[:MOST_ROWS],
                *([f"\n{len(rows) - MOST_ROWS} more"] if rows[MOST_ROWS:] else []),
            ]
        )

    def shown(self) -> "pd.DataFrame":
        """The columns that a person reads, as words."""
        import pandas as pd

        named = [self.table["job"].astype(str), self.table["state"].str.lower(), self.table["verdict"].fillna("")]
        columns: dict[str, Any] = dict(zip(("job", "state", "verdict"), named, strict=True))
        columns |= {short: self.table[key].fillna("") for key, short in jobs.shortened(self.keys).items()}
        if self.table["objective"].notna().any():
            columns["objective"] = self.table["objective"].map(number)
        for metric in map(metrics.find, SHOWN):
            if metric.name in self.table and self.table[metric.name].notna().any():
                columns[metric.title] = self.table[metric.name].map(_seconds if metric.unit == "s" else number)
        return pd.DataFrame(columns)

    def best(self) -> list[str]:
        """What a search found best, in words."""
        if self.result is None or not self.result.best:
            return []
        words = " and ".join(
            f"the {'least' if way == 'minimize' else 'greatest'} {name}"
            for name, way in zip(self.result.objectives, self.result.directions, strict=True)
        )
        rows = [self.table.iloc[number] for number in self.result.best]
        columns = [name for name in self.table if str(name).startswith("objective")]
        return [
            f"{words}: {', '.join(number(row[one]) for one in columns)}, job {row['job']}: "
            + " ".join(f"{key}={row[key]}" for key in self.keys)
            for row in rows
        ]

    def unfinished(self) -> list[tuple[str, str]]:
        """Number, state and swept values of each job that has no answer, and why."""
        unread = (self.table["state"] == "FINISHED") & (self.table["reason"] != "")
        bad = self.table[~self.table["state"].isin(jobs.DONE) | self._stopped_at_gate | unread]
        return [(f"{row['job']}", str(row["reason"])) for _, row in bad.iterrows() if row["reason"]]


def number(value: float) -> str:
    """A number as it stands in a table; empty where it is not known."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"


def _seconds(value: float) -> str:
    return "" if math.isnan(value) else seconds(value)
