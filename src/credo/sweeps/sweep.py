"""A sweep from its first job to its summary, whatever plans its jobs and whatever launches them."""

import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from credo.config import loading, messages, paths
from credo.config.command import typed
from credo.config.paths import near
from credo.errors import ConfigError, Interrupted, RunError, SweepError
from credo.runs import folder as run_folder
from credo.runs import job as jobs
from credo.runs import lock
from credo.runs.job import Membership
from credo.secrets import masked
from credo.sweeps import environment
from credo.sweeps.composer import Composer, as_job
from credo.sweeps.launch import Launch
from credo.sweeps.plan import FILE, Plan, PlannedJob, groups_of
from credo.tracking.base import SweepRecord, Tracker

if TYPE_CHECKING:
    from credo.experiment.earlier import Outcome
    from credo.report.sweep.summary import SearchResult

log = logging.getLogger(__name__)


@dataclass
class Sweep:
    """A sweep that is running.

    Attributes:
        config: of the sweep, with which the launcher was made.
        plan: its jobs.
        launch: runs jobs.
        threads: the environment of the launcher's processes.
        record: where the sweep is recorded.
        tracker: the name of the tracker that records it.
        result: of a search.
        held: the sweep's folder, until the sweep is over.
    """

    config: DictConfig
    plan: Plan
    launch: Launch
    threads: dict[str, str]
    record: SweepRecord | None = None
    tracker: str = ""
    result: "SearchResult | None" = None
    held: run_folder.Held = field(default_factory=run_folder.Held)
    _started: bool = field(default=False, init=False)

    @property
    def folder(self) -> Path:
        """The sweep's folder."""
        return self.plan.folder

    @property
    def is_stopped(self) -> bool:
        """Whether no further job starts."""
        return self.launch.is_stopped

    def include(self, overrides: Sequence[Sequence[str]]) -> list[PlannedJob]:
        """Plan jobs and start the sweep; returns the jobs that are to be run (see `Plan.include`).

        One that is resumed with nothing left to do, and has its summary, is not started. Jobs that finished runs have
        answered, as far as that is known at once, are over.
        """
        planned = self.plan.include(overrides)
        answered = self._answered(planned)
        left = [job for job in planned if job.number not in answered]
        if planned or not self._is_summarised:
            self.start(anything=bool(left) or not planned)
        for job in planned:
            if (found := answered.get(job.number)) is not None:
                _skip(job, found)
        return left

    def _answered(self, planned: Sequence[PlannedJob]) -> "dict[int, Outcome]":
        """What came of finished runs that asked the same as new jobs, by the jobs' numbers."""
        if not self.config.sweep.skip_finished:
            return {}
        from credo.experiment import earlier

        start_folder = Path(self.config.hydra.runtime.cwd)
        loading.make_importable(start_folder, paths.built_in())
        found: dict[int, Outcome] = {}
        for job in planned:
            if job.status() is None:
                with as_job(self.plan.composer.compose([*job.overrides, *job.extra], job.number)) as config:
                    outcome = earlier.at_once(config, start_folder)
                if outcome is not None:
                    found[job.number] = outcome
        return found

    def add(self, words: Sequence[str], extra: Sequence[str] = ()) -> PlannedJob:
        """Plan one more job, even if there is one like it."""
        job = self.plan.add(words, extra)
        self.start()
        return job

    def launch_whole(self, some: Sequence[PlannedJob]) -> None:
        """Run jobs; the chains of those that have groups of them by jobs of their own before."""
        parts = [part for job in some for part in groups_of(job) if not part.is_done]
        if parts:
            self.launch(parts)
        if not self.is_stopped:
            self.launch(some)

    def start(self, anything: bool = True) -> None:
        """Record the sweep, if that is not done and there is anything to run, and write its plan."""
        if not self._started:
            with self.held.accepted(self.folder, "hydra.sweep.dir", exists=self.config.sweep.resume is not None):
                tracker = self._chosen()
                if anything:
                    self._load()
                    self._record(tracker)
            self._started = True
        self.plan.write()

    def _load(self) -> None:
        """Load what the first job needs in this process, while another one loads what its tracker needs."""
        first = next((job for job in self.plan.jobs if not job.is_over), None)
        own = {environment.SWEEP, environment.TRIAL}
        if first is None or not self.launch.is_here or {*self.config.hydra.job.env_set} - own:
            return  # a variable may be for what is loaded
        from credo.experiment import preflight  # takes time to load

        with suppress(Exception):  # the job says what is wrong with it
            loading.make_importable(Path(self.config.hydra.runtime.cwd), paths.built_in())
            with as_job(self.plan.composer.compose([*first.overrides, *first.extra], first.number)) as config:
                preflight.refuse(config)
            import_module("credo.experiment.run")

    @property
    def _is_summarised(self) -> bool:
        """Whether an earlier command summarised these jobs when all of them were over."""
        from credo.sweeps import summary  # takes time to load

        ended = [job.folder / jobs.FILE for job in self.plan.jobs]
        files = [self.folder / name for name in (summary.TABLE, summary.PAGE)]
        if not all(file.exists() for file in (*ended, *files)):
            return False
        return min(file.stat().st_mtime for file in files) >= max(file.stat().st_mtime for file in ended)

    def _chosen(self) -> Tracker:
        """The tracker of the sweep.

        Raises:
            ConfigError: it does not have what is asked of it, or there is no such reuse.
        """
        from credo.experiment.parts import make_tracker

        settings = self.config.sweep
        if settings.reuse not in (None, "importance"):
            raise ConfigError(f"sweep.reuse: expected importance, or null, but got {settings.reuse}")
        tracker = make_tracker(self.config)
        if settings.skip_finished and not tracker.keeps_runs:
            raise ConfigError(
                "sweep.skip_finished: finished runs are found in MLflow's store, for instance, and "
                f"tracking={self.config.hydra.runtime.choices.get('tracking')} keeps none; set tracking=mlflow"
            )
        return tracker

    def _record(self, tracker: Tracker) -> None:
        """Record the sweep, and let every job learn of it, in whichever process it is composed."""
        settings, plan = self.config.sweep, self.plan
        tags = {"sweep": plan.label, "swept": ", ".join(plan.keys), "overrides": plan.name}
        start_folder = Path(self.config.hydra.runtime.cwd)
        self.record, self.tracker = tracker.begin_sweep(plan.title, tags, self.folder, start_folder), tracker.name
        parent = None if self.record is None else self.record.id
        member = Membership(
            plan.label,
            parent,
            plan.keys,
            settings.fail_fast,
            settings.skip_finished,
            settings.reuse,
            settings.warm_start,
            str(self.folder),
        )
        self.config.hydra.overrides.hydra.extend(
            [
                f"hydra.sweep.dir={environment.quoted(str(self.folder))}",
                environment.override(environment.SWEEP, member),
                *(environment.override(name, value) for name, value in self.threads.items()),
            ]
        )

    def close(self, interrupted: bool = False) -> None:
        """Summarise the sweep: on the terminal, as a page, as a table, and where it is recorded.

        Raises:
            SweepError: jobs failed, or were not run.
        """
        from credo.report.terminal import sweep as terminal
        from credo.sweeps import summary

        if not self._started:
            terminal.show(summary.read(self.plan), "", None, remark="All jobs had finished: nothing was run.")
            return
        self._settle()
        try:
            cache = self.config.device.compilation_cache
            made = summary.summarise(self.plan, self.result, compare=self.config.sweep.compare, cache=cache)
        except OSError as error:
            raise self._not_written(error) from error
        if self.record is not None:
            status: Literal["KILLED", "FAILED", "FINISHED"]
            status = "KILLED" if interrupted else "FAILED" if made.failed == len(self.plan.jobs) else "FINISHED"
            self.record.end(status, made.metrics, made.tags, made.description, made.files)
        terminal.show(made, self.tracker, None if self.record is None else self.record.place)
        if made.undone and not interrupted:
            raise SweepError(made.sentence, made.undone)

    def _settle(self) -> None:
        """Record the ends of the jobs that did not record them."""
        if self.record is None:
            return
        for planned in self.plan.jobs:
            if (job := planned.status()) is not None and not job.is_done:
                self.record.settle(self.plan.run_name(planned), job, planned.folder)

    def _not_written(self, error: OSError) -> RunError:
        """The sentence, and the record, of a sweep whose summary cannot be written."""
        sentence = (
            f"{error.filename} could not be written ({error.strerror}); the jobs have their answers: make room, then "
            f"credo -m sweep.resume={shlex.quote(str(self.folder))}"
        )
        self.fail(sentence)
        return RunError(sentence)

    def fail(self, reason: str) -> None:
        """Record that the sweep ended without a summary."""
        if self.record is not None:
            self.record.end("FAILED", {}, {"error": reason}, "", ())


def _skip(job: PlannedJob, found: "Outcome") -> None:
    """Let a job be over, because a finished run has its answer."""
    began = jobs.started(job.overrides)
    jobs.ended(began, "SKIPPED", 0, str(found.answered), found.objective).write(job.folder)


@contextmanager
def running(
    config: DictConfig, launcher: Launcher, composer: Composer, swept: dict[str, str], threads: dict[str, str]
) -> Iterator[Sweep]:
    """A sweep from its first job to its summary, however it ends.

    Args:
        config: of the sweep.
        launcher: what runs the jobs.
        composer: of the jobs' configurations.
        swept: the keys that have several values, and those as typed.
        threads: the environment of the launcher's processes.

    Raises:
        ConfigError: there is no such sweep to resume, or one in the folder that would be overwritten.
        SweepError: jobs failed.
    """
    folder = Path(config.hydra.sweep.dir).absolute()
    if (file := messages.obstacle(folder)) is not None:
        raise ConfigError(f"hydra.sweep.dir: {folder} cannot be made, since {file} is a file; name another folder")
    run_folder.require_own(config.hydra)
    for remark in messages.remarks(config.hydra):
        log.info(remark)
    name = " ".join(masked(f"{key}={values}") for key, values in swept.items())
    sweep = Sweep(config, Plan(folder, composer, tuple(swept), name), Launch(launcher, folder), threads)
    with sweep.held:
        _open(sweep)
        yield from _until_over(sweep)


def _open(sweep: Sweep) -> None:
    """Require a free folder, or that of the sweep to resume, whose plan is read."""
    folder, config = sweep.folder, sweep.config
    if config.sweep.resume is None:
        if (folder / FILE).exists():
            raise ConfigError(
                f"hydra.sweep.dir: expected a new folder, but {folder} has a sweep; "
                f"sweep.resume={shlex.quote(str(folder))} runs what it left"
            )
        run_folder.require_free(folder, "hydra.sweep.dir")
        return
    if not (folder / FILE).exists():
        raise ConfigError(f"sweep.resume: expected the folder of a sweep, and {folder} has no {FILE}")
    sweep.held.enter_context(lock.held(folder))
    sweep.plan.read(set(config.hydra.overrides.task), Path(config.hydra.runtime.cwd))
    (folder / jobs.STOP).unlink(missing_ok=True)


def _until_over(sweep: Sweep) -> Iterator[Sweep]:
    try:
        yield sweep
    except (KeyboardInterrupt, Interrupted) as error:
        if sweep.plan.jobs:
            sweep.close(interrupted=True)
            place = shlex.quote(str(near(sweep.folder)))
            error.args = (f"{str(error) or 'interrupted'}; {typed()} -m sweep.resume={place} runs what is left",)
        raise
    except Exception as error:
        sweep.fail(str(error))
        raise
    sweep.close()
