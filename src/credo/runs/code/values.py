"""What a function reads besides its arguments: globals, what it closes over, defaults, attributes of modules.

Two functions of the same source may still differ: `LOC = float(os.environ["LOC"])`, `model = make(3)`. Every such value
has a digest that is the same in every process. Values are followed through containers, functions, classes and objects
of plain Python; others count by what they would be pickled from. What cannot be pickled (an open file, a lock) has no
digest, and the code that reads it is not known to be the same.
"""

import copyreg
import dis
import enum
import hashlib
import logging
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field
from functools import cache
from typing import Any

GLOBAL_READS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
PLAIN: tuple[Any, ...] = (int, float, complex, str, bytes, bytearray, bool, type(None), type(...), type(NotImplemented))
HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement, or by a C extension that says so
POINTER = 8
MOST = 100_000
"""Objects that are looked at before it is given up."""


class _UnknownError(Exception):
    """A value has no digest."""


class Values:
    """The values that functions read.

    Attributes:
        digests: by the names under which they are read: `program.LOC`, or `program.model: offset` for what a function
            closes over.
        modules: the user's modules to which functions and classes among them belong.
        unknown: why it is not all that there is.
    """

    def __init__(
        self,
        is_users: Callable[[str], bool],
        named: Callable[[str], str],
        libraries: dict[str, dict[int, str]] | None = None,
    ) -> None:
        """Follow the code of modules of which `is_users` holds; `named` says what the user calls them.

        What is found of the objects that libraries keep is added to `libraries`, and not looked for again.
        """
        self.digests: dict[str, str] = {}
        self.modules: set[str] = set()
        self.unknown: set[str] = set()
        self._is_users, self._named = cache(is_users), named
        self._known: dict[int, tuple[Any, bytes]] = {}  # the object is kept, lest another get its id
        self._open: list[int] = []
        self._asked: set[str] = set()  # attributes of modules
        self._read: set[int] = set()  # functions whose globals are known
        self._waiting: list[types.FunctionType] = []
        self._libraries = {} if libraries is None else libraries

    def read(self, name: str, value: Any) -> None:
        """Take in a value that is read by a name, and all that its functions read in turn."""
        self._take(name, value)
        while self._waiting:
            self._globals(self._waiting.pop())

    def _take(self, name: str, value: Any) -> None:
        if name in self.digests:
            return
        self.digests[name] = ""
        self._open.clear()
        try:
            self.digests[name] = self._digest(value).hex()
        except _UnknownError as error:
            self.unknown.add(f"{name} {error}")
        except RecursionError:
            self.unknown.add(f"{name} is nested too deeply to be compared")
        except Exception as error:  # noqa: BLE001 - objects of others may raise whatever they like
            self.unknown.add(f"{name} cannot be compared ({type(error).__name__}: {error})")

    def _globals(self, function: types.FunctionType) -> None:
        home = self._named(str(function.__globals__.get("__name__", "")))
        attributes = {name for code in _codes(function.__code__) for name in code.co_names}
        for name in sorted(_global_names(function.__code__)):
            if name in function.__globals__:
                self._named_value(f"{home}.{name}", function.__globals__[name], attributes)

    def _named_value(self, name: str, value: Any, attributes: Iterable[str]) -> None:
        """A value, or those attributes of a module of the user's that its reader may ask for."""
        if not isinstance(value, types.ModuleType):
            self._take(name, value)
            return
        if not self._is_users(value.__name__):
            return
        self.modules.add(value.__name__)
        for attribute in sorted({*attributes} & vars(value).keys()):
            inner = f"{self._named(value.__name__)}.{attribute}"
            if inner not in self._asked:
                self._asked.add(inner)
                self._named_value(inner, vars(value)[attribute], attributes)

    def _digest(self, value: Any) -> bytes:
        """The SHA-256 of a value."""
        if id(value) in self._known:
            return self._known[id(value)][1]
        if id(value) in self._open:
            return _joined("again", str(len(self._open) - self._open.index(id(value))))
        if len(self._known) > MOST:
            raise _UnknownError(f"holds more than {MOST} objects")
        self._open.append(id(value))
        try:
            found = _joined(*self._parts(value))
        finally:
            self._open.pop()
        self._known[id(value)] = value, found
        return found

    def _parts(self, value: Any) -> Iterator[str | bytes]:
        """What makes a value the value that it is."""
        kind = type(value)
        yield _full_name(kind)
        if kind in PLAIN:
            yield repr(value)
        elif (parts := self._of_code(value)) is not None:
            yield from parts
        elif (place := self._place(value)) is not None:
            yield place
        elif (array := _array(value)) is not None:
            yield from array
        elif hasattr(value, "__wrapped__") and not _is_plain(kind):  # jax.jit and the like
            yield self._digest(value.__wrapped__)
        else:
            yield from self._object(value)

    def _of_code(self, value: Any) -> Iterable[str | bytes] | None:
        """What makes a piece of code, or something that stands in a class; `None` for any other value."""
        match value:
            case types.FunctionType():
                return self._function(value)
            case type():
                return self._class(value)
            case types.ModuleType():
                return [self._module(value)]
            case types.MethodType():
                return [self._digest(value.__func__), self._digest(value.__self__)]
            case staticmethod() | classmethod():
                return [self._digest(value.__func__)]
            case property():
                return map(self._digest, (value.fget, value.fset, value.fdel))
            case types.GetSetDescriptorType() | types.MemberDescriptorType():
                return [value.__name__]
            case Field():
                return map(self._digest, (value.name, value.default, value.default_factory))
        return None

    def _module(self, module: types.ModuleType) -> str:
        if self._is_users(module.__name__):
            self.modules.add(module.__name__)
        return self._named(module.__name__)

    def _function(self, function: types.FunctionType) -> Iterator[str | bytes]:
        home = str(function.__globals__.get("__name__", ""))
        users = self._is_users(home)
        yield from (self._named(home), function.__code__.co_qualname)
        if users:
            self.modules.add(home)
            yield self._code(function.__code__)
            if id(function) not in self._read:
                self._read.add(id(function))
                self._waiting.append(function)
        if users or function.__closure__:
            yield from self._closure(function)
            yield from map(self._digest, (function.__defaults__, function.__kwdefaults__, vars(function)))

    def _closure(self, function: types.FunctionType) -> Iterator[str | bytes]:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:  # a name that is not yet bound
                continue
            yield name
            yield self._digest(content)

    def _code(self, code: types.CodeType) -> bytes:
        """A function's own instructions: two of one name may stand in one file."""
        constants = [
            self._code(one) if isinstance(one, types.CodeType) else self._digest(one) for one in code.co_consts
        ]
        return _joined(code.co_qualname, code.co_code, *code.co_names, *code.co_varnames, *constants)

    def _class(self, kind: type) -> Iterator[str | bytes]:
        """A library's class is its name; one of the user's is its methods and attributes, too."""
        yield _full_name(kind)
        if not self._is_users(kind.__module__):
            return
        self.modules.add(kind.__module__)
        yield from map(self._digest, kind.__bases__)
        for name, attribute in sorted(vars(kind).items()):
            if _belongs(name, attribute):
                yield from (name, self._digest(attribute))

    def _place(self, value: Any) -> str | None:
        """Where a library keeps an object of its own: `jax.numpy.add`, `scipy.stats.norm`."""
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        home = getattr(value, "__module__", None)
        if isinstance(name, str) and isinstance(home, str) and not self._is_users(home) and _is_at(home, name, value):
            return f"{home}.{name}"
        home = type(value).__module__
        if home == "builtins" or self._is_users(home):
            return None
        return self._library(home.partition(".")[0]).get(id(value))

    def _library(self, package: str) -> dict[int, str]:
        """The objects in the modules of a package, by their ids."""
        if package not in self._libraries:
            modules = [module for name, module in sorted(sys.modules.items()) if name.partition(".")[0] == package]
            self._libraries[package] = {
                id(one): f"{package}.{name}"
                for module in modules
                for name, one in sorted(vars(module).items())
                if type(one) not in PLAIN
            }
        return self._libraries[package]

    def _object(self, value: Any) -> Iterator[str | bytes]:
        """What is in a container or an object."""
        yield self._digest(type(value))
        if isinstance(value, enum.Enum | logging.Logger):
            yield value.name
            return
        if isinstance(value, dict | types.MappingProxyType):
            yield from sorted(_joined(self._digest(key), self._digest(one)) for key, one in value.items())
        elif isinstance(value, tuple | list):
            yield from map(self._digest, value)
        elif isinstance(value, set | frozenset):
            yield from sorted(map(self._digest, value))
        elif isinstance(value, PLAIN):
            yield next(kind.__repr__(value) for kind in PLAIN if isinstance(value, kind))
        elif not _is_plain(type(value)):
            yield from self._reduced(value)
            return
        for name, one in sorted(_state(value)):
            yield from (name, self._digest(one))

    def _reduced(self, value: Any) -> Iterator[bytes]:
        """What an object with a state of its own, which Python does not see, would be pickled from."""
        with warnings.catch_warnings(action="ignore"):
            try:
                reduce = copyreg.dispatch_table.get(type(value))
                parts = value.__reduce_ex__(4) if reduce is None else reduce(value)
            except Exception:  # noqa: BLE001 - an object says in many ways that it cannot be pickled
                kind = type(value).__name__
                raise _UnknownError(f"is or holds a {kind}, whose state cannot be compared") from None
        if isinstance(parts, str):
            yield self._digest(parts)
            return
        make, arguments, state, *several = (*parts, None, None, None)[:5]
        yield from map(self._digest, (make, arguments, state))
        yield from (self._digest(list(many)) for many in several if many is not None)


def _joined(*parts: str | bytes) -> bytes:
    """One digest of several parts, none of which can pass for two."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(b"%d:" % len(data))
        found.update(data)
    return found.digest()


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code of a function and of those that are defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _global_names(code: types.CodeType) -> set[str]:
    return {
        str(one.argval) for part in _codes(code) for one in dis.get_instructions(part) if one.opname in GLOBAL_READS
    }


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _belongs(name: str, attribute: Any) -> bool:
    """Whether a class attribute says what the class does; Python's own bookkeeping does not."""
    if isinstance(attribute, types.FunctionType | staticmethod | classmethod | property) or not name.startswith("_"):
        return True
    return name == "__dataclass_fields__" or not name.startswith(("__", "_abc_"))


def _is_at(home: str, name: str, value: Any) -> bool:
    found: Any = sys.modules.get(home)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def _array(value: Any) -> tuple[str, str, bytes] | None:
    """Type, shape and bytes of an array of numbers, NumPy's or JAX's; random keys by their data."""
    if not (hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "__array__")):
        return None
    if type(value).__module__.partition(".")[0] not in ("numpy", "jax", "jaxlib"):
        return None
    import numpy as np

    word = str(value.dtype)
    if word.startswith("key<"):
        import jax

        value = jax.random.key_data(value)
    array = np.asarray(value)
    return None if array.dtype.hasobject else (word, str(array.shape), array.tobytes())


def _is_plain(kind: type) -> bool:
    """Whether all that objects of a class hold is in their attributes.

    No class in C among its ancestors adds to them, and none says that the state is something else.
    """
    return all(
        one is object
        or (
            bool(one.__flags__ & HEAP_TYPE)
            and one.__base__ is not None
            and one.__basicsize__ == one.__base__.__basicsize__ + POINTER * len(_slots(one))
            and not {"__reduce__", "__reduce_ex__", "__getstate__"} & vars(one).keys()
        )
        for one in kind.__mro__
    )


def _slots(kind: type) -> list[str]:
    slots = vars(kind).get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _state(value: Any) -> list[tuple[str, Any]]:
    """The attributes of an object."""
    slots = [_mangled(kind, name) for kind in type(value).__mro__ for name in _slots(kind)]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return [(str(name), one) for name, one in (held | getattr(value, "__dict__", {})).items()]


def _mangled(kind: type, name: str) -> str:
    """A private slot's name as Python has it."""
    private = re.match(r"__.*[^_]_?$", name) is not None
    return f"_{kind.__name__.lstrip('_')}{name}" if private else name
