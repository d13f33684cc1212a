"""A run and its reproduction: are the draws the same to the bit, and which circumstances differ?"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credo.runs import saved
from credo.runs.code import record
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
class Comparison:
    """A run and its reproduction.

    Attributes:
        same: whether the draws are equal to the bit; `None` where the first run did not keep their hash.
        differences: in the circumstances, in words.
        edited: the user's code that changed, in words.
    """

    same: bool | None
    differences: tuple[str, ...]
    edited: tuple[str, ...] = ()


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
