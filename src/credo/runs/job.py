"""A job of a sweep, in its own words: `job.json` in its folder, by which the sweep knows how it ended.

The file is all that a sweep asks of its jobs, wherever they run: the process that launched them reads it when the
launcher is back, and `sweep.resume` reads it on another day.
"""

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypedDict

from credo import writing
from credo.runs import files
from credo.secrets import masked

FILE = "job.json"
SWEEP = "sweep.json"
"""In the sweep's folder: its plan."""

STOP = "stop"
"""In the sweep's folder: no further job begins."""

State = Literal["RUNNING", "FINISHED", "SKIPPED", "PRUNED", "FAILED", "KILLED"]
ANSWERED = ("FINISHED", "SKIPPED")
DONE = (*ANSWERED, "PRUNED")


@dataclass(frozen=True)
class Membership:
    """What a job knows of its sweep.

    Attributes:
        name: the sweep's name, e.g. `2026-01-31/12-00-00`.
        parent: the tracker's id of the sweep, under which its runs come; `None` where it has none.
        keys: the configuration keys that differ between the jobs, in the order typed.
        fail_fast: whether no further job begins once one has failed.
        skip_finished: whether a job is not run whose question a finished run has answered.
        reuse: how a finished job's draws may answer another one: `importance`; `None` for not at all.
        warm_start: whether chains begin where those of a finished job are.
        folder: the sweep's.
    """

    name: str
    parent: str | None
    keys: tuple[str, ...]
    fail_fast: bool
    skip_finished: bool
    reuse: str | None = None
    warm_start: bool = False
    folder: str = ""


@dataclass(frozen=True)
class Job:
    """How a job stands.

    Attributes:
        overrides: what was typed for it.
        state: `RUNNING` until it says otherwise; `SKIPPED` where an earlier run has the same answer.
        exit_code: as the command alone would have it.
        reason: why it did not finish, or which run it equals.
        objective: the numbers that a sweeper optimises.
        began: seconds since 1970.
        ended: seconds since 1970.
        host: the machine on which it ran.
        pid: its process there.
    """

    overrides: tuple[str, ...]
    state: State
    exit_code: int | None = None
    reason: str = ""
    objective: tuple[float, ...] | None = None
    began: float = 0.0
    ended: float | None = None
    host: str = ""
    pid: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it recorded its end."""
        return self.state != "RUNNING"

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.state in DONE

    def write(self, folder: Path) -> None:
        """Leave it in the job's folder, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        writing.write(folder / FILE, json.dumps(asdict(self), indent=2) + "\n")


def started(overrides: Sequence[str]) -> Job:
    """A job that starts in this process."""
    return Job(masked(tuple(overrides)), "RUNNING", began=time.time(), host=platform.node(), pid=os.getpid())


def ended(
    job: Job, state: State, exit_code: int | None = None, reason: str = "", objective: tuple[float, ...] | None = None
) -> Job:
    """A job that is over."""
    return replace(job, state=state, exit_code=exit_code, reason=masked(reason), objective=objective, ended=time.time())


class _Job(TypedDict):
    overrides: list[str]
    state: State
    exit_code: int | None
    reason: str
    objective: list[float] | None
    began: float
    ended: float | None
    host: str
    pid: int


def read(folder: Path) -> Job | None:
    """How the job of a folder stands; `None` where none began.

    Raises:
        DamagedError: its file cannot be read.
    """
    file = folder / FILE
    if not file.exists():
        return None
    works = "the job's other files can still be read; remove this one, and sweep.resume runs the job again"
    content: _Job = files.plain_json(file, _Job, works)
    objective = content["objective"]
    tuples = {"overrides": tuple(content["overrides"]), "objective": None if objective is None else tuple(objective)}
    return Job(**{name: content[name] for name in _Job.__annotations__} | tuples)  # type: ignore[literal-required]


class _Place(TypedDict):
    folder: str


class _Plan(TypedDict):
    jobs: list[_Place]


def folders(sweep: Path) -> list[Path]:
    """The folders of all jobs that a sweep has planned.

    Raises:
        DamagedError: its plan cannot be read.
    """
    works = "the jobs' own folders can still be read; begin a new sweep"
    planned: _Plan = files.plain_json(sweep / SWEEP, _Plan, works)
    return [sweep / job["folder"] for job in planned["jobs"]]


def key_of(override: str) -> str:
    """The key of an override: `model.prior.loc.scale` of `+model.prior.loc.scale=2`."""
    return override.split("=", 1)[0].lstrip("+~")


def name(overrides: Sequence[str], keys: Sequence[str]) -> str:
    """What makes a job another one than its neighbours, as typed but for the beginnings of long keys."""
    short = shortened(keys)
    overrides = masked(list(overrides))
    own = [
        f"{short[key]}={word.split('=', 1)[1]}" for word in overrides if (key := key_of(word)) in short and "=" in word
    ]
    return " ".join(own or overrides)


def shortened(keys: Sequence[str]) -> dict[str, str]:
    """What stands in names for keys: their last two parts or more; a choice like `prior@model.prior.loc` as it is."""
    short = dict(zip(keys, shortest(keys, 2), strict=True))
    return {key: key if "@" in key else end for key, end in short.items()}


def shortest(keys: Sequence[str], least: int = 1) -> list[str]:
    """The keys by the fewest of their last parts that tell them apart: `loc.scale` of `model.prior.loc.scale`.

    Args:
        keys: of the configuration.
        least: parts that are kept, where there are as many.
    """
    ends = {key: _ends(key) for key in keys}
    return [
        next((end for end in ends[key][least - 1 :] if sum(end in ends[other] for other in keys) == 1), key)
        for key in keys
    ]


def _ends(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[first:]) for first in reversed(range(len(parts)))]
