"""The jobs of a sweep: each once, composed before the first runs, and written to `sweep.json`.

The plan is on disk before a job starts, so that `sweep.resume` knows what is left to do.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from credo import writing
from credo.errors import ConfigError
from credo.runs import files, folder, signature, trust
from credo.runs import job as jobs
from credo.runs.code import record
from credo.runs.job import Job
from credo.secrets import masked
from credo.sweeps.composer import Composer, subdirectory

FILE = jobs.SWEEP
WORKS = "the jobs' own folders can still be read and compared; begin a new sweep"


@dataclass(frozen=True)
class PlannedJob:
    """A job to run.

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

    def status(self) -> Job | None:
        """How the job stands; `None` before it started."""
        return jobs.read(self.folder)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return (job := self.status()) is not None and job.is_done

    @property
    def is_over(self) -> bool:
        """Whether it recorded its end."""
        return (job := self.status()) is not None and job.is_over


def groups_of(job: PlannedJob) -> list[PlannedJob]:
    """The jobs that run the groups of a job's chains (`experiment.groups`); none where there is one group."""
    typed = [word.partition("=")[2] for word in job.overrides if jobs.key_of(word) == "inference.groups"]
    count = int(typed[-1]) if typed and typed[-1].isdecimal() else 1
    return [
        PlannedJob(
            job.number * count + i,
            (*job.overrides, f"inference.group={i}"),
            job.folder / "groups" / str(i),
            job.extra,
        )
        for i in range(count if count > 1 else 0)
    ]


@dataclass
class Plan:
    """All jobs of a sweep so far.

    Attributes:
        folder: of the sweep.
        composer: of the jobs' configurations.
        keys: the configuration keys that differ between the jobs, in the order typed.
        name: what was typed for them.
        jobs: in the order of their numbers.
        is_own: whether the user's own credo wrote the plan.
    """

    folder: Path
    composer: Composer
    keys: tuple[str, ...]
    name: str
    jobs: list[PlannedJob] = field(default_factory=list)
    is_own: bool = True

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

    def run_name(self, job: PlannedJob) -> str:
        """The name of a job's run: how it differs from its neighbours."""
        return jobs.name(job.overrides, self.keys)

    def include(self, overrides: Sequence[Sequence[str]]) -> list[PlannedJob]:
        """Plan jobs that are not planned yet, and compose them to learn whether they can be.

        Returns:
            Those of them that are not done; all jobs that are not done where nothing was typed.

        Raises:
            HydraException: one of them cannot be composed; nothing was written.
            ConfigError: the sweep is resumed by jobs with other keys, or there is no job.
        """
        typed = {masked(tuple(words)): tuple(words) for words in overrides}
        self.jobs = [replace(job, overrides=typed.get(job.overrides, job.overrides)) for job in self.jobs]
        planned = {job.overrides for job in self.jobs}
        self._require_same_keys(overrides, {tuple(map(jobs.key_of, words)) for words in planned})
        for words in map(tuple, overrides):
            if words not in planned:
                self.add(words)
        if not self.jobs:
            raise ConfigError("-m: expected at least one run, but what is typed gives none")
        asked = {tuple(words) for words in overrides} or planned
        return [job for job in self.jobs if job.overrides in asked and not job.is_done]

    def add(self, words: Sequence[str], extra: Sequence[str] = ()) -> PlannedJob:
        """Plan one more job, even if there is one like it."""
        number = len(self.jobs)
        place = subdirectory(self.composer.compose(words, number))
        self._require_own(place)
        folder.require_free(self.folder / place, "hydra.sweep.subdir")
        self.jobs.append(PlannedJob(number, tuple(words), self.folder / place, tuple(extra)))
        return self.jobs[-1]

    def _require_same_keys(self, overrides: Sequence[Sequence[str]], keys: Collection[tuple[str, ...]]) -> None:
        if strange := [words for words in overrides if keys and tuple(map(jobs.key_of, words)) not in keys]:
            raise ConfigError(
                "sweep.resume: expected the jobs of the sweep once more, other values for their keys, or nothing, but "
                f"got {' '.join(strange[0])}"
            )

    def _require_own(self, place: str) -> None:
        if not (self.folder / place).resolve().is_relative_to(self.folder.resolve()):
            raise ConfigError(
                f"hydra.sweep.subdir: expected a folder inside the sweep's, but got {place}; set hydra.sweep.dir for "
                "the sweep's own"
            )
        if any(job.folder == self.folder / place for job in self.jobs):
            raise ConfigError(
                f"hydra.sweep.subdir: expected a folder for every job, but two would have {place}; put "
                "${hydra:job.num} into it"
            )

    def write(self) -> None:
        """Write the plan into the sweep's folder, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        planned = [
            {"overrides": job.overrides, "folder": str(job.folder.relative_to(self.folder))} for job in self.jobs
        ]
        content = masked({"name": self.name, "keys": self.keys, "jobs": planned})
        signed = content | {"signature": signature.word(content)}
        writing.write(self.folder / FILE, json.dumps(signed, indent=2) + "\n")

    def read(self, typed: Collection[str], start_folder: Path) -> None:
        """Read what an earlier command planned; a stranger's plan may not name code.

        Args:
            typed: overrides that the user typed, which may name anything.
            start_folder: where the user's modules are.

        Raises:
            ConfigError: the plan is damaged, names code that would run, or its code has changed since.
        """
        file = self.folder / FILE
        content: Any = files.plain_json(file, _Plan, WORKS)
        signed = content.pop("signature", None)
        self.name, self.keys = content["name"], tuple(content["keys"])
        for number, job in enumerate(content["jobs"]):
            place = (self.folder / job["folder"]).resolve()
            if not place.is_relative_to(self.folder.resolve()) or place == self.folder.resolve():
                raise files.DamagedError(
                    file, f"is damaged (jobs[{number}].folder={job['folder']!r} is outside)", WORKS
                )
            self.jobs.append(PlannedJob(number, tuple(job["overrides"]), self.folder / job["folder"]))
        self.is_own = signature.is_own_word(content, signed)
        if not self.is_own:
            words = [word for job in self.jobs if not job.is_done for word in job.overrides]
            with files.reading(file, WORKS):
                trust.require_harmless_words((word for word in dict.fromkeys(words) if word not in typed), file)
        self._require_same_code(start_folder)

    def _require_same_code(self, start_folder: Path) -> None:
        """Answers of two models do not belong in one sweep; the jobs that are done keep theirs."""
        for planned in self.jobs:
            if (job := planned.status()) is None or not job.is_done:
                continue
            run = Path(job.reason) if job.state == "SKIPPED" else planned.folder
            if edited := record.edited(record.of_run(run), start_folder):
                raise ConfigError(
                    f"sweep.resume: the code has changed since {run} finished: {', '.join(edited)} (as it was: "
                    f"{run / record.FOLDER}); restore it, or start a new sweep"
                )


class _Job(TypedDict):
    overrides: list[str]
    folder: str


class _Plan(TypedDict):
    name: str
    keys: list[str]
    jobs: list[_Job]
