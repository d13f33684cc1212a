"""Compiled programs, traced once for all processes: `compiled` is `jax.jit` whose traces a `Shelf` keeps.

To trace a model and a sampler, and to lower them for XLA, takes a second of every process, though XLA's own cache has
what it compiled. So a program is exported (`jax.export`) where it is traced first, and every process, the first as
well, calls what was exported: the bits of an answer do not depend on who traced.

A program is known by its function, the structure of its arguments with all that is static in it, and the shapes and
types of their numbers. What else it came from (code, versions, settings of JAX) is for the shelf to know.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from functools import update_wrapper
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from credo.errors import Interrupted


class Shelf(Protocol):
    """Where exported programs are kept."""

    def place(self, name: str, what: Any) -> str | None:
        """The place of a program, which no other program has; `None` where that cannot be known.

        Args:
            name: of its function.
            what: its arguments, with the numbers of their leaves in place of these, and the leaves' types.
        """

    def read(self, place: str) -> bytes | None:
        """What was written there, to the bit, or `None`."""

    def write(self, place: str, kept: bytes) -> None:
        """Keep it there, if possible."""


_SHELF: ContextVar[Shelf | None] = ContextVar("shelf", default=None)

_READY: dict[str, "_Exported"] = {}
"""Programs of this process, by place."""


@contextmanager
def keeping(shelf: Shelf | None) -> Iterator[None]:
    """Keep programs on a shelf, and take them from there; on none, programs are traced as they are called."""
    before = _SHELF.set(shelf)
    try:
        yield
    finally:
        _SHELF.reset(before)


def compiled[R](function: Callable[..., R], static: Sequence[int] = ()) -> Callable[..., R]:
    """Compile a function of pytrees, whose leaves are numbers and arrays; where there is a shelf, from what it has.

    Args:
        function: of arguments by place.
        static: the numbers of its arguments that are no pytrees.
    """
    return _Program(function, static)


class _Program:
    """A compiled function.

    Attributes:
        traced: the same, traced in this process.
    """

    def __init__(self, function: Callable[..., Any], static: Sequence[int]) -> None:
        self.traced = jax.jit(function, static_argnums=tuple(static))
        self._function, self._static = function, frozenset(static)
        self._known: dict[Any, _Exported | None] = {}
        update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        """Call it."""
        shelf = _SHELF.get()
        if shelf is None:
            return self.traced(*args)
        static = tuple((i, arg) for i, arg in enumerate(args) if i in self._static)
        leaves, structure = jax.tree.flatten([arg for i, arg in enumerate(args) if i not in self._static])
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return self.traced(*args)  # a part of another program
        kind = static, structure, tuple(map(_form, leaves)), shelf
        if kind not in self._known:
            self._known[kind] = self._found(shelf, args, leaves, structure)
        found = self._known[kind]
        return self.traced(*args) if found is None else found(leaves)

    def _found(self, shelf: Shelf, args: tuple[Any, ...], leaves: list[Any], structure: Any) -> "_Exported | None":
        """The program from the shelf, which has it from now on; `None` where it cannot be kept."""
        if not all(map(_can_be_given, leaves)):
            return None
        try:
            what = self._with(args, structure, list(map(_Leaf, range(len(leaves))))), list(map(_form, leaves))
        except Exception:  # noqa: BLE001 - a node of a library's that looks at its leaves
            return None
        place = shelf.place(f"{self._function.__module__}.{self._function.__qualname__}", what)
        if place is None or place in _READY:
            return None if place is None else _READY[place]
        kept = shelf.read(place)
        ready = None if kept is None else _read(kept, self._function.__name__)
        if ready is None and (kept := self._exported(args, leaves, structure)) is not None:
            ready = _read(kept, self._function.__name__)
            shelf.write(place, kept)
        if ready is not None:
            _READY[place] = ready
        return ready

    def _with(self, args: tuple[Any, ...], structure: Any, leaves: Sequence[Any]) -> list[Any]:
        """The arguments, with other leaves."""
        own = iter(jax.tree.unflatten(structure, leaves))
        return [arg if i in self._static else next(own) for i, arg in enumerate(args)]

    def _exported(self, args: tuple[Any, ...], leaves: list[Any], structure: Any) -> bytes | None:
        """What a shelf keeps of it: the structure of what it returns, and the exported program of the leaves."""
        from jax import export

        made: list[Any] = []

        def flat(*leaves: Any) -> list[Any]:
            results, tree = jax.tree.flatten(self.traced(*self._with(args, structure, leaves)))
            made.append(tree)
            return results

        try:
            exported = export.export(jax.jit(flat), platforms=[jax.default_backend()])(*map(_shape, leaves))
            if exported.nr_devices > 1 and jax.default_backend() != "cpu":
                return None  # the order of its devices is not known
            head = json.dumps(_described(jax.tree.unflatten(made[0], map(_Leaf, range(made[0].num_leaves))))).encode()
            return len(head).to_bytes(4, "big") + head + bytes(exported.serialize())
        except Interrupted:
            raise
        except Exception:  # noqa: BLE001 - callbacks, custom calls, shapes that no file can say: it is traced, as before
            return None


class _Exported:
    """A program of leaves.

    Args:
        name: of its function.
        tree: the structure of what it returns.
        exported: it.
    """

    def __init__(self, name: str, tree: Any, exported: Any) -> None:
        def call(*leaves: Any) -> Any:
            return exported.call(*leaves)

        call.__name__ = call.__qualname__ = name
        self._call, self._tree, self._devices = jax.jit(call), tree, exported.nr_devices

    def __call__(self, leaves: list[Any]) -> Any:
        if self._devices > 1:
            mesh = Mesh(np.array(jax.devices()[: self._devices]), ("devices",))
            everywhere = NamedSharding(mesh, PartitionSpec())
            leaves = [leaf if _spread(leaf) else jax.device_put(leaf, everywhere) for leaf in leaves]
        results = self._call(*leaves)
        if self._devices == 1 < len(jax.devices()) and jax.config.jax_default_device is None:
            results = [_movable(result) for result in results]
        return jax.tree.unflatten(self._tree, results)


def _read(kept: bytes, name: str) -> _Exported | None:
    """The program that was kept; `None` where it is of another time."""
    from jax import export

    try:
        end = 4 + int.from_bytes(kept[:4], "big")
        tree = jax.tree.structure(_rebuilt(json.loads(kept[4:end])))
        return _Exported(name, tree, export.deserialize(bytearray(kept[end:])))
    except Interrupted:
        raise
    except Exception:  # noqa: BLE001 - of another version, say: it is made anew
        return None


def _movable(result: jax.Array) -> jax.Array:
    """The same, and free to be used with arrays on other devices: what exported programs return is bound to its own."""
    if isinstance(result, jax.core.Tracer) or not isinstance(result.dtype, np.dtype) or jax.default_backend() != "cpu":
        return result
    return jax.device_put(np.asarray(result))


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    """A leaf without its numbers and its device."""
    of = jax.typeof(leaf)
    return jax.ShapeDtypeStruct(of.shape, of.dtype, weak_type=of.weak_type)


def _form(leaf: Any) -> Any:
    """What of a leaf a program is compiled for."""
    if isinstance(leaf, bool | int | float | complex):
        return type(leaf).__name__
    return np.shape(leaf), str(getattr(leaf, "dtype", "")), getattr(leaf, "weak_type", False), _spread(leaf)


def _can_be_given(leaf: Any) -> bool:
    """Whether a program of such a leaf can be: one that lies on the axes of several devices has a layout of its own."""
    if _spread(leaf):
        return isinstance(leaf.sharding, NamedSharding) and len(leaf.sharding.mesh.shape) == 1
    return isinstance(leaf, bool | int | float | complex | np.ndarray | np.generic | jax.Array)


def _spread(leaf: Any) -> bool:
    """Whether it lies on several devices."""
    return isinstance(leaf, jax.Array) and len(leaf.sharding.device_set) > 1


class _Leaf(NamedTuple):
    """A leaf of a result, by its number."""

    number: int


_CONTAINERS = {"tuple": tuple, "list": list}


def _described(value: Any) -> Any:
    """The structure of a result in words of JSON.

    Raises:
        TypeError: it has a node whose class says more than its fields do.
    """
    if isinstance(value, _Leaf):
        return value.number
    if value is None:
        return None
    if type(value) is dict and all(isinstance(name, str) for name in value):
        return {"dict": {name: _described(one) for name, one in value.items()}}
    if type(value) in _CONTAINERS.values():
        return {type(value).__name__: list(map(_described, value))}
    if _is_tuple(type(value)):
        return {_name(type(value)): list(map(_described, value))}
    if isinstance(value, eqx.Module) and not any(one.metadata.get("static") for one in fields(value)):
        return {_name(type(value)): {one.name: _described(getattr(value, one.name)) for one in fields(value)}}
    raise TypeError(f"a {type(value).__name__} has no words")


def _rebuilt(described: Any) -> Any:
    """The structure, of leaves that do not matter.

    Raises:
        LookupError, TypeError: a class is not there, or is no class of such a node.
    """
    if described is None or isinstance(described, int):
        return described
    [(name, parts)] = described.items()
    if name == "dict":
        return {key: _rebuilt(one) for key, one in parts.items()}
    if name in _CONTAINERS:
        return _CONTAINERS[name](map(_rebuilt, parts))
    module, _, qualified = name.partition(":")
    kind = vars(sys.modules[module])[qualified]
    if _is_tuple(kind):
        return kind._make(map(_rebuilt, parts))
    if not (isinstance(kind, type) and issubclass(kind, eqx.Module)):
        raise TypeError(f"{name} is no class of a node")
    made = object.__new__(kind)
    for key, one in parts.items():
        object.__setattr__(made, key, _rebuilt(one))
    return made


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _is_tuple(kind: Any) -> bool:
    """Whether it is a class of named tuples."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
