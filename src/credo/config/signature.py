"""What a `_target_` takes, read from its source: the annotated fields of a class, or the parameters of a function.

Nothing is imported, so that a wrong key or type is refused before JAX is loaded. Base classes and names are followed
across files. A type that the source does not say plainly is `UNKNOWN`.
"""

import ast
import builtins
import collections.abc
import sysconfig
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from credo import ranges
from credo.config import loading

PLAIN = {"typing": typing, "collections.abc": collections.abc, "builtins": builtins, "credo.ranges": ranges}
"""The modules whose names stand in type hints, and which cost nothing to import."""

ROOTS = ("abc", "equinox", "typing", *PLAIN)
"""Modules whose classes add no field."""


INSTALLED = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
"""Where packages are that do not change while a process lasts."""


class Unknown:
    """The type hint of a parameter that has none, or one that is not read."""


class Part:
    """The type hint of a parameter where a part of credo's must stand: a class of that part's name, made of this."""


class Parameter(NamedTuple):
    """One setting of a part.

    - **name** - its keyword.
    - **hint** - its type hint, with its range; `Unknown` where there is none that can be read, and made of `Part`
      where a class of credo's is meant.
    - **required** - whether it has no default.
    """

    name: str
    hint: Any
    required: bool


@dataclass(frozen=True)
class Signature:
    """What a part takes.

    Attributes:
        parameters: its settings.
        is_open: whether it takes further keywords (`**kwargs`).
    """

    parameters: tuple[Parameter, ...]
    is_open: bool = False


def of(target: str) -> Signature | None:
    """What the class or function at `module.name` takes; `None` where its source does not say it."""
    return _of_credo(target) if target.startswith("credo.") else _of(loading.importable(target))


def lineage(target: str) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef]]:
    """The definitions that say what a part takes, each with its module, the nearest first.

    These are its own, those of its bases, and those of the class of which it is a part.
    """
    module, _, name = loading.importable(target).rpartition(".")
    found = _definition(module, name) if module else None
    if found is None:
        return
    where, made = found
    if isinstance(made, ast.FunctionDef):
        yield where, made
        return
    yield from _line(where, made)
    if (whole := _whole(where, made)) is not None:
        yield from lineage(whole)


def _line(module: str, made: ast.ClassDef) -> Iterator[tuple[str, ast.ClassDef]]:
    yield module, made
    for base in _bases(module, made):
        yield from _line(*base)


def docstring(module: str) -> str:
    """What a module says of itself, without importing it; empty where it says nothing."""
    tree = _module(module)
    return (ast.get_docstring(tree) if tree else None) or ""


def _of(target: str) -> Signature | None:
    module, _, name = target.rpartition(".")
    found = _definition(module, name) if module else None
    if found is None:
        return None
    where, made = found
    if isinstance(made, ast.FunctionDef):
        return _of_function(where, made)
    own, whole = _of_class(where, made), _whole(where, made)
    return own if whole is None else _joined(own, _of(whole))


def _joined(own: Signature, around: Signature | None) -> Signature:
    """The settings of a kernel, and those of the chains around it."""
    if around is None:
        return own
    others = (one for one in around.parameters if one.name != "kernel")
    return Signature((*others, *own.parameters), own.is_open or around.is_open)


def _whole(module: str, made: ast.ClassDef) -> str | None:
    """The class of which this one is a part, and whose settings stand beside its own, as it or a base declares."""
    for one in made.body:
        match one:
            case ast.AnnAssign(target=ast.Name(id="whole"), value=ast.Constant(value=str() as name)):
                return name
    return next((whole for base in _bases(module, made) if (whole := _whole(*base)) is not None), None)


_of_credo = cache(_of)


def _module(name: str) -> ast.Module | None:
    """The parsed source of a module; what is installed stays where it is and as it is."""
    return _of_installed(name) if _is_installed(name.partition(".")[0]) else _found(name)


@cache
def _is_installed(package: str) -> bool:
    """Whether a package is credo, or in a folder where packages are installed, or Python's own."""
    if package == "credo":
        return True
    spec = loading.find(package)
    origin = None if spec is None or not spec.has_location else spec.origin
    return origin is not None and any(Path(origin).is_relative_to(place) for place in INSTALLED)


def _found(name: str) -> ast.Module | None:
    """The parsed source of a module, which is found as Python finds it."""
    try:
        spec = loading.find(name)
        file = Path(str(spec.origin)) if spec is not None and spec.has_location else None
        return None if file is None else _parsed(file, file.stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError):
        return None


_of_installed = cache(_found)


@cache
def _parsed(file: Path, _changed: int) -> ast.Module:
    return ast.parse(file.read_bytes())


def _statement(module: str, name: str) -> ast.stmt | None:
    """The last top-level statement of a module that gives a name its meaning."""
    tree = _module(module)
    return None if tree is None else _statements(tree).get(name)


@cache
def _statements(tree: ast.Module) -> dict[str, ast.stmt]:
    """The last top-level statement for each name."""
    return {name: one for one in _flat(tree.body) for name in _bound(one)}


def _flat(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements, with those under `if TYPE_CHECKING:`."""
    return [inner for one in body for inner in (one.body if isinstance(one, ast.If) else [one])]


def _bound(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.TypeAlias(name=ast.Name(id=name)):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (one.asname or one.name for one in names)
        case ast.Assign(targets=[ast.Name(id=name)]):
            yield name


def _source(module: str, statement: ast.ImportFrom) -> str:
    """The module from which names are imported; a relative one counts from the package of `module`."""
    if not statement.level:
        return statement.module or ""
    spec = loading.find(module)
    is_package = spec is not None and spec.submodule_search_locations is not None
    up = statement.level - (1 if is_package else 0)
    parents = module.split(".")[: -up or None]
    return ".".join([*parents, *([statement.module] if statement.module else [])])


def _followed(module: str, name: str) -> tuple[str, ast.stmt] | None:
    """The module and the statement that define a name, through imports; a plain module's name has no statement."""
    for _ in range(10):
        statement = _statement(module, name)
        if not isinstance(statement, ast.ImportFrom):
            return None if statement is None else (module, statement)
        name = next(one.name for one in statement.names if name == (one.asname or one.name))
        module = _source(module, statement)
        if module in PLAIN:
            return module, ast.Expr(ast.Name(name))
    return None


def _definition(module: str, name: str) -> tuple[str, ast.ClassDef | ast.FunctionDef] | None:
    found = _followed(module, name)
    return (found[0], found[1]) if found and isinstance(found[1], ast.ClassDef | ast.FunctionDef) else None


def _of_function(module: str, made: ast.FunctionDef, skip: int = 0) -> Signature:
    arguments = made.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(positional, defaults, strict=True)][skip:]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return Signature(
        tuple(Parameter(one.arg, _hint(module, one.annotation), default is None) for one, default in pairs),
        arguments.kwarg is not None,
    )


def _of_class(module: str, made: ast.ClassDef) -> Signature:
    """Of its `__init__`, or that of a base; else of its fields, and those of its bases.

    What `__init__` takes has the range that a field of the same name declares.
    """
    for one in made.body:
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            taken, ranged = _of_function(module, one, skip=1), _ranged(module, made)
            settings = (each._replace(hint=ranged.get(each.name, each.hint)) for each in taken.parameters)
            return Signature(tuple(settings), taken.is_open)
    bases = [_of_class(*base) for base in _bases(module, made)]
    parameters = {one.name: one for base in reversed(bases) for one in base.parameters}
    parameters |= {one.name: one for one in _fields(module, made)}
    return Signature(tuple(parameters.values()), any(base.is_open for base in bases))


def _fields(module: str, made: ast.ClassDef) -> Iterator[Parameter]:
    """The settings among the annotated names of a class."""
    for field in made.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_setting(field):
            yield Parameter(field.target.id, _hint(module, field.annotation), not _has_default(field.value))


def _ranged(module: str, made: ast.ClassDef) -> dict[str, Any]:
    """The type hints of the fields of a class and its bases that declare a range."""
    inherited = [_ranged(*base) for base in _bases(module, made)]
    own = {one.name: one.hint for one in _fields(module, made) if _has_range(one.hint)}
    return {name: hint for hints in [*reversed(inherited), own] for name, hint in hints.items()}


def _has_range(hint: Any) -> bool:
    return any(isinstance(one, ranges.Range) or _has_range(one) for one in typing.get_args(hint))


def _bases(module: str, made: ast.ClassDef) -> Iterator[tuple[str, ast.ClassDef]]:
    for base in made.bases:
        name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
        where, _, last = name.rpartition(".")
        place = _imported(module, where) if where else module
        found = _definition(place, last) if place and place.partition(".")[0] not in ROOTS else None
        if found and isinstance(found[1], ast.ClassDef):
            yield found[0], found[1]


def _imported(module: str, name: str) -> str | None:
    """The full name of the module that stands in a module under a name: `numpyro.distributions` of `dist`."""
    statement = _statement(module, name)
    if isinstance(statement, ast.Import):
        return next(one.name for one in statement.names if name == (one.asname or one.name))
    if isinstance(statement, ast.ImportFrom):
        last = next(one.name for one in statement.names if name == (one.asname or one.name))
        return f"{_source(module, statement)}.{last}"
    return None


def _is_setting(field: ast.AnnAssign) -> bool:
    hint = ast.unparse(field.annotation)
    init = _keywords(field.value).get("init")
    is_own = isinstance(init, ast.Constant) and init.value is False
    return not is_own and "ClassVar" not in hint and hint.rpartition(".")[2] != "KW_ONLY"


def _has_default(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "field":
        return bool(_keywords(value).keys() & {"default", "default_factory"})
    return value is not None


def _keywords(value: ast.expr | None) -> dict[str | None, ast.expr]:
    return {one.arg: one.value for one in value.keywords} if isinstance(value, ast.Call) else {}


def _hint(module: str, node: ast.expr | None) -> Any:
    """The type hint that an annotation means."""
    try:
        return Unknown if node is None else _meaning(module, node)
    except (TypeError, AttributeError, ValueError, SyntaxError, RecursionError):
        return Unknown


def _meaning(module: str, node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=str() as text):
            return _meaning(module, ast.parse(text, mode="eval").body)
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_meaning(module, operand)
        case ast.Name(id=name):
            return _named(module, name)
        case ast.Attribute(value=ast.Name(id=head), attr=name):
            place = _imported(module, head)
            return _plain(place, name) if place in PLAIN else Unknown
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return typing.Union[_meaning(module, left), _meaning(module, right)]  # noqa: UP007 - of values
        case ast.Subscript(value=value, slice=inner):
            return _subscript(module, _meaning(module, value), inner)
        case ast.Call(func=ast.Name(id=name)) if getattr(_named(module, name), "__module__", "") == ranges.__name__:
            keywords = {str(key): _meaning(module, value) for key, value in _keywords(node).items()}
            return _named(module, name)(*(_meaning(module, one) for one in node.args), **keywords)
        case _:
            return Unknown


def _subscript(module: str, outer: Any, inner: ast.expr) -> Any:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if outer is typing.Literal:
        return typing.Literal[tuple(ast.literal_eval(one) for one in parts)]
    return Unknown if outer is Unknown else outer[tuple(_meaning(module, one) for one in parts)]


def _named(module: str, name: str) -> Any:
    found = _followed(module, name)
    match found:
        case None:
            return getattr(builtins, name, Unknown)
        case place, ast.Expr(value=ast.Name(id=last)):
            return _plain(place, last)
        case place, (ast.Assign(value=value) | ast.TypeAlias(value=value)):
            return _meaning(place, value)
        case place, ast.ClassDef(name=last, bases=bases) if place.startswith("credo."):
            return Unknown if any(ast.unparse(one).endswith("Enum") for one in bases) else _part(last)
        case _:
            return Unknown


@cache
def _part(name: str) -> type[Part]:
    return type(name, (Part,), {})


def _plain(module: str, name: str) -> Any:
    return getattr(PLAIN[module], name, Unknown)
