"""Where exported programs are kept (`inference.program`), and what they came from: a wrong one must never be found.

A program is in `programs/` in the folder of `device.compilation_cache`, by the hash of all that it came from: credo's
own source, the versions of what it calls, the user's code with what that reads, JAX's settings and devices, and the
program's own arguments. Where any of it cannot be known, nothing is kept. Nothing there is run as Python.
"""

import ast
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
from typing import Any

import credo
from credo.config import loading
from credo.experiment.prepare import Prepared
from credo.runs import provenance
from credo.runs.code import sources
from credo.runs.code.record import Code
from credo.runs.code.values import Values

FOLDER = "programs"

MOST = 500
"""Programs that are kept; those that were used last."""

_HASH = hashlib.sha256().digest_size

_UNSEEN = ("jax_compilation_cache", "jax_persistent_cache", "jax_log", "jax_traceback", "jax_num_cpu_devices")
"""How the names of JAX's settings begin of which programs do not know."""

_ALSO = ("funsor", "formulae", "jaxtyping")
"""Packages that programs call, beside those whose versions every run records."""


@dataclass(frozen=True)
class Shelf:
    """A folder of exported programs.

    Attributes:
        folder: of them.
        made_of: the hash of all that programs come from, but for their own arguments.
    """

    folder: Path
    made_of: str
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

    def _forget(self) -> None:
        """Remove the programs that were not used for the longest time, where there are too many."""
        files = [entry for entry in os.scandir(self.folder) if entry.is_file()]
        for entry in sorted(files, key=lambda entry: entry.stat().st_mtime)[:-MOST]:
            Path(entry.path).unlink(missing_ok=True)


def of_run(prepared: Prepared) -> Shelf | None:
    """The shelf for the programs of a run; `None` where they cannot be kept."""
    import jax

    folder, came_from, code = (
        prepared.request.config.device.compilation_cache,
        prepared.record.provenance,
        prepared.code,
    )
    settings = {name: str(getattr(jax.config, name, None)) for name in jax.config.values}
    if folder is None or not only_computes(code) or find_spec("flatbuffers") is None:
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
    return Shelf(Path(folder).expanduser() / FOLDER, made_of)


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


_MODULES = {
    *("__future__", "abc", "collections", "dataclasses", "enum", "functools", "itertools", "math", "typing"),
    *("equinox", "jax", "jaxtyping", "numpy", "numpyro", "optax"),
    *("credo.energies", "credo.errors", "credo.models", "credo.networks", "credo.ranges"),
}
"""What code may import that computes from its arguments and from what stands in it, and from nothing else."""

_READS = {
    *(
        "__import__",
        "compile",
        "environ",
        "eval",
        "exec",
        "getattr",
        "getenv",
        "globals",
        "input",
        "locals",
        "open",
        "vars",
    ),
    *("fromfile", "fromregex", "genfromtxt", "load", "loads", "loadtxt", "memmap", "open_memmap", "default_rng"),
    *("RandomState", "callback", "io_callback", "pure_callback", "default_backend", "device_count", "devices"),
}
"""Names by which code reads what is not written in it."""


def only_computes(code: Code) -> bool:
    """Whether what the user's code traces follows from what a run records of it: it reads no file, clock or dice."""
    if code.unknown or code.packages:
        return False
    own = {place.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for place in code.sources}
    return all(place.endswith(".py") and _is_plain(source, own) for place, source in code.sources.items())


def _is_plain(source: bytes, own: set[str]) -> bool:
    """Whether a module imports and names nothing by which it could read something else."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                if any(one.asname == "jax" for one in names):
                    return False
                modules = [one.name for one in names]
            case ast.ImportFrom(module=module, level=0):
                modules = [f"{module}.{one.name}" for one in node.names]
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _READS:
                return False
            case ast.Attribute(attr="random", value=ast.Name(id=library)) if library != "jax":
                return False  # NumPy's, by whatever name
            case ast.Global() | ast.Nonlocal():
                return False
            case _:
                continue
        if not all(_is_allowed(module.split("."), own) for module in modules):
            return False
    return True


def _is_allowed(parts: list[str], own: set[str]) -> bool:
    """Whether a module, or a name in one, may be imported."""
    parents = {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    return bool(parents & (_MODULES | own)) and not _READS & set(parts) and parts[:2] != ["numpy", "random"]
