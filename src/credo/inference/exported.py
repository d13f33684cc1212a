"""An exported program as a process has it: read, and compiled for arguments that lie so, perhaps by a thread."""

import json
from collections.abc import Sequence
from concurrent.futures import Future, wait
from functools import cached_property
from threading import BoundedSemaphore, Thread, main_thread
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from credo.cores import cores
from credo.errors import Interrupted
from credo.inference import clock
from credo.inference.result_words import Leaf, described, rebuilt

Layouts = tuple[tuple[bool, ...] | None, ...]
"""Along which axes each argument is divided among the devices; `None` of one that lies on one device."""

_TURNS = BoundedSemaphore(cores())
"""So many threads compile at once, in the order in which they were asked to."""


class Exported:
    """A program of leaves.

    Args:
        name: of its function.
        head: the structure of what it returns, in words of JSON.
        exported: it.

    Attributes:
        name: of its function.
        place: on its shelf.
    """

    def __init__(self, name: str, head: bytes, exported: Any) -> None:
        def call(*leaves: Any) -> Any:
            return exported.call(*leaves)

        call.__name__ = call.__qualname__ = name
        self.name, self.place = name, ""
        self._head, self._exported, self._call = head, exported, jax.jit(call)
        self._devices: int = exported.nr_devices
        self._compiled: dict[Any, tuple[Future[Any], list[NamedSharding | None]]] = {}

    def __call__(self, leaves: Sequence[Any], layouts: Layouts) -> Any:
        """Call it with leaves that lie so."""
        program, places = self.compiled(layouts)
        results = program(*map(_put, leaves, places))
        if self._devices == 1 < len(jax.devices()) and jax.config.jax_default_device is None:
            results = [_movable(result) for result in results]
        return jax.tree.unflatten(self._tree, results)

    def layouts(self, leaves: Sequence[Any]) -> Layouts:
        """How arguments lie, or shapes of them."""
        return tuple(map(_layout, leaves)) if self._devices > 1 else (None,) * len(leaves)

    def compiled(self, layouts: Layouts) -> tuple[Any, list[NamedSharding | None]]:
        """The program for arguments that lie so, and the place of each; on the device that is chosen."""
        future, places = self.compiling(layouts)
        if not future.done():
            with clock.waiting():
                wait([future])
        return future.result(), places

    def compiling(self, layouts: Layouts) -> tuple[Future[Any], list[NamedSharding | None]]:
        """As `compiled`, while a thread compiles it."""
        kind = layouts, jax.config.jax_default_device or jax.devices()[0]
        if kind not in self._compiled:
            avals, places = self._exported.in_avals, [self._place(layout) for layout in layouts]
            lowered, future = self._call.lower(*map(_shaped, avals, places)), Future[Any]()
            Thread(target=_compile, args=(lowered, future), name=f"compiling {self.name}").start()
            self._compiled[kind] = future, places
        return self._compiled[kind]

    @property
    def returned(self) -> Any:
        """The shapes of what it returns."""
        avals = self._exported.out_avals
        return jax.tree.unflatten(self._tree, [_shaped(aval, None) for aval in avals])

    @property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(jax.devices()[: self._devices]), ("devices",))

    def _place(self, layout: tuple[bool, ...] | None) -> NamedSharding | None:
        """Where an argument lies, of a program of several devices."""
        if self._devices == 1:
            return None
        return NamedSharding(self._mesh, PartitionSpec(*("devices" if part else None for part in layout or ())))

    @property
    def is_whole(self) -> bool:
        """Whether there are all classes of what it returns."""
        try:
            return self._tree is not None
        except (LookupError, TypeError):
            return False

    @cached_property
    def _tree(self) -> Any:
        return jax.tree.structure(rebuilt(json.loads(self._head)))


def written(structure: Any, exported: Any) -> bytes:
    """What a shelf keeps of a program: the structure of what it returns, and the exported program of the leaves.

    Raises:
        TypeError: the structure has no words.
    """
    head = json.dumps(described(jax.tree.unflatten(structure, map(Leaf, range(structure.num_leaves))))).encode()
    return len(head).to_bytes(4, "big") + head + bytes(exported.serialize())


def read(kept: bytes, name: str) -> Exported | None:
    """The program that was kept; `None` where it is of another time."""
    from jax import export

    try:
        end = 4 + int.from_bytes(kept[:4], "big")
        return Exported(name, kept[4:end], export.deserialize(bytearray(kept[end:])))
    except Interrupted:
        raise
    except Exception:  # noqa: BLE001 - of another version, say: it is made anew
        return None


def _compile(lowered: Any, future: Future[Any]) -> None:
    """Compile a program, unless the process ends."""
    with _TURNS, clock.aside():
        try:
            if not main_thread().is_alive():
                raise Interrupted("interrupted")
            future.set_result(lowered.compile())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the program raises it
            future.set_exception(error)


def _shaped(aval: Any, place: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type, sharding=place)


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


def shape(leaf: Any) -> jax.ShapeDtypeStruct:
    """A leaf without its numbers and its device."""
    of = leaf if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf)
    return _shaped(of, None)


def form(leaf: Any) -> Any:
    """What of a leaf a program is compiled for."""
    if isinstance(leaf, bool | int | float | complex):
        return type(leaf).__name__
    size = leaf.shape if isinstance(leaf, jax.ShapeDtypeStruct) else np.shape(leaf)
    return size, str(getattr(leaf, "dtype", "")), getattr(leaf, "weak_type", False), _spread(leaf)


def can_be_given(leaf: Any) -> bool:
    """Whether a program of such a leaf can be: one that lies on the axes of several devices has a layout of its own."""
    if _spread(leaf):
        return isinstance(leaf.sharding, NamedSharding) and len(leaf.sharding.mesh.shape) == 1
    known = bool | int | float | complex | np.ndarray | np.generic | jax.Array | jax.ShapeDtypeStruct
    return isinstance(leaf, known)


def _spread(leaf: Any) -> bool:
    """Whether it lies on several devices."""
    place = leaf.sharding if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) else None
    return place is not None and len(place.device_set) > 1
