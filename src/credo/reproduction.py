"""`credo reproduce RUN`: the same question once more, and whether the answer is the same to the bit."""

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from credo import again
from credo.errors import ConfigError

USAGE = (
    "credo reproduce: expected one run, by its folder or its MLflow id, as in credo reproduce outputs/2026-01-31/12-00"
)
PARTS = {
    "code": ("git.commit", "git.dirty", "git.diff", "git.untracked", "versions.credo"),
    "versions": ("versions", "python"),
    "device": ("device", "platform", "cpu_count", "hostname"),
    "sweep": ("jobs_by_one_program",),
    "data": ("data_hash",),
}
"""What may make an answer another one, and where the provenance says it."""


@dataclass(frozen=True)
class Comparison:
    """A run and its reproduction.

    Attributes:
        same: whether the draws are equal to the bit; `None` where the first run did not keep their hash.
        differences: what is not as it was, in words, by part of the circumstances.
    """

    same: bool | None
    differences: tuple[str, ...]


def planned(arguments: Sequence[str], now: datetime) -> tuple[again.Run, Mapping[str, Any]]:
    """The run to make, in a new folder and recorded nowhere else; and the provenance of the first.

    Raises:
        ConfigError: there is no such run, or it did not finish.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise ConfigError(USAGE)
    here, first = Path.cwd(), again.read(again.folder(arguments[0]))
    try:
        before = json.loads((first.folder / "provenance.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{arguments[0]} did not finish, so that there is nothing to reproduce") from None
    config = copy.deepcopy(first.config)
    config.tracking = {"_target_": "credo.tracking.none.NoTracker"}
    config.seed = before["seed"]
    folder = here / "reproductions" / f"{now:%Y-%m-%d_%H-%M-%S}_{re.sub(r'[^A-Za-z0-9_.-]+', '-', first.folder.name)}"
    hydra = folder / ".hydra"
    hydra.mkdir(parents=True)
    OmegaConf.save(config, hydra / "config.yaml")
    for name in ("hydra.yaml", "overrides.yaml"):
        (hydra / name).write_text((first.folder / ".hydra" / name).read_text(encoding="utf-8"), encoding="utf-8")
    return replace(first, config=config, folder=folder), before


def compared(before: Mapping[str, Any], folder: Path) -> Comparison:
    """The first run's provenance beside that of its reproduction in `folder`."""
    now = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    hashes = before.get("draws_hash"), now["draws_hash"]
    same = None if hashes[0] is None else hashes[0] == hashes[1]
    return Comparison(same, tuple(_differences(before, now)))


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
