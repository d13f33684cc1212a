"""Compiled programs, traced once for all processes: `compiled` is `jax.jit` whose traces a `Shelf` keeps.

To trace a model and a sampler, and to lower them for XLA, takes a second of every process, though XLA's own cache has
what it compiled. So a program is exported (`jax.export`) where it is traced first, and every process, the first as
well, calls what was exported: the bits of an answer do not depend on who traced.

A program is known by its function, the structure of its arguments with all that is static in it, and the shapes and
types of their numbers. What else it came from (code, versions, settings of JAX) is for the shelf to know.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import update_wrapper
from threading import Thread
from typing import Any, NamedTuple, Protocol

import jax

from credo.errors import Interrupted
from credo.inference import clock, exported
from credo.inference.exported import Exported, Layouts
from credo.inference.result_words import Leaf


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

_READY: dict[str, Exported] = {}
"""Programs of this process, by place."""

_AHEAD: dict[str, Future[Exported | None]] = {}
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
        promised = {place: Future[Exported | None]() for place in wanted}
        _AHEAD.update(promised)
        Thread(target=_load, args=(read, wanted, promised), name="loading programs").start()


def _load(
    read: Callable[[str], bytes | None],
    wanted: Mapping[str, Sequence[Use]],
    promised: Mapping[str, Future[Exported | None]],
) -> None:
    for place, uses in wanted.items():
        ready = None
        try:
            if (kept := read(place)) is not None and (ready := exported.read(kept, uses[0].name)) is not None:
                with clock.aside():
                    for use in uses:
                        ready.compiled(use.layouts)
        except Exception:  # noqa: BLE001 - whoever asks for it sees what is wrong
            ready = None
        finally:
            promised[place].set_result(ready)


def compiled[R](function: Callable[..., R], static: Sequence[int] = ()) -> "Compiled[R]":
    """Compile a function of pytrees, whose leaves are numbers and arrays; where there is a shelf, from what it has.

    Args:
        function: of arguments by place.
        static: the numbers of its arguments that are no pytrees.
    """
    return Compiled(function, static)


class Compiled[R]:
    """A compiled function.

    Attributes:
        traced: the same, traced in this process.
    """

    def __init__(self, function: Callable[..., R], static: Sequence[int]) -> None:
        self.traced = jax.jit(function, static_argnums=tuple(static))
        self._function, self._static = function, frozenset(static)
        self._known: dict[Any, Exported | None] = {}
        update_wrapper(self, function)

    def __call__(self, *args: Any) -> R:
        """Call it."""
        found, leaves, shelf = self._at(args)
        if found is None or shelf is None:
            return self.traced(*args)
        layouts = found.layouts(leaves)
        shelf.use(Use(found.name, found.place, layouts))
        returned: R = found(leaves, layouts)
        return returned

    def ahead(self, *args: Any) -> Any:
        """Compile it by a thread, for arguments like these or of such shapes.

        Returns:
            The shapes of what it returns; `None` where it is compiled only when it is called.
        """
        found, leaves, _ = self._at(args)
        if found is None:
            return None
        found.compiling(found.layouts(leaves))
        return found.returned

    def shapes(self, *args: Any) -> Any:
        """The shapes of what it returns, without a call."""
        found, _, _ = self._at(args)
        return jax.eval_shape(lambda: self.traced(*args)) if found is None else found.returned

    def _at(self, args: tuple[Any, ...]) -> tuple[Exported | None, list[Any], Shelf | None]:
        """The program for arguments, their leaves, and the shelf that has it; `None` where it is to be traced."""
        if (shelf := _SHELF.get()) is None:
            return None, [], None
        static = tuple((i, arg) for i, arg in enumerate(args) if i in self._static)
        leaves, structure = jax.tree.flatten([arg for i, arg in enumerate(args) if i not in self._static])
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return None, leaves, shelf  # a part of another program
        kind = static, structure, tuple(map(exported.form, leaves)), shelf
        if kind not in self._known:
            self._known[kind] = self._found(shelf, args, leaves, structure)
        return self._known[kind], leaves, shelf

    def _found(self, shelf: Shelf, args: tuple[Any, ...], leaves: list[Any], structure: Any) -> Exported | None:
        """The program from the shelf, which has it from now on; `None` where it cannot be kept."""
        if not all(map(exported.can_be_given, leaves)):
            return None
        try:
            what = self._with(args, structure, list(map(Leaf, range(len(leaves))))), list(map(exported.form, leaves))
        except Exception:  # noqa: BLE001 - a node of a library's that looks at its leaves
            return None
        place = shelf.place(f"{self._function.__module__}.{self._function.__qualname__}", what)
        if place is None or place in _READY:
            return None if place is None else _READY[place]
        ready = self._kept(shelf, place)
        if ready is None and (kept := self._exported(args, leaves, structure)) is not None:
            ready = exported.read(kept, self._function.__name__)
            shelf.write(place, kept)
        if ready is not None:
            ready.place = place
            _READY[place] = ready
        return ready

    def _kept(self, shelf: Shelf, place: str) -> Exported | None:
        """The program that the shelf has, or that a thread has taken from there; `None` where it is of another time."""
        with clock.waiting():
            ready = None if (ahead := _AHEAD.pop(place, None)) is None else ahead.result()
        if ready is None and (kept := shelf.read(place)) is not None:
            ready = exported.read(kept, self._function.__name__)
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
            whole = export.export(jax.jit(flat), platforms=[jax.default_backend()])(*map(exported.shape, leaves))
            if whole.nr_devices > 1 and jax.default_backend() != "cpu":
                return None  # the order of its devices is not known
            return exported.written(made[0], whole)
        except Interrupted:
            raise
        except Exception:  # noqa: BLE001 - callbacks, custom calls, shapes that no file can say: it is traced, as before
            return None
