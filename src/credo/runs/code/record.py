"""The code of a run: what it was made of, kept beside its answer, and compared with what is there now."""

import hashlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from hydra.utils import get_object

from credo.config import loading
from credo.errors import ConfigError
from credo.runs.code import sources
from credo.runs.code.values import Values
from credo.writing import replacing

FOLDER = "code"
"""Where a run keeps the user's files."""

REFERENCE = re.compile(r"[A-Za-z_]\w*([.:][A-Za-z_]\w*)+")


@dataclass(frozen=True)
class Code:
    """The user's code that a configuration names.

    Attributes:
        sources: the user's files, by their places below the folder from which they are imported.
        origins: where these are.
        packages: versions of the installed packages that it imports, beyond those that every run records.
        values: digests of what it reads that is not written in it (see `credo.runs.code.values`).
        unknown: why it cannot be known whether other code is the same.
    """

    sources: Mapping[str, bytes] = field(default_factory=dict)
    origins: tuple[Path, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """`files` (place to SHA-256), `packages`, `values`, `unknown`, and `hash`, which is `None` without any code."""
        known: dict[str, Any] = {
            "files": sources.hashed(dict(self.sources)),
            "packages": dict(self.packages),
            "values": dict(self.values),
            "unknown": list(self.unknown),
        }
        text = json.dumps(known, sort_keys=True, separators=(",", ":"))
        return known | {"hash": hashlib.sha256(text.encode()).hexdigest() if any(known.values()) else None}

    def write(self, folder: Path) -> None:
        """Leave a copy of the files in `code/` in a run's folder."""
        for place, source in self.sources.items():
            file = folder / FOLDER / place
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as scratch:
                scratch.write_bytes(source)


NO_CODE: Mapping[str, Any] = Code().record()
"""The record of a run that uses none of the user's code."""


def collect(config: Mapping[str, Any]) -> Code:
    """The code of the parts that a configuration names, which were made before. Trackers only listen and are left out.

    Args:
        config: the resolved configuration, as plain containers.
    """
    named = _named({key: part for key, part in config.items() if key != "tracking"})
    if not named:
        return Code()
    read = [_values(name, found.value) for name, found in sorted(named.items())]
    modules = {found.module for found in named.values()}.union(*(values.modules for values in read))
    made_of = sources.collect(modules)
    packages, strangers = _versions(made_of.packages - sources.RECORDED)
    return Code(
        sources=made_of.files,
        origins=tuple(made_of.origins),
        packages=packages,
        values=dict(sorted((name, digest) for values in read for name, digest in values.digests.items() if digest)),
        unknown=tuple(sorted(made_of.unknown.union(strangers, *(values.unknown for values in read)))),
    )


_VALUES: dict[tuple[str, int], tuple[Any, Values]] = {}
"""What was read when it was first asked for: a run changes what is in memory (a cache, a counter), not the code."""


def _values(name: str, value: Any) -> Values:
    key = name, id(value)
    if key not in _VALUES:
        values = Values(sources.is_users, loading.typed)
        values.read(name, value)
        _VALUES[key] = value, values
    return _VALUES[key][1]


@dataclass(frozen=True)
class _Named:
    module: str
    value: Any


def _named(config: Mapping[str, Any]) -> dict[str, _Named]:
    """What a configuration names that is not credo's: every `_target_`, and every `module:function` or `module.name`.

    All of it was imported when the parts were made; other words with dots in them name nothing that was.
    """
    named = {}
    for key, word in words(config):
        if not REFERENCE.fullmatch(word):
            continue
        reference = loading.importable(word.replace(":", "."))
        if reference.startswith("credo."):
            continue
        if key == "_target_":
            with suppress(Exception):  # a part that nobody made, and that cannot be made
                get_object(reference)
        module = next((name for name in _shorter(reference) if name in sys.modules), None)
        if module is None or module == reference or sources.is_known(module):
            continue
        with suppress(AttributeError):
            value = attrgetter(reference.removeprefix(f"{module}."))(sys.modules[module])
            named[word.replace(":", ".")] = _Named(module, value)
    return named


def words(part: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """All texts in a configuration, with their last keys."""
    if isinstance(part, str):
        yield key, part
    elif isinstance(part, Mapping):
        for inner, value in part.items():
            yield from words(value, str(inner))
    elif isinstance(part, list | tuple):
        for value in part:
            yield from words(value)


def _shorter(reference: str) -> Iterator[str]:
    parts = reference.split(".")
    yield from (".".join(parts[:depth]) for depth in range(len(parts), 0, -1))


def _versions(packages: set[str]) -> tuple[dict[str, str], set[str]]:
    """The versions of installed packages, and what is to be said of those that have none."""
    known, strangers = {}, set()
    for package in sorted(packages):
        if (found := _version(package)) is None:
            strangers.add(f"{package} is installed without a version")
        else:
            known[found[0]] = found[1]
    return known, strangers


@cache
def _version(package: str) -> tuple[str, str] | None:
    """Name and version of what is imported as `package`; to look through all that is installed takes a second."""
    try:
        return package, importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        names = importlib.metadata.packages_distributions().get(package)
        return (names[0], importlib.metadata.version(names[0])) if names else None


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What of a run's code is not as it was, in words."""
    for place in sorted({*before["files"], *now["files"]}):
        one, other = before["files"].get(place), now["files"].get(place)
        if one != other:
            yield f"{place} {'is new' if one is None else 'is no longer used' if other is None else 'was edited'}"
    for package in sorted({*before["packages"], *now["packages"]}):
        one, other = before["packages"].get(package), now["packages"].get(package)
        if one != other:
            yield f"the package {package} was {one or 'not used'} and is {other or 'not used'}"
    if before["files"] != now["files"]:
        return
    for name in sorted({*before["values"], *now["values"]}):
        if before["values"].get(name) != now["values"].get(name):
            yield f"{name} has another value"


def edited(record: Mapping[str, Any] | None, start_folder: Path) -> list[str]:
    """Which files of a recorded code are not as they were; nothing is imported.

    Args:
        record: of the code, `None` where a run has none.
        start_folder: where credo was started.
    """
    folders = [start_folder, *map(Path, sys.path)]
    files: Mapping[str, str] = (record or NO_CODE)["files"]
    return [place for place, known in files.items() if not any(_has_hash(one / place, known) for one in folders)]


def changed(record: Mapping[str, Any] | None, start_folder: Path) -> list[str]:
    """Which of the `edited` files are here; one that is missing and needed is named by what imports it."""
    folders = [start_folder, *map(Path, sys.path)]
    return [place for place in edited(record, start_folder) if any((one / place).is_file() for one in folders)]


def _has_hash(file: Path, known: str) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == known


def of_run(run: Path) -> Mapping[str, Any] | None:
    """The record of a finished run's code; `None` where there is none."""
    from credo.runs import saved

    return saved.provenance(run).get("code") if (run / saved.PROVENANCE).exists() else None


def doubts(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> Iterator[str]:
    """Why it cannot be known whether a run's code is as it was."""
    if before is None and now["hash"] is not None:
        yield "the run is from a time when credo did not keep the code"
    yield from dict.fromkeys([*(before or now)["unknown"], *now["unknown"]])


def require_same(before: Mapping[str, Any] | None, now: Mapping[str, Any], run: Path) -> None:
    """Refuse to go on with a run by other code than that with which it began.

    Args:
        before: the record of its code, `None` where it has none.
        now: the record of the code that is there now.
        run: the run's folder.

    Raises:
        ConfigError: the code changed, or it cannot be known that it did not; the sentence names the file.
    """
    if before is not None and (changed := list(differences(before, now))):
        kept = f" (as it was: {run / FOLDER})" if before["files"] else ""
        raise ConfigError(
            f"the code has changed since {run} began: {'; '.join(changed)}{kept}; draws of two models cannot be "
            "joined: restore it, or start a new run"
        )
    if unknown := list(doubts(before, now)):
        raise ConfigError(
            f"it cannot be known whether the code is the same as when {run} began: {unknown[0]}; draws of two models "
            "must not be joined: start a new run"
        )


def require_free(code: Code, folder: Path) -> None:
    """Refuse to keep the code where the user's own files are.

    Raises:
        ConfigError: the run's `code/` has a file that the run itself uses.
    """
    place = (folder / FOLDER).resolve()
    if inside := [file for file in code.origins if file.resolve().is_relative_to(place)]:
        raise ConfigError(
            f"hydra.run.dir={folder}: expected a folder of the run's own, which keeps its code in {FOLDER}/, but "
            f"{inside[0]} is yours; choose another folder"
        )


def require_recorded(expected: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to run code that is not the recorded one.

    Raises:
        ConfigError: it was loaded from somewhere else; the sentence names the file.
    """
    if expected["files"] != now["files"]:
        raise ConfigError(
            f"--code=recorded: the recorded code does not load as it did: {'; '.join(differences(expected, now))}"
        )


def recorded(run: Path, record: Mapping[str, Any] | None) -> dict[str, bytes]:
    """The files in `code/` of a run, known to be those that it recorded.

    Raises:
        ConfigError: it recorded none, or a file is missing or is another one.
    """
    if record is None or not record["files"]:
        raise ConfigError(f"--code=recorded: {run} kept no code, because it used none of your own or is an old run")
    files = {}
    for place, known in record["files"].items():
        file = run / FOLDER / place
        if not file.resolve().is_relative_to((run / FOLDER).resolve()) or not file.is_file():
            raise ConfigError(f"--code=recorded: {file} is missing; the run's code is not complete")
        files[place] = file.read_bytes()
        if hashlib.sha256(files[place]).hexdigest() != known:
            raise ConfigError(f"--code=recorded: {file} is not the file that the run recorded: its hash is another")
    return files
