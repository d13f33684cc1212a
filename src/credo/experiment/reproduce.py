"""A run once more: planned from its folder, and compared with the first one."""

import copy
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from credo.code import loading, record
from credo.errors import ConfigError
from credo.experiment import resume
from credo.runs import saved
from credo.runs.saved import Provenance

PARTS = {
    "code": ("git.commit", "git.dirty", "git.diff", "git.untracked", "versions.credo"),
    "versions": ("versions", "python"),
    "device": ("device", "platform", "cpu_count", "hostname"),
    "sweep": ("jobs_by_one_program",),
    "data": ("data_hash",),
}
"""What may change an answer, and the keys of the provenance that say it."""


@dataclass(frozen=True)
class Plan:
    """A run to reproduce, and the one that does.

    Attributes:
        first: the folder of the run to reproduce.
        run: the run to make, in a new folder and recorded nowhere else.
        before: the provenance of the first.
        code: the files that the first run recorded, if it is their code that runs.
    """

    first: Path
    run: resume.Run
    before: Provenance
    code: Mapping[str, bytes] | None = None

    @property
    def expected(self) -> Mapping[str, Any] | None:
        """The record of the code that has to run, if it is not what is present."""
        return None if self.code is None else self.before.get("code")

    @contextmanager
    def folder_of_code(self) -> Iterator[Path]:
        """The folder whose modules run: where credo was started, or one with the recorded files alone."""
        if self.code is None:
            yield self.run.folder_of_code
            return
        sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != self.run.start_folder.resolve()]
        with tempfile.TemporaryDirectory(prefix="credo-code-", ignore_cleanup_errors=True) as scratch:
            record.Code(sources=self.code).write(Path(scratch))
            try:
                yield Path(scratch) / record.FOLDER
            finally:
                loading.forget(Path(scratch))


@dataclass(frozen=True)
class Comparison:
    """A run and its reproduction.

    Attributes:
        same: whether the draws are equal to the bit; `None` where the first run did not keep their hash.
        differences: what is not as it was, in words, by part of the circumstances.
        edited: what of the user's code is not as it was, in words.
    """

    same: bool | None
    differences: tuple[str, ...]
    edited: tuple[str, ...] = ()


def plan(place: Path, name: str, now: datetime, *, recorded: bool = False, trusted: bool = False) -> Plan:
    """Plan the reproduction of a run.

    Args:
        place: the run's folder.
        name: what was typed for it.
        now: the time, which names the new folder.
        recorded: whether the code that the run kept runs, in place of the present one.
        trusted: whether the user trusts whoever wrote the folder.

    Raises:
        ConfigError: there is no such run, it did not finish, or its recorded code is not complete.
    """
    if saved.exists(place) and not (place / saved.PROVENANCE).exists():
        raise ConfigError(f"{name} did not finish, so that there is nothing to reproduce")
    first = resume.read(place, trusted=trusted or recorded, recorded_anew=True)
    before = saved.provenance(place, saved.AGAIN_WITHOUT)
    code = record.recorded(first.folder, before.get("code")) if recorded else None
    config = copy.deepcopy(first.config)
    config.tracking = resume.NOWHERE
    config.seed = before["seed"]
    short = re.sub(r"[^A-Za-z0-9_.-]+", "-", first.folder.name)
    folder = Path.cwd() / "reproductions" / f"{now:%Y-%m-%d_%H-%M-%S}_{short}"
    return Plan(first.folder, replace(first, config=config, folder=folder), before, code)


def compare(before: Provenance, folder: Path) -> Comparison:
    """The first run's provenance beside that of its reproduction in `folder`."""
    now = saved.provenance(folder)
    hashes = before.get("draws_hash"), now["draws_hash"]
    same = None if hashes[0] is None else hashes[0] == hashes[1]
    first, present = before.get("code"), now["code"] or record.NO_CODE
    edited = () if first is None else tuple(record.differences(first, present))
    doubts = tuple(f"unknown, {reason}" for reason in record.doubts(first, present))
    code = tuple(f"code: {difference}" for difference in (*edited, *doubts))
    return Comparison(same, (*code, *_differences(before, now)), edited)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for part, keys in PARTS.items():
        for key in keys:
            for name, one, other in _leaves(key, _at(before, key), _at(now, key)):
                if part == "versions" and name == "versions.credo":
                    continue
                if name == "git.diff":
                    yield f"{part}: the uncommitted changes are others"
                else:
                    yield f"{part}: {name} was {_text(one)} and is {_text(other)}"


def _leaves(name: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """What differs below a key."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            yield from _leaves(f"{name}.{key}", one.get(key), other.get(key))
    elif one != other:
        yield name, one, other


def _at(provenance: Mapping[str, Any], key: str) -> Any:
    value: Any = provenance
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
