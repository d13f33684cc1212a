"""`credo reproduce RUN`: the same question once more, and whether the answer is the same to the bit."""

import copy
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from credo.code import loading, record
from credo.errors import ConfigError
from credo.experiment import resume
from credo.runs import saved, trust
from credo.runs.saved import Provenance

USAGE = (
    "credo reproduce: expected one run, by its folder or its MLflow id, and perhaps --code=recorded or --trust, as in "
    "credo reproduce outputs/2026-01-31/12-00"
)
CODES = ("present", "recorded")
"""Which code runs: that of the folder where credo was started, or the copy in the run's folder, for those who trust it.
"""
PARTS = {
    "code": ("git.commit", "git.dirty", "git.diff", "git.untracked", "versions.credo"),
    "versions": ("versions", "python"),
    "device": ("device", "platform", "cpu_count", "hostname"),
    "sweep": ("jobs_by_one_program",),
    "data": ("data_hash",),
}
"""What may make an answer another one, and where the provenance says it."""


@dataclass(frozen=True)
class Planned:
    """A reproduction.

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


def planned(arguments: Sequence[str], now: datetime) -> Planned:
    """The run to make.

    Raises:
        ConfigError: there is no such run, it did not finish, or its recorded code is not complete.
    """
    said, trusted = trust.said(arguments)
    words, which = _chosen(said)
    if len(words) != 1 or words[0].startswith("-"):
        raise ConfigError(USAGE)
    place = resume.folder(words[0])
    if saved.exists(place) and not (place / saved.PROVENANCE).exists():
        raise ConfigError(f"{words[0]} did not finish, so that there is nothing to reproduce")
    first = resume.read(place, trusted=trusted or which == "recorded", recorded_anew=True)
    before = saved.provenance(place, saved.AGAIN_WITHOUT)
    code = record.recorded(first.folder, before.get("code")) if which == "recorded" else None
    config = copy.deepcopy(first.config)
    config.tracking = {"_target_": "credo.tracking.none.NoTracker"}
    config.seed = before["seed"]
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", first.folder.name)
    folder = Path.cwd() / "reproductions" / f"{now:%Y-%m-%d_%H-%M-%S}_{name}"
    return Planned(first.folder, replace(first, config=config, folder=folder), before, code)


def _chosen(arguments: Sequence[str]) -> tuple[list[str], str]:
    """What stands besides `--code=WHICH`, and which code runs."""
    words, which = [word for word in arguments if not word.startswith("--code")], "present"
    for word in arguments:
        if word.startswith("--code"):
            which = word.removeprefix("--code").removeprefix("=")
    if which not in CODES:
        raise ConfigError(
            f"--code={which}: expected present (the code that is there now) or recorded (the copy in the run's folder, "
            "which is run as it is: only for a folder that you trust)"
        )
    return words, which


def compared(before: Provenance, folder: Path) -> Comparison:
    """The first run's provenance beside that of its reproduction in `folder`."""
    now = saved.provenance(folder)
    hashes = before.get("draws_hash"), now["draws_hash"]
    same = None if hashes[0] is None else hashes[0] == hashes[1]
    known, present = before.get("code"), now["code"] or record.NO_CODE
    edited = () if known is None else tuple(record.differences(known, present))
    doubts = tuple(f"unknown, {said}" for said in record.doubts(known, present))
    code = tuple(f"code: {said}" for said in (*edited, *doubts))
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
                    yield f"{part}: {name} was {_said(one)} and is {_said(other)}"


def _leaves(name: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """What differs below a key."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            yield from _leaves(f"{name}.{key}", one.get(key), other.get(key))
    elif one != other:
        yield name, one, other


def _at(known: Mapping[str, Any], key: str) -> Any:
    value: Any = known
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _said(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
