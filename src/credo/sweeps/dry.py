"""`credo -m ... --dry-run`: the jobs of a sweep, which are done, and about what the rest takes. Nothing is made.

The time of a job is the median of those of finished runs with the same data, model and method: jobs of the sweep that
is resumed, or the newest runs in `outputs` and `multirun`.
"""

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig

from credo.errors import ConfigError, CredoError
from credo.report.drawing.numbers import counted, seconds
from credo.report.sweep.summary import NOT_RUN
from credo.runs import job as jobs
from credo.runs import saved
from credo.runs.job import Membership
from credo.runs.walk import beneath
from credo.sweeps.composer import as_job
from credo.sweeps.plan import Plan, PlannedJob

HERE = ("outputs", "multirun")
MOST = 40
"""Runs that are looked at for what jobs take."""

KIND = ("data", "model", "inference")


@dataclass(frozen=True)
class Ahead:
    """A job that is planned.

    Attributes:
        number: of the job.
        name: how it differs from its neighbours.
        state: how it stands.
        kind: the words for data, model and method.
        left: whether it is to be run.
    """

    number: int
    name: str
    state: str
    kind: tuple[str, ...]
    left: bool


def show(plan: Plan, asked: Sequence[PlannedJob], start_folder: Path, *, skip_finished: bool) -> None:
    """Print the jobs and an estimate.

    Args:
        plan: of the sweep, with all its jobs.
        asked: those that would be run.
        start_folder: where credo was started.
        skip_finished: whether jobs are left out that finished runs have answered.
    """
    ahead = [_ahead(plan, job, job in asked, start_folder, skip_finished=skip_finished) for job in plan.jobs]
    width = max(len(job.state) for job in ahead)
    for job in ahead:
        sys.stdout.write(f"{job.number:>3}  {job.state:<{width}}  {job.name}\n")
    left = [job for job in ahead if job.left]
    sys.stdout.write(f"{counted(len(ahead), 'job')}, {len(left)} to run; nothing was run\n")
    sys.stdout.write("".join(f"{line}\n" for line in _estimate(left, [plan.folder, *_near(start_folder)])))


def _ahead(plan: Plan, planned: PlannedJob, asked: bool, start_folder: Path, *, skip_finished: bool) -> Ahead:
    config = plan.composer.compose([*planned.overrides, *planned.extra], planned.number)
    choices = config.hydra.runtime.choices
    kind = tuple(str(choices.get(group)) for group in KIND)
    job = planned.status()
    state = NOT_RUN if job is None else job.state.lower()
    answered = _answered(plan, planned, config, start_folder) if skip_finished and asked else None
    if answered is not None:
        state = f"answered by {answered}"
    return Ahead(planned.number, plan.run_name(planned), state, kind, asked and answered is None)


def _answered(plan: Plan, planned: PlannedJob, config: DictConfig, start_folder: Path) -> Path | None:
    """The finished run that has the answer of a job already."""
    from credo.experiment import earlier

    with as_job(config) as task:
        if (known := earlier.known(task, start_folder)) is not None:
            return known
        from credo.experiment.prepare import prepare
        from credo.experiment.request import Request

        choices = {str(group): str(word) for group, word in config.hydra.runtime.choices.items()}
        member = Membership(plan.label, None, plan.keys, fail_fast=False, skip_finished=True)
        try:
            prepared = prepare(Request(task, choices, planned.overrides, planned.folder, start_folder, sweep=member))
            return earlier.found(prepared)
        except CredoError:  # it says so when it is run
            return None


def _near(start_folder: Path) -> list[Path]:
    return [start_folder / name for name in HERE]


def _estimate(left: Sequence[Ahead], folders: Sequence[Path]) -> Iterator[str]:
    """What the jobs that are left take, as far as that is known, in sentences."""
    kinds = {job.kind for job in left}
    if not kinds:
        return
    known: dict[tuple[str, ...], list[float]] = {}
    for kind, took in _taken(folders, kinds):
        known.setdefault(kind, []).append(took)
    total = sum(statistics.median(known[job.kind]) for job in left if job.kind in known)
    if known:
        runs = counted(sum(len(times) for times in known.values()), "finished run")
        yield f"about {seconds(total)} of their own time, by {runs} of the same data, model and method"
    for kind in sorted(kinds - known.keys()):
        count = counted(sum(job.kind == kind for job in left), "job")
        yield f"what {count} of {' '.join(kind)} take is not known: no finished run of it is here"


def _taken(folders: Sequence[Path], kinds: set[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], float]]:
    """The kinds and the seconds of the newest finished runs of some kinds."""
    found: dict[Path, float] = {}
    for folder in folders:
        try:
            runs = beneath(folder, saved.exists) if folder.is_dir() else []
        except ConfigError:  # other people's files are in it
            continue
        found |= {run: (run / saved.CONFIG).stat().st_mtime for run in runs if (run / saved.METRICS).exists()}
    for run in sorted(found, key=lambda run: -found[run])[:MOST]:
        try:
            choices = saved.choices(run)
            kind = tuple(choices.get(group, "") for group in KIND)
            if kind in kinds and (took := _seconds(run)) is not None:
                yield kind, took
        except ConfigError:
            continue


def _seconds(run: Path) -> float | None:
    """What a run took: as a job, all its time; by itself, that of the inference."""
    job = jobs.read(run)
    if job is not None:
        return None if job.ended is None or job.state != "FINISHED" else job.ended - job.began
    numbers = cast("dict[str, Any]", json.loads((run / saved.METRICS).read_text(encoding="utf-8")))
    total = numbers.get("seconds/total")
    return float(total) if isinstance(total, float | int) else None
