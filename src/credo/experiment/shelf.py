"""Where exported programs are kept (`inference.program`), and what they came from: a wrong one must never be found.

A program is in `programs/` in the folder of `device.compilation_cache`, by the hash of all that it came from: credo's
own source, the versions of what it calls, the user's code with what that reads, JAX's settings and devices, and the
program's own arguments. Where any of it cannot be known, nothing is kept. Nothing there is run as Python.

Which programs a run used is kept beside them, by its configuration: the next run of a like one loads them by a thread
while it loads its modules, and takes from them what has the right place.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

import credo
from credo.config import loading
from credo.inference.program import Use, load_ahead
from credo.runs import provenance
from credo.runs.code import plain, sources
from credo.runs.code.values import Values

if TYPE_CHECKING:
    from credo.experiment.prepare import Prepared

FOLDER = "programs"

MOST = 500
"""Programs that are kept; those that were used last."""

_HASH = hashlib.sha256().digest_size

_UNSEEN = ("jax_compilation_cache", "jax_persistent_cache", "jax_log", "jax_traceback", "jax_num_cpu_devices")
"""How the names of JAX's settings begin of which programs do not know."""

_PARTS = ("data", "model", "inference", "evidence", "device")
"""The parts of a configuration on which it depends which programs a run uses."""

_ALSO = ("funsor", "formulae", "jaxtyping")
"""Packages that programs call, beside those whose versions every run records."""


@dataclass(frozen=True)
class Shelf:
    """A folder of exported programs.

    Attributes:
        folder: of them.
        made_of: the hash of all that programs come from, but for their own arguments.
        like: the name of the file that says which programs a run used.
    """

    folder: Path
    made_of: str
    like: str = field(default="", compare=False)
    _uses: dict[Use, None] = field(default_factory=dict, compare=False, repr=False)  # in order
    _libraries: dict[str, dict[int, str]] = field(default_factory=dict, compare=False, repr=False)

    def place(self, name: str, what: Any) -> str | None:
        """The hash of all that a program came from; `None` where something of it cannot be compared."""
        values = Values(sources.is_users, loading.typed, self._libraries)
        values.read(name, what)
        if values.unknown:
            return None
        known = json.dumps([self.made_of, name, sorted(values.digests.items())])
        return hashlib.sha256(known.encode()).hexdigest()

    def read(self, place: str) -> bytes | None:
        """What was written; `None` where there is nothing whole."""
        file = self.folder / place
        try:
            written = file.read_bytes()
            os.utime(file)
        except OSError:
            return None
        kept = written[_HASH:]
        return kept if hashlib.sha256(kept).digest() == written[:_HASH] else None

    def write(self, place: str, kept: bytes) -> None:
        """Keep a program; where that fails, as on a full disk, it is traced again next time."""
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            number, scratch = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(number, "wb") as file:
                file.write(hashlib.sha256(kept).digest() + kept)
            Path(scratch).replace(self.folder / place)
            self._forget()

    def use(self, use: Use) -> None:
        """Remember that a program is used."""
        self._uses[use] = None

    def close(self) -> None:
        """Write which programs were used, where that is news."""
        if self.like and self._uses and list(self._uses) != list(_known(self)):
            self.write(self.like, json.dumps(list(self._uses)).encode())

    def _forget(self) -> None:
        """Remove the programs that were not used for the longest time, where there are too many."""
        files = [entry for entry in os.scandir(self.folder) if entry.is_file()]
        for entry in sorted(files, key=lambda entry: entry.stat().st_mtime)[:-MOST]:
            Path(entry.path).unlink(missing_ok=True)


def of_run(prepared: "Prepared") -> Shelf | None:
    """The shelf for the programs of a run; `None` where they cannot be kept."""
    import jax

    config, came_from, code = prepared.request.config, prepared.record.provenance, prepared.code
    settings = {name: str(getattr(jax.config, name, None)) for name in jax.config.values}
    folder = _folder(config)
    if folder is None or not plain.only_computes(code) or find_spec("flatbuffers") is None:
        return None
    if settings["jax_disable_jit"] == "True" or jax.config.jax_default_device not in (None, *jax.devices()):
        return None
    known = {
        "credo": _own_source(),
        "versions": {**came_from["versions"], **{package: provenance.version(package) for package in _ALSO}},
        "code": code.record()["hash"],
        "settings": {name: one for name, one in settings.items() if not name.startswith(_UNSEEN)},
        "devices": [jax.default_backend(), [one.device_kind for one in jax.devices()], came_from["device"]],
        "environment": {name: one for name, one in os.environ.items() if name.startswith(("EQX_", "NUMPYRO_"))},
    }
    made_of = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()
    return Shelf(folder, made_of, _like(config))


def ahead(config: DictConfig) -> None:
    """Begin to load the programs that the last run of a like configuration used.

    Args:
        config: resolved; JAX has started on its device.
    """
    if (folder := _folder(config)) is not None and find_spec("flatbuffers") is not None:
        kept = Shelf(folder, "", _like(config))
        load_ahead(kept.read, _known(kept))


def _folder(config: DictConfig) -> Path | None:
    folder = config.device.compilation_cache
    return None if folder is None else Path(folder).expanduser() / FOLDER


def _like(config: DictConfig) -> str:
    """The name of the file for all runs that may use the same programs."""
    parts = {part: OmegaConf.to_container(config[part], enum_to_str=True) for part in _PARTS if part in config}
    of = json.dumps([str(Path.cwd()), parts], sort_keys=True, default=str)
    return hashlib.sha256(of.encode()).hexdigest()


def _known(shelf: Shelf) -> Iterator[Use]:
    """Which programs the last like run used; none where nothing is known."""
    with suppress(ValueError, TypeError):
        for name, place, layouts in json.loads(shelf.read(shelf.like) or b"[]"):
            yield Use(name, place, tuple(None if one is None else tuple(one) for one in layouts))


@cache
def _own_source() -> str:
    """The hash of credo's own files, an edit of which changes programs."""
    found = hashlib.sha256()
    for file in _python_files(str(Path(credo.__file__).parent)):
        content = Path(file).read_bytes()
        found.update(f"{file} {len(content)} ".encode())
        found.update(content)
    return found.hexdigest()


def _python_files(folder: str) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _python_files(entry.path)
        elif entry.name.endswith(".py"):
            yield entry.path
