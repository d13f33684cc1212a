"""What `conf` and `experiments` hold, as laws over all parts read it: words, first lines, few steps."""

import copy
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import hydra
from omegaconf import DictConfig, OmegaConf

from credo.config import paths, schema, sources
from credo.runs.changes import NAMED

ROOT = Path(__file__).parents[1]
CONF, EXPERIMENTS = ROOT / "conf", ROOT / "experiments"
PRESETS = [
    file
    for name in schema.GROUPS
    for file in sorted((CONF / name).rglob("*.yaml"))
    if not set(file.relative_to(CONF).parts[1:-1]) & set(paths.PARTIAL)  # what options are made of
]
ENOUGH = {"chains": 2, "starts": 2, "rows": 20}
"""No other whole number of a part is above ten where its answer does not matter."""


def group(file: Path) -> str:
    return file.relative_to(CONF).parts[0]


def word(file: Path) -> str:
    """A file's word on the command line: `nuts`, or `hierarchical/mu`."""
    return str(file.relative_to(CONF / group(file)).with_suffix(""))


def words(name: str) -> list[str]:
    """The words of a group."""
    return [file.stem for file in sorted((CONF / name).glob("*.yaml"))]


def called(file: Path) -> list[str]:
    """The command in a file's first comment, as words; its second line where the first is Hydra's."""
    lines = file.read_text().splitlines()
    line = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert line.startswith("# credo "), file
    return shlex.split(line.removeprefix("# credo "))


def compose(*overrides: str) -> DictConfig:
    """A configuration, which may be changed."""
    return copy.deepcopy(_composed(*overrides))


@cache
def _composed(*overrides: str) -> DictConfig:
    schema.register()
    sources.register()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("config", list(overrides))


def values(file: Path) -> dict[str, Any]:
    """What a file of an option gives its class: its own settings, and those of the bases that it names."""
    given = OmegaConf.load(file)
    assert isinstance(given, DictConfig)
    bases = [one.removesuffix("@_here_") for one in given.get("defaults", ()) if str(one).startswith("base/")]
    merged = OmegaConf.merge(*(OmegaConf.load(file.parent / f"{base}.yaml") for base in bases), given)
    known = cast("dict[str, Any]", OmegaConf.to_container(merged))
    own = {key: value for key, value in known.items() if key not in {"defaults", "_target_", "checkpoint"}}
    parts = {
        key: hydra.utils.instantiate(value)
        for key, value in own.items()
        if isinstance(value, dict) and "_target_" in value
    }
    return own | parts


def needed(name: str, choice: str, *overrides: str) -> tuple[str, ...]:
    """What a user must give with a word of a group, as its first line gives it."""
    missing = OmegaConf.missing_keys(compose(*overrides, f"{name}={choice}"))
    return tuple(one for one in called(CONF / name / f"{choice}.yaml") if one.partition("=")[0] in missing)


def untypeable(advice: str, config: DictConfig) -> list[str]:
    """The settings that an advice names, and that neither a configuration has nor a word that the advice names."""
    named = [word.partition("=") for word in NAMED.findall(advice)]
    words = {key: word for key, _, word in named if key in schema.GROUPS}
    keys = [key for key, _, _ in named if key not in schema.GROUPS]
    others = OmegaConf.create({group: paths.settings(group, word) for group, word in words.items()})
    return [key for key in keys if not _has(config, key) and not _has(others, key)]


def _has(config: DictConfig, key: str) -> bool:
    above, _, last = key.rpartition(".")
    place = OmegaConf.select(config, above, throw_on_missing=False)
    return isinstance(place, DictConfig) and last in OmegaConf.to_container(place)


@cache
def small(name: str, *overrides: str) -> tuple[str, ...]:
    """What makes the part of a group short or small, such as `inference.draws=10`, where the overrides choose it."""
    if not (part := compose(*overrides).get(name)):
        return ()
    return tuple(_shorter(name, cast("dict[str, Any]", OmegaConf.to_container(part))))


def _shorter(above: str, settings: dict[str, Any]) -> Iterator[str]:
    for key, value in settings.items():
        most = ENOUGH.get(key, 10)
        if type(value) is int and value > most:
            yield f"{above}.{key}={most}"
        elif isinstance(value, list) and any(type(one) is int and one > most for one in value):
            yield f"{above}.{key}={[min(one, most) for one in value]}".replace(" ", "")
        elif isinstance(value, dict) and key == "rungs":
            for word, part in value.items():
                yield from _shorter(f"{above}.{key}.{word}", part)


def few(method: str) -> tuple[str, ...]:
    """What makes a method short."""
    return small("inference", f"inference={method}")
