"""The files of a user's modules and of all modules of the user's that these import.

Imports are read from the source, those inside functions too, so that the files are the same whatever was imported
before. A file is the user's unless it is Python's own, an installed package's or credo's.
"""

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from weakref import WeakKeyDictionary

import credo
from credo.config import loading
from credo.runs.provenance import PACKAGES

INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages, in a virtual environment inside the user's folder as well."""

RECORDED = frozenset(name.replace("-", "_").removesuffix("_core") for name in PACKAGES)
"""Packages whose versions every run has."""

_READ: WeakKeyDictionary[ModuleType, bytes] = WeakKeyDictionary()
"""The source of modules as it was when they were imported; an edit during a sweep changes the file, not the module."""


@dataclass
class Sources:
    """What modules are made of.

    Attributes:
        files: the user's files, by their places below the folder from which they are imported.
        origins: where these are.
        packages: the installed packages that are imported, by the names under which they are.
        unknown: why it is not all that there is.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    origins: list[Path] = field(default_factory=list)
    packages: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


def collect(modules: Iterable[str]) -> Sources:
    """What modules and all that they import are made of.

    Args:
        modules: names as Python imports them.
    """
    found, seen, waiting = Sources(), set[str](), [part for name in modules for part in _parents(name)]
    while waiting:
        name = waiting.pop()
        if name in seen or name == loading.USER:
            continue
        seen.add(name)
        spec = loading.find(name)
        if spec is None and name in sys.modules:
            found.unknown.add(f"{name} is a module without a file")
        if spec is None or (kind := _kind(spec)) == "python":
            continue
        if kind == "installed":
            found.packages.add(name.partition(".")[0])
        elif kind == "user" and spec.has_location and spec.origin:
            waiting += _read(spec, found)
    return found


def is_users(module: str) -> bool:
    """Whether a module is the user's own; so is code without a module."""
    spec = loading.find(module) if module else None
    return spec is None or (module != loading.USER and _kind(spec) == "user")


def is_known(module: str) -> bool:
    """Whether every run records a module's version: it is Python's, credo's or of a package in `PACKAGES`."""
    spec = loading.find(module)
    kind = "user" if spec is None else _kind(spec)
    return kind in ("python", "credo") or (kind == "installed" and module.partition(".")[0] in RECORDED)


def _read(spec: ModuleSpec, found: Sources) -> list[str]:
    """Take in a module's file; returns what it imports."""
    file, name = Path(str(spec.origin)), loading.typed(spec.name)
    is_package = spec.submodule_search_locations is not None
    place = "/".join([*name.split(".")[: None if is_package else -1], file.name])
    try:
        source = found.files[place] = _source(spec, file)
    except OSError as error:
        found.unknown.add(f"{file} cannot be read any more ({error.strerror})")
        return []
    found.origins.append(file)
    if file.suffix != ".py":
        return []
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a module that cannot be imported, and imports nothing
        return []
    found.unknown |= {f"{place}, line {line}, imports what only the run knows" for line in _hidden_imports(tree)}
    package = spec.name if is_package else spec.name.rpartition(".")[0]
    return [part for imported in _imports(tree, package) for part in _parents(imported)]


def _source(spec: ModuleSpec, file: Path) -> bytes:
    module = sys.modules.get(spec.name)
    if module is None:
        return file.read_bytes()
    if module not in _READ:
        _READ[module] = file.read_bytes()
    return _READ[module]


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The modules that a source may import, and names in them that may be modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level and package else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*"))
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and _literal(node):
            yield _literal(node)


def _hidden_imports(tree: ast.AST) -> Iterator[int]:
    """Lines inside functions that run or import something by a name that is not written there.

    Where this is done as the module is imported, its globals have what came of it (see `credo.runs.code.values`).
    """
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.Call):
                continue
            called, plain = _called(node), isinstance(node.func, ast.Name)
            if called in ("import_module", "__import__"):
                literal = _literal(node)
                if not literal or literal.startswith("."):
                    yield node.lineno
            elif called in ("spec_from_file_location", "run_path", "run_module") or (
                plain and called in ("exec", "eval")
            ):
                yield node.lineno


def _called(call: ast.Call) -> str:
    function = call.func
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _literal(call: ast.Call) -> str:
    """The first argument, if it is a text that is written there."""
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _parents(name: str) -> list[str]:
    """A module and the packages around it, which are imported first."""
    parts = [part for part in name.split(".") if part]
    return [".".join(parts[: depth + 1]) for depth in range(len(parts))]


def _kind(spec: ModuleSpec) -> str:
    """Whose a module is: `python`, `installed`, `credo` or `user`."""
    head = spec.name.partition(".")[0]
    if head in ("credo", "hydra_plugins"):
        return "credo"
    if spec.origin in ("built-in", "frozen"):
        return "python"
    places = [spec.origin] if spec.has_location and spec.origin else list(spec.submodule_search_locations or ())
    if not places:
        return "python"
    place = Path(places[0])
    if any(part in INSTALLED for part in place.parts) or _is_below(place, ("purelib", "platlib")):
        return "installed"
    if _is_below(place, ("stdlib", "platstdlib")):
        return "python"
    if place.is_relative_to(Path(credo.__file__).parent):
        return "credo"
    return "installed" if head in RECORDED else "user"


def _is_below(place: Path, names: tuple[str, ...]) -> bool:
    return any(place.is_relative_to(sysconfig.get_path(name)) for name in names)


def hashed(files: dict[str, bytes]) -> dict[str, str]:
    """The SHA-256 of every file, in hexadecimal."""
    return {place: hashlib.sha256(source).hexdigest() for place, source in sorted(files.items())}
