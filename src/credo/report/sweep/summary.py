"""The summary of a sweep: a table of its jobs, and the sentences and numbers that are shown of it."""

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credo.diagnostics import metrics
from credo.escape import markdown
from credo.report.drawing.numbers import counted, seconds
from credo.runs import job as jobs

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

AT_GATE = 3
"""The exit code of a job whose verdict `diagnostics.gate=error` did not let pass."""


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
        rows: one per job: `job, state, verdict`, an entry per key, `objective`, all metrics, `seconds, reason, folder`.
        files: the table and the page.
        result: of a search; `None` where nothing was searched.
        uncompared: why the finished jobs are not compared, where that was asked for.
    """

    folder: Path
    name: str
    keys: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]
    files: tuple[Path, ...]
    result: "SearchResult | None" = None
    uncompared: str = ""

    @property
    def columns(self) -> list[str]:
        """All that the rows have, in the order in which it first comes."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def column(self, name: str) -> list[Any]:
        """The entries of all rows, `None` where a row has none."""
        return [row.get(name) for row in self.rows]

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs ended in which state."""
        return dict(Counter(self.column("state")))

    @property
    def failed(self) -> int:
        """Jobs that ended without an answer, or whose gate did not let them pass."""
        return sum(row["state"] != NOT_RUN and _is_undone(row) for row in self.rows)

    @property
    def undone(self) -> int:
        """Jobs that failed, or did not begin."""
        return sum(map(_is_undone, self.rows))

    @property
    def took(self) -> float:
        """Seconds of all jobs together."""
        return float(sum(known(self.column("seconds"))))

    @property
    def sentence(self) -> str:
        """How many jobs failed, and what to do."""
        missing = self.counts.get(NOT_RUN, 0)
        parts = [f"{self.failed} of {counted(len(self.rows), 'job')} failed"] if self.failed else []
        parts += [f"{missing} did not begin"] if missing else []
        left = not set(self.counts) <= set(jobs.DONE)
        resume = f"; credo -m sweep.resume={shlex.quote(str(self.folder))} runs what is left" if left else ""
        return f"{' and '.join(parts)}{resume}"

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers of the whole sweep."""
        numbers = {"jobs": len(self.rows), "finished": len(self.rows) - self.undone, "failed": self.failed}
        values = known(self.column("objective"))
        best = {"objective_min": min(values), "objective_max": max(values)} if values else {}
        verdicts = Counter(self.column("verdict"))
        passed = {"verdict_passed": verdicts["passed"], "verdict_failed": verdicts["failed"]}
        took = {"seconds/total": self.took}
        return {name: float(value) for name, value in (numbers | best | passed | took).items()}

    @property
    def tags(self) -> dict[str, str]:
        """The states, and the verdicts, in words."""
        words = ", ".join(f"{count} {state.lower()}" for state, count in self.counts.items())
        verdicts = known(self.column("verdict"))
        passed = f"{verdicts.count('passed')}/{len(verdicts)} passed"
        return {"jobs": words} | ({"verdict": passed} if verdicts else {})

    @property
    def description(self) -> str:
        """How the jobs ended, and the table, in markdown; MLflow folds a description after a few lines."""
        shown, tags = self.shown(), self.tags
        ended = f"**Verdict: {tags['verdict']}.** " if "verdict" in tags else ""
        head = "| " + " | ".join(map(markdown, shown)) + " |\n" + "| --- " * len(shown) + "|"
        rows = ["| " + " | ".join(map(markdown, row)) + " |" for row in zip(*shown.values(), strict=True)]
        return "\n".join(
            [
                f"{ended}Jobs: {tags['jobs']}.",
                "",
                head,
                *rows[:MOST_ROWS],
                *([f"\n{len(rows) - MOST_ROWS} more"] if rows[MOST_ROWS:] else []),
            ]
        )

    def shown(self) -> dict[str, list[str]]:
        """The columns that a person reads, as words."""
        states = [state.lower() for state in self.column("state")]
        columns = {"job": [str(job) for job in self.column("job")], "state": states, "verdict": self._words("verdict")}
        columns |= {short: self._words(key) for key, short in jobs.shortened(self.keys).items()}
        if known(self.column("objective")):
            columns["objective"] = [number(value) for value in self.column("objective")]
        for metric in map(metrics.find, SHOWN):
            if known(self.column(metric.name)):
                written = _seconds if metric.unit == "s" else number
                columns[metric.title] = [written(value) for value in self.column(metric.name)]
        return columns

    def _words(self, name: str) -> list[str]:
        return ["" if value is None else str(value) for value in self.column(name)]

    def best(self) -> list[str]:
        """What a search found best, in words."""
        if self.result is None or not self.result.best:
            return []
        words = " and ".join(
            f"the {'least' if way == 'minimize' else 'greatest'} {name}"
            for name, way in zip(self.result.objectives, self.result.directions, strict=True)
        )
        columns = [name for name in self.columns if name.startswith("objective")]
        return [
            f"{words}: {', '.join(number(row.get(one)) for one in columns)}, job {row['job']}: "
            + " ".join(f"{key}={row[key]}" for key in self.keys)
            for row in (self.rows[number] for number in self.result.best)
        ]

    def unfinished(self) -> list[tuple[str, str]]:
        """The number of each job that has no answer, and why."""
        bad = [row for row in self.rows if _is_undone(row) or row["state"] == "FINISHED"]
        return [(f"{row['job']}", str(row["reason"])) for row in bad if row["reason"]]


def known(values: Iterable[Any]) -> list[Any]:
    """Those that are there, and are numbers where they are to be."""
    return [value for value in values if value is not None and value == value]  # NaN is not itself


def _is_undone(row: Mapping[str, Any]) -> bool:
    """Whether a job has no answer, or a gate did not let it pass."""
    return row["state"] not in jobs.DONE or row["exit_code"] == AT_GATE


def number(value: float | None) -> str:
    """A number as it stands in a table; empty where it is not known."""
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return f"{value:g}"
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"


def _seconds(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else seconds(value)
