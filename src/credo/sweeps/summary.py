"""The summary of a sweep from what its jobs left in their folders."""

import csv
import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from credo import writing
from credo.config.command import typed
from credo.config.paths import near
from credo.errors import ConfigError
from credo.report.sweep.summary import NOT_RUN, SearchResult, SweepSummary, known
from credo.runs import job as jobs
from credo.runs import saved
from credo.runs.job import Job
from credo.secrets import masked
from credo.sweeps.plan import Plan, PlannedJob

TABLE, PAGE = "sweep.csv", "report.html"
COMPARED = ("comparison.html", "comparison.csv")
MOST_COMPARED = 40


def summarise(plan: Plan, result: SearchResult | None, *, compare: bool, cache: str | None = None) -> SweepSummary:
    """Summarise a sweep, and write `sweep.csv` and `report.html` into its folder.

    Args:
        plan: the sweep's jobs.
        result: of a search.
        compare: whether the finished jobs are compared.
        cache: the folder of `device.compilation_cache`.

    Raises:
        OSError: the disk is full, say.
    """
    from credo.report.sweep import page

    table, html = plan.folder / TABLE, plan.folder / PAGE
    comparison, why = _compare(plan) if compare else ((), "")
    summary = SweepSummary(plan.folder, plan.name, plan.keys, _rows(plan), (table, html, *comparison), result, why)
    writing.write(table, _as_csv(summary))
    writing.write(html, page.render(summary, cache))
    return summary


def read(plan: Plan) -> SweepSummary:
    """The summary of a sweep all of whose files were written by an earlier command."""
    made = [plan.folder / name for name in (TABLE, PAGE, *COMPARED)]
    return SweepSummary(plan.folder, plan.name, plan.keys, _rows(plan), tuple(file for file in made if file.exists()))


def _rows(plan: Plan) -> list[dict[str, Any]]:
    return [_row(job, plan.keys) for job in plan.jobs]


def _as_csv(summary: SweepSummary) -> str:
    """The rows in full; what is not known is empty."""
    names = [name for name in summary.columns if name != "exit_code"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row[name] if known([row.get(name)]) else "" for name in names] for row in summary.rows)
    return text.getvalue()


def _compare(plan: Plan) -> tuple[tuple[Path, ...], str]:
    """Compare the finished jobs; returns the files, or why there are none although several jobs finished."""
    answered = [(one, job) for one in plan.jobs if (job := one.status()) is not None and job.state in jobs.ANSWERED]
    finished = [Path(job.reason) if job.state == "SKIPPED" else one.folder for one, job in answered]
    if len(finished) < 2:
        return (), ""
    if len(finished) > MOST_COMPARED:
        return (), f"{len(finished)} jobs are more than the {MOST_COMPARED} that are compared at once"
    if all(job.state == "SKIPPED" for _, job in answered):
        return _compared_before(finished, whole=len(finished) == len(plan.jobs))
    from credo.report.comparison import files, runs
    from credo.report.comparison.compare import compare as compare_runs

    try:
        comparison = compare_runs(runs.find(finished))
        return files.write(comparison, plan.folder, [str(plan.folder)]), ""
    except ConfigError as error:
        return (), str(error).removeprefix("credo compare: ")
    except Exception as error:  # noqa: BLE001 - the jobs are done, and their summary is not lost to their comparison
        return (), f"{type(error).__name__}: {error}"


def _compared_before(runs: Sequence[Path], *, whole: bool) -> tuple[tuple[Path, ...], str]:
    """The comparison of earlier runs, where a sweep of just these made one since they ended; or how to make it."""
    sweep = next((place for place in runs[0].parents if (place / jobs.SWEEP).exists()), None)
    together = sweep is not None and set(jobs.folders(sweep)) == set(runs)
    if sweep is not None and together and whole:
        files = tuple(sweep / name for name in COMPARED)
        ended = max((run / saved.VERDICT).stat().st_mtime for run in runs)
        if all(file.exists() and file.stat().st_mtime >= ended for file in files):
            return files, ""
    words = [sweep] if together else runs
    places = shlex.join(str(near(place)) for place in words if place is not None)
    return (), f"earlier runs have all answers; {typed()} compare {places} compares them"


def _row(planned: PlannedJob, keys: Sequence[str]) -> dict[str, Any]:
    job = planned.status()
    values = {jobs.key_of(word): word.split("=", 1)[-1] for word in masked(planned.overrides)}
    took = None if job is None or job.ended is None else job.ended - job.began
    place = planned.folder if job is None or job.state != "SKIPPED" else Path(job.reason)
    metrics, verdict, damage = ({}, None, "") if job is None or job.state not in jobs.ANSWERED else _answer(place)
    return {
        "job": planned.number,
        "state": NOT_RUN if job is None else job.state,
        "verdict": verdict,
        **{key: values.get(key) for key in keys},
        **_objectives(job),
        **metrics,
        "seconds": took,
        "exit_code": None if job is None else job.exit_code,
        "reason": damage or ("" if job is None else job.reason),
        "folder": str(planned.folder),
    }


def _answer(run: Path) -> tuple[dict[str, float], str | None, str]:
    """The metrics and the verdict of a job that has an answer; or why they cannot be read."""
    if not (run / saved.METRICS).exists():
        return {}, None, ""
    try:
        return saved.metrics(run, saved.ANEW), saved.verdict(run, saved.ANEW).status, ""
    except ConfigError as error:
        return {}, None, str(error)


def _objectives(job: Job | None) -> dict[str, float | None]:
    values = None if job is None else job.objective
    if values is None or len(values) < 2:
        return {"objective": None if not values else values[0]}
    return {f"objective{'' if i == 0 else f'_{i + 1}'}": value for i, value in enumerate(values)}
