"""A sweep under way: its folder, its jobs and how they ended, whatever launches them.

The plan is written to `sweep.json` before the first job begins, so that `sweep.resume` knows what is left to do. A
launcher whose worker dies gives up all its jobs: those that had not begun are launched again, and those that had, once
more and each alone, so that only the guilty one is lost.
"""

import json
import logging
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from credo import writing
from credo.code import record
from credo.config import messages
from credo.errors import ConfigError, CredoError, Interrupted, RunError, SweepError, shortened
from credo.runs import files, lock, signature, trust
from credo.runs import folder as run_folder
from credo.runs import job as jobs
from credo.runs.job import Job, Membership
from credo.secrets import masked
from credo.sweep.composer import Composer, subdirectory
from credo.tracking.base import SweepRecord

if TYPE_CHECKING:
    from credo.sweep.search import Found

FILE = jobs.SWEEP
VANISHED = "the process ended without a word (killed, or out of memory)"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """A job to do.

    Attributes:
        number: of the job in its sweep, from 0.
        overrides: what makes its configuration.
        folder: where it leaves its files.
        extra: further overrides of Hydra's own, which are no part of the job.
    """

    number: int
    overrides: tuple[str, ...]
    folder: Path
    extra: tuple[str, ...] = ()

    def stands(self) -> Job | None:
        """What is known of it; `None` before it began."""
        return jobs.read(self.folder)


@dataclass
class Course:
    """The jobs of one sweep.

    Attributes:
        folder: of the sweep.
        launcher: what runs the jobs.
        config: of the sweep, with which the launcher was made.
        composer: of the jobs' configurations.
        keys: the configuration keys that differ between the jobs, in the order typed.
        name: what was typed for them.
        planned: all jobs so far.
        record: where the sweep is recorded.
        found: what a search found.
        held: the sweep's folder, until the sweep is over.
        is_own: whether the user's own credo wrote the sweep that is taken up.
    """

    folder: Path
    launcher: Launcher
    config: DictConfig
    composer: Composer
    keys: tuple[str, ...]
    name: str
    planned: list[Planned] = field(default_factory=list)
    record: SweepRecord | None = None
    found: "Found | None" = None
    held: run_folder.Held = field(default_factory=run_folder.Held)
    is_own: bool = True
    _begun: bool = field(default=False, init=False)

    def take(self, overrides: Sequence[Sequence[str]]) -> list[Planned]:
        """Plan jobs, all of which are composed to learn that they can be; returns those that are not done.

        Jobs that the sweep has already are not planned twice, and those that finished are not run again.

        Raises:
            HydraException: one of them cannot be composed; nothing was written.
        """
        typed = {masked(tuple(words)): tuple(words) for words in overrides}
        self.planned = [replace(one, overrides=typed.get(one.overrides, one.overrides)) for one in self.planned]
        known = {one.overrides for one in self.planned}
        keys = {tuple(map(jobs.key_of, words)) for words in known}
        if strange := [words for words in overrides if keys and tuple(map(jobs.key_of, words)) not in keys]:
            raise ConfigError(
                "sweep.resume: expected the jobs of the sweep once more, other values for their keys, or nothing, but "
                f"got {' '.join(strange[0])}"
            )
        for words in (tuple(words) for words in overrides):
            if words not in known:
                self._plan(words)
        if not self.planned:
            raise ConfigError("-m: expected at least one run, but what is typed gives none")
        self.begin()
        asked = {tuple(words) for words in overrides} or known
        return [one for one in self.planned if one.overrides in asked and not _is_done(one)]

    def add(self, words: Sequence[str], extra: Sequence[str] = ()) -> Planned:
        """Plan one more job, even if there was one like it."""
        self._plan(tuple(words), tuple(extra))
        self.begin()
        return self.planned[-1]

    def _plan(self, words: tuple[str, ...], extra: tuple[str, ...] = ()) -> None:
        number = len(self.planned)
        place = subdirectory(self.composer.compose(words, number))
        self._require_own(place)
        run_folder.require_free(self.folder / place, "hydra.sweep.subdir")
        self.planned.append(Planned(number, words, self.folder / place, extra))

    def _require_own(self, place: str) -> None:
        if not (self.folder / place).resolve().is_relative_to(self.folder.resolve()):
            raise ConfigError(
                f"hydra.sweep.subdir: expected a folder inside the sweep's, but got {place}; set hydra.sweep.dir for "
                "the sweep's own"
            )
        if any(one.folder == self.folder / place for one in self.planned):
            raise ConfigError(
                f"hydra.sweep.subdir: expected a folder for every job, but two would have {place}; put "
                "${hydra:job.num} into it"
            )

    def begin(self) -> None:
        """Record the sweep, if that is not done, and write its plan."""
        if not self._begun:
            with self.held.accepted(self.folder, "hydra.sweep.dir", exists=self.config.sweep.resume is not None):
                self._record()
            self._begun = True
        self._write()

    def _record(self) -> None:
        from credo.experiment.parts import make_tracker

        settings = self.config.sweep
        tracker = make_tracker(self.config)
        if settings.skip_finished and self.config.tracking._target_.endswith(".NoTracker"):
            raise ConfigError(
                "sweep.skip_finished: finished runs are found in MLflow's store, and tracking=none keeps none; "
                "set tracking=mlflow"
            )
        start_folder = Path(self.config.hydra.runtime.cwd)
        tags = {"sweep": self.label, "swept": ", ".join(self.keys), "overrides": self.name}
        self.record = tracker.begin_sweep(self.title, tags, self.folder, start_folder)
        parent = None if self.record is None else self.record.id
        member = Membership(self.label, parent, self.keys, settings.fail_fast, settings.skip_finished)
        _inform(self.config, self.folder, member)

    @property
    def label(self) -> str:
        """The sweep's folder in short, by which its runs are grouped."""
        return "/".join(self.folder.parts[-2:])

    @property
    def title(self) -> str:
        """A name that reads like what was typed."""
        words = self.name
        for key, short in jobs.shortened(self.keys).items():
            words = re.sub(rf"(?<!\S){re.escape(key)}=", f"{short}=", words, count=1)
        return words if len(words) <= 120 else f"{words[:119]}…"

    def _write(self) -> None:
        """Leave the plan in the sweep's folder, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        plan = [
            {"overrides": one.overrides, "folder": str(one.folder.relative_to(self.folder))} for one in self.planned
        ]
        known = masked({"name": self.name, "keys": self.keys, "jobs": plan})
        signed = known | {"signature": signature.word(known)}
        writing.write(self.folder / FILE, json.dumps(signed, indent=2) + "\n")

    def launch(self, new: Sequence[Planned]) -> dict[int, Job]:
        """Run jobs; returns how each ended, by number. Jobs that a stop kept from beginning are missing."""
        waiting, before = list(new), {one.number: one.stands() for one in new}
        while waiting:
            trouble = self._round(waiting)
            left = [one for one in waiting if one.stands() == before[one.number] or not _is_over(one)]
            fresh = [one for one in left if one.stands() == before[one.number]]
            if len(fresh) == len(waiting) and not self.is_stopped:
                raise trouble or CredoError("hydra/launcher: the launcher began none of its jobs")
            for suspect in (one for one in left if one not in fresh):
                if len(waiting) > 1:
                    trouble = self._round([suspect]) or trouble
                _declare_lost(suspect, trouble)
            waiting = [] if self.is_stopped else fresh
        ended = {one.number: one.stands() for one in new}
        return {number: job for number, job in ended.items() if job is not None and job != before[number]}

    @property
    def is_stopped(self) -> bool:
        """Whether no further job begins."""
        return (self.folder / jobs.STOP).exists()

    def _round(self, some: Sequence[Planned]) -> Exception | None:
        """Let the launcher run some jobs; returns what it raised. An interrupt goes through."""
        words = [
            [*one.overrides, *one.extra, f"hydra.sweep.subdir={quoted(str(one.folder.relative_to(self.folder)))}"]
            for one in some
        ]
        try:
            for returned in self.launcher.launch(words, initial_job_idx=some[0].number):
                _ = returned.return_value  # raises what the job raised
        except CredoError:
            raise
        except Exception as error:
            log.debug("the launcher stopped", exc_info=True)
            return error
        return None

    def close(self, interrupted: bool = False) -> None:
        """Give the account of the sweep: on the terminal, as a page, as a table, and where it is recorded.

        Raises:
            SweepError: jobs failed, or were not run.
        """
        from credo.sweep import summary

        for one in self.planned if self.record is not None else ():
            if (job := one.stands()) is not None and not job.is_done and self.record is not None:
                self.record.settle(self.run_name(one), job, one.folder)
        try:
            given = summary.give(self)
        except OSError as error:
            raise self._untold(error) from error
        if self.record is not None:
            status: Literal["KILLED", "FAILED", "FINISHED"]
            status = "KILLED" if interrupted else "FAILED" if given.failed == len(self.planned) else "FINISHED"
            self.record.end(status, given.metrics, given.tags, given.note, given.files)
        summary.show(given, None if self.record is None else self.record.place)
        if given.undone and not interrupted:
            raise SweepError(given.sentence, given.undone)

    def _untold(self, error: OSError) -> RunError:
        """The sentence, and the record, of a sweep whose account cannot be written."""
        sentence = (
            f"{error.filename} could not be written ({error.strerror}); the jobs have their answers: make room, then "
            f"credo -m sweep.resume={shlex.quote(str(self.folder))}"
        )
        if self.record is not None:
            self.record.end("FAILED", {}, {"error": sentence}, "", ())
        return RunError(sentence)

    def run_name(self, one: Planned) -> str:
        """What a job's run is called: what makes it another one than its neighbours."""
        return jobs.name(one.overrides, self.keys)


@contextmanager
def under_way(config: DictConfig, launcher: Launcher, composer: Composer, swept: dict[str, str]) -> Iterator[Course]:
    """A sweep from its first job to its account, however it ends.

    Args:
        config: of the sweep.
        launcher: what runs the jobs.
        composer: of the jobs' configurations.
        swept: the keys that have several values, and those as typed.

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
    course = Course(folder, launcher, config, composer, tuple(swept), name)
    with course.held:
        if config.sweep.resume is not None:
            _read(course)
        elif (folder / FILE).exists():
            raise ConfigError(
                f"hydra.sweep.dir: expected a new folder, but {folder} has a sweep; "
                f"sweep.resume={shlex.quote(str(folder))} runs what it left"
            )
        else:
            run_folder.require_free(folder, "hydra.sweep.dir")
        yield from _until_over(course)


def _until_over(course: Course) -> Iterator[Course]:
    try:
        yield course
    except (KeyboardInterrupt, Interrupted):
        if course.planned:
            course.close(interrupted=True)
        raise
    except Exception as error:
        if course.record is not None:
            course.record.end("FAILED", {}, {"error": str(error)}, "", ())
        raise
    course.close()


class _Job(TypedDict):
    overrides: list[str]
    folder: str


class _Plan(TypedDict):
    name: str
    keys: list[str]
    jobs: list[_Job]


def _read(course: Course) -> None:
    """Fill in what an earlier command planned; a plan that is a stranger's may not name code.

    Raises:
        ConfigError: there is none, it is damaged, or it names code that would run.
    """
    file = course.folder / FILE
    if not file.exists():
        raise ConfigError(f"sweep.resume: expected the folder of a sweep, and {course.folder} has no {FILE}")
    course.held.enter_context(lock.held(course.folder))
    works = "the jobs' own folders can still be read and compared; begin a new sweep"
    known: Any = files.plain_json(file, _Plan, works)
    said = known.pop("signature", None)
    course.name, course.keys = known["name"], tuple(known["keys"])
    for number, one in enumerate(known["jobs"]):
        place = (course.folder / one["folder"]).resolve()
        if not place.is_relative_to(course.folder.resolve()) or place == course.folder.resolve():
            raise files.DamagedError(file, f"is damaged (jobs[{number}].folder={one['folder']!r} is outside)", works)
        course.planned.append(Planned(number, tuple(one["overrides"]), course.folder / one["folder"]))
    course.is_own = signature.is_own_word(known, said)
    if not course.is_own:
        typed = set(course.config.hydra.overrides.task)
        words = [word for one in course.planned if not _is_done(one) for word in one.overrides]
        with files.reading(file, works):
            trust.require_harmless_words((word for word in dict.fromkeys(words) if word not in typed), file)
    _require_same_code(course)
    (course.folder / jobs.STOP).unlink(missing_ok=True)


def _require_same_code(course: Course) -> None:
    """Answers of two models do not belong in one sweep; the jobs that are done keep theirs."""
    start_folder = Path(course.config.hydra.runtime.cwd)
    for one in course.planned:
        if (job := one.stands()) is None or not job.is_done:
            continue
        run = Path(job.reason) if job.state == "SKIPPED" else one.folder
        if edited := record.edited(record.of_run(run), start_folder):
            raise ConfigError(
                f"sweep.resume: the code has changed since {run} finished: {', '.join(edited)} (as it was: "
                f"{run / record.FOLDER}); restore it, or start a new sweep"
            )


def _inform(config: DictConfig, folder: Path, member: Membership) -> None:
    """Tell every job of its sweep, in whichever process it is composed: by Hydra's own overrides."""
    environment = {jobs.VARIABLE: member.word(), **threads(config.hydra.launcher, os.cpu_count() or 1)}
    words = [
        f"{'' if name == jobs.VARIABLE else '+'}hydra.job.env_set.{name}={quoted(value)}"
        for name, value in environment.items()
    ]
    config.hydra.overrides.hydra.extend([f"hydra.sweep.dir={quoted(str(folder))}", *words])


def threads(launcher: DictConfig, cores: int) -> dict[str, str]:
    """What keeps the processes of a launcher from having more threads together than this machine has cores.

    On a cluster (`submitit_slurm`) the scheduler sees to it; what the user's own environment says wins.
    """
    target = str(launcher._target_)
    if target.endswith(("BasicLauncher", "CompiledLauncher", "SlurmLauncher")):
        return {}
    asked = int(launcher.get("n_jobs") or -1)  # joblib's; the others' start as many as there are cores, or more
    together = asked if asked > 0 else max(cores + 1 + asked, 1)
    each = str(max(cores // together, 1))
    return {name: each for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name not in os.environ}


def quoted(text: str) -> str:
    """As a string of Hydra's grammar."""
    return QuotedString(text, Quote.single).with_quotes()


def _is_done(one: Planned) -> bool:
    job = one.stands()
    return job is not None and job.is_done


def _is_over(one: Planned) -> bool:
    job = one.stands()
    return job is not None and job.is_over


def _declare_lost(one: Planned, trouble: Exception | None) -> None:
    """Say of a job that began and did not say how it ended that it failed."""
    job = one.stands()
    if job is not None and not job.is_over:
        first = shortened(" ".join(str(trouble or "").split()).split(". ")[0], 200)
        jobs.ended(job, "FAILED", 1, f"{VANISHED}: {first}" if first else VANISHED).write(one.folder)
