"""Compiled programs, traced once for all processes: `compiled` is `jax.jit` whose traces a `Shelf` keeps.

To trace a model and a sampler, and to lower them for XLA, takes a second of every process, though XLA's own cache has
what it compiled. So a program is exported (`jax.export`) where it is traced first, and every process, the first as
well, calls what was exported: the bits of an answer do not depend on who traced.

A program is known by its function, the structure of its arguments with all that is static in it, and the shapes and
types of their numbers. What else it came from (code, versions, settings of JAX) is for the shelf to know.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from functools import cached_property, update_wrapper
from threading import Thread
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from credo.errors import Interrupted

Layouts = tuple[tuple[bool, ...] | None, ...]
"""Along which axes each argument is divided among the devices; `None` of one that lies on one device."""


class Use(NamedTuple):
    """How a run used a program.

    - **name** - of its function.
    - **place** - on the shelf.
    - **layouts** - of its arguments.
    """

    name: str
    place: str
    layouts: Layouts


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

    def use(self, use: Use) -> None:
        """Hear that a program is used."""

    def close(self) -> None:
        """Hear that nothing is used any more."""


_SHELF: ContextVar[Shelf | None] = ContextVar("shelf", default=None)

_READY: dict[str, "_Exported"] = {}
"""Programs of this process, by place."""

_AHEAD: dict[str, "Future[_Exported | None]"] = {}
"""Those that a thread loads."""


@contextmanager
def keeping(shelf: Shelf | None) -> Iterator[None]:
    """Keep programs on a shelf, and take them from there; on none, programs are traced as they are called."""
    before = _SHELF.set(shelf)
    try:
        yield
    finally:
        _SHELF.reset(before)
        if shelf is not None:
            shelf.close()


def load_ahead(read: Callable[[str], bytes | None], uses: Iterable[Use]) -> None:
    """Load programs by a thread, in the order in which an earlier run used them, while this process loads its modules.

    Args:
        read: as `Shelf.read`.
        uses: what that run used; a program that this run does not ask for costs its time alone.
    """
    wanted: dict[str, list[Use]] = {}
    for use in uses:
        if use.place not in _READY and use.place not in _AHEAD:
            wanted.setdefault(use.place, []).append(use)
    if wanted:
        promised = {place: Future[_Exported | None]() for place in wanted}
        _AHEAD.update(promised)
        Thread(target=_load, args=(read, wanted, promised), name="loading programs").start()


def _load(
    read: Callable[[str], bytes | None],
    wanted: Mapping[str, Sequence[Use]],
    promised: "Mapping[str, Future[_Exported | None]]",
) -> None:
    for place, uses in wanted.items():
        ready = None
        try:
            if (kept := read(place)) is not None and (ready := _read(kept, uses[0].name)) is not None:
                for use in uses:
                    ready.compiled(use.layouts)
        except Exception:  # noqa: BLE001 - whoever asks for it sees what is wrong
            ready = None
        finally:
            promised[place].set_result(ready)


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
        return self.traced(*args) if found is None else found(leaves, shelf)

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
        ready = self._kept(shelf, place)
        if ready is None and (kept := self._exported(args, leaves, structure)) is not None:
            ready = _read(kept, self._function.__name__)
            shelf.write(place, kept)
        if ready is not None:
            ready.place = place
            _READY[place] = ready
        return ready

    def _kept(self, shelf: Shelf, place: str) -> "_Exported | None":
        """The program that the shelf has, or that a thread has taken from there; `None` where it is of another time."""
        ready = None if (ahead := _AHEAD.pop(place, None)) is None else ahead.result()
        if ready is None and (kept := shelf.read(place)) is not None:
            ready = _read(kept, self._function.__name__)
        return ready if ready is not None and ready.is_whole else None

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
        head: the structure of what it returns, in words of JSON.
        exported: it.

    Attributes:
        place: on its shelf.
    """

    def __init__(self, name: str, head: bytes, exported: Any) -> None:
        def call(*leaves: Any) -> Any:
            return exported.call(*leaves)

        call.__name__ = call.__qualname__ = name
        self.place = ""
        self._name, self._head, self._exported, self._call = name, head, exported, jax.jit(call)
        self._devices: int = exported.nr_devices
        self._compiled: dict[Any, Any] = {}

    def __call__(self, leaves: list[Any], shelf: Shelf) -> Any:
        layouts = tuple(map(_layout, leaves)) if self._devices > 1 else (None,) * len(leaves)
        shelf.use(Use(self._name, self.place, layouts))
        program, places = self.compiled(layouts)
        results = program(*map(_put, leaves, places))
        if self._devices == 1 < len(jax.devices()) and jax.config.jax_default_device is None:
            results = [_movable(result) for result in results]
        return jax.tree.unflatten(self._tree, results)

    def compiled(self, layouts: Layouts) -> tuple[Any, list[NamedSharding | None]]:
        """The program for arguments that lie so, and the place of each; on the device that is chosen."""
        kind = layouts, jax.config.jax_default_device or jax.devices()[0]
        if kind not in self._compiled:
            avals, places = self._exported.in_avals, [self._place(layout) for layout in layouts]
            shapes = [
                jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type, sharding=place)
                for aval, place in zip(avals, places, strict=True)
            ]
            self._compiled[kind] = self._call.lower(*shapes).compile(), places
        return self._compiled[kind]

    def _place(self, layout: tuple[bool, ...] | None) -> NamedSharding | None:
        """Where an argument lies, of a program of several devices."""
        if self._devices == 1:
            return None
        mesh = Mesh(np.array(jax.devices()[: self._devices]), ("devices",))
        return NamedSharding(mesh, PartitionSpec(*("devices" if part else None for part in layout or ())))

    @property
    def is_whole(self) -> bool:
        """Whether there are all classes of what it returns."""
        try:
            return self._tree is not None
        except (LookupError, TypeError):
            return False

    @cached_property
    def _tree(self) -> Any:
        return jax.tree.structure(_rebuilt(json.loads(self._head)))


def _read(kept: bytes, name: str) -> _Exported | None:
    """The program that was kept; `None` where it is of another time."""
    from jax import export

    try:
        end = 4 + int.from_bytes(kept[:4], "big")
        return _Exported(name, kept[4:end], export.deserialize(bytearray(kept[end:])))
    except Interrupted:
        raise
    except Exception:  # noqa: BLE001 - of another version, say: it is made anew
        return None


def _layout(leaf: Any) -> tuple[bool, ...] | None:
    return tuple(part is not None for part in leaf.sharding.spec) if _spread(leaf) else None


def _put(leaf: Any, place: NamedSharding | None) -> Any:
    """An argument in its place; of a program of one device, on one device."""
    if place is None:
        return _movable(leaf) if _spread(leaf) else leaf
    return leaf if _spread(leaf) and leaf.sharding == place else jax.device_put(leaf, place)


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
