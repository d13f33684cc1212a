"""A program that a shelf keeps is traced once, and gives to the bit what it gave when it was."""

import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from credo.inference import clock, program, result_words
from credo.inference.program import Use, compiled, keeping


class Shelf:
    """In memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.uses: list[Use] = []

    def place(self, name: str, what: Any) -> str | None:
        """By what the arguments look like."""
        return f"{name} {what}"

    def read(self, place: str) -> bytes | None:
        """What was written."""
        return self.kept.get(place)

    def write(self, place: str, kept: bytes) -> None:
        """Keep it."""
        self.kept[place] = kept

    def use(self, use: Use) -> None:
        """Remember it."""
        self.uses.append(use)

    def close(self) -> None:
        """Nothing is left to do."""


class Pair(NamedTuple):
    """A node of the library's kind."""

    first: Any
    second: Any


class Scale(eqx.Module):
    """A node whose class says no more than its field."""

    factor: Any


class Named(eqx.Module):
    """A node whose class says more than its fields do."""

    factor: Any
    name: str = eqx.field(static=True)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """A shelf in use."""
    monkeypatch.setattr(program, "_READY", {})
    shelf = Shelf()
    with keeping(shelf):
        yield shelf


def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this process has made ready."""
    monkeypatch.setattr(program, "_READY", {})


def counted(body: Any, static: tuple[int, ...] = ()) -> tuple[Any, list[Any]]:
    """The function, and what it writes each time that it is traced."""
    traces: list[Any] = []

    def function(*args: Any) -> Any:
        traces.append(args)
        return body(*args)

    function.__module__, function.__qualname__ = __name__, "function"
    return compiled(function, static), traces


def body(scale: Scale, values: dict[str, Any], count: int) -> Any:
    """Whatever has all kinds of nodes."""
    total = sum(jnp.sin(one).sum() for one in values.values()) * count
    return Pair({"total": total, "none": None}, [Scale(scale.factor * total), (jnp.arange(3) * count,)])


ARGUMENTS = Scale(2.0), {"x": np.linspace(0, 1, 5), "y": np.float64(3)}, 4


def test_a_second_process_does_not_trace(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    function, traces = counted(body)
    first = function(*ARGUMENTS)
    assert len(traces) == len(shelf.kept) == 1
    another_process(monkeypatch)
    again, retraced = counted(body)
    second = again(*ARGUMENTS)
    assert not retraced
    assert jax.tree.structure(first) == jax.tree.structure(second) == jax.tree.structure(body(*ARGUMENTS))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    jax.tree.map(np.testing.assert_array_equal, first, jax.jit(body)(*ARGUMENTS))


def test_other_numbers_are_arguments_and_other_shapes_are_programs(shelf: Shelf) -> None:
    function, traces = counted(body)
    scale, values, count = ARGUMENTS
    function(*ARGUMENTS)
    other = function(Scale(3.0), {**values, "y": np.float64(1)}, 7)
    np.testing.assert_array_equal(other.second[1][0], np.arange(3) * 7)
    assert len(traces) == 1
    function(scale, {**values, "x": np.ones(6)}, count)
    function(scale, {**values, "x": np.ones(5, np.float32)}, count)
    assert len(traces) == len(shelf.kept) == 3


def test_what_is_static_makes_another_program(shelf: Shelf) -> None:
    function, traces = counted(lambda power, x: x**power, static=(0,))
    x = np.arange(4.0)
    for power in (2, 3, 2):
        np.testing.assert_array_equal(function(power, x), x**power)
    assert len(traces) == len(shelf.kept) == 2


@pytest.mark.parametrize(
    "body",
    [
        lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x),
        lambda x: Named(jnp.sin(x), "mine"),
    ],
    ids=["calls Python", "returns more than fields"],
)
def test_what_cannot_be_kept_is_traced(body: Any, shelf: Shelf) -> None:
    function, _ = counted(body)
    x = np.arange(3.0)
    for _ in range(2):
        assert jax.tree.map(np.asarray, jax.tree.leaves(function(x)))[0] == pytest.approx(np.sin(x))
    assert shelf.kept == {}


def test_a_mistake_in_a_function_is_raised_as_it_is(shelf: Shelf) -> None:
    def wrong(x: Any) -> Any:
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        compiled(wrong)(np.arange(3.0))
    assert shelf.kept == {}


@pytest.mark.parametrize("how", [lambda kept: b"", lambda kept: kept[:50], lambda kept: b"\0\0\0\2{}" + kept[60:]])
def test_what_is_no_program_is_made_anew(how: Any, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    function, _ = counted(body)
    first = function(*ARGUMENTS)
    [(place, kept)] = shelf.kept.items()
    shelf.kept[place] = how(kept)
    another_process(monkeypatch)
    again, traces = counted(body)
    jax.tree.map(np.testing.assert_array_equal, first, again(*ARGUMENTS))
    another_process(monkeypatch)
    again(*ARGUMENTS)
    assert len(traces) == 1


@pytest.mark.parametrize("name", ["os:PathLike", "builtins:tuple", "no.such.module:Pair", f"{__name__}:Shelf"])
def test_a_class_that_is_no_node_is_not_made(name: str) -> None:
    with pytest.raises((LookupError, TypeError)):
        result_words.rebuilt({name: {"factor": 0}})


def test_as_a_part_of_another_program_it_is_traced(shelf: Shelf) -> None:
    function, traces = counted(jnp.sin)
    x = np.arange(3.0)
    np.testing.assert_allclose(jax.vmap(function)(x), np.sin(x))
    assert len(traces) == 1
    assert shelf.kept == {}


@jax.tree_util.register_pytree_node_class
class Picky:
    """A node that looks at its leaves."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def tree_flatten(self) -> tuple[tuple[Any], None]:
        """Its leaf."""
        return (self.value,), None

    @classmethod
    def tree_unflatten(cls, _: None, leaves: tuple[Any]) -> "Picky":
        """Of a number."""
        return cls(leaves[0] + 0)


def test_arguments_that_look_at_their_leaves_are_traced(shelf: Shelf) -> None:
    function, traces = counted(lambda picky: jnp.sin(picky.value))
    assert float(function(Picky(2.0))) == pytest.approx(np.sin(2.0))
    assert len(traces) == 1
    assert shelf.kept == {}


def test_its_shapes_are_known_without_a_call(shelf: Shelf) -> None:
    function, traces = counted(body)
    shapes = [function.shapes(*ARGUMENTS) for _ in range(2)]
    results = function(*ARGUMENTS)
    assert len(traces) == 1
    for one in shapes:
        assert jax.tree.map(lambda a: (a.shape, a.dtype), one) == jax.tree.map(lambda a: (a.shape, a.dtype), results)


def test_without_a_shelf_it_is_traced() -> None:
    function, traces = counted(jnp.sin)
    function(np.arange(3.0))
    function(np.arange(3.0))
    assert len(traces) == 1


def test_what_an_earlier_run_used_is_loaded_by_a_thread(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    function, _ = counted(body)
    first = function(*ARGUMENTS)
    read: list[str] = []

    def reading(place: str) -> bytes | None:
        read.append(place)
        return shelf.kept.get(place)

    another_process(monkeypatch)
    other = shelf.uses[0]._replace(place="of another time")
    program.load_ahead(reading, [other, *shelf.uses])
    loads = dict(program._AHEAD)
    assert loads[other.place].result(timeout=60) is None
    assert loads[shelf.uses[0].place].result(timeout=60) is not None
    again, traces = counted(body)
    monkeypatch.setattr(shelf, "read", None)  # nobody asks again
    jax.tree.map(np.testing.assert_array_equal, first, again(*ARGUMENTS))
    assert not traces
    assert read == [other.place, shelf.uses[0].place]
    program.load_ahead(reading, shelf.uses)  # which is ready
    assert len(read) == 2
    program._AHEAD.clear()


def test_a_program_that_cannot_be_loaded_ahead_is_made_anew(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    function, _ = counted(body)
    first = function(*ARGUMENTS)
    another_process(monkeypatch)
    wrong = shelf.uses[0]._replace(layouts=(None,))  # of another program
    program.load_ahead(shelf.read, [wrong])
    again, _ = counted(body)
    jax.tree.map(np.testing.assert_array_equal, first, again(*ARGUMENTS))
    assert not program._AHEAD


def test_who_asks_for_it_waits_until_it_is_loaded(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    function, _ = counted(body)
    first = function(*ARGUMENTS)
    another_process(monkeypatch)
    asked = threading.Event()

    def slow(place: str) -> bytes | None:
        assert asked.wait(60)
        time.sleep(0.2)  # by then somebody waits
        return shelf.kept.get(place)

    program.load_ahead(slow, shelf.uses)
    again, traces = counted(body)
    asked.set()
    jax.tree.map(np.testing.assert_array_equal, first, again(*ARGUMENTS))
    assert not traces
    assert not program._AHEAD


def test_it_is_compiled_for_shapes_before_it_is_called(shelf: Shelf) -> None:
    function, traces = counted(body)
    scale, values, count = ARGUMENTS
    returned = function.ahead(scale, {**values, "x": jax.ShapeDtypeStruct((5,), np.float64)}, count)
    first = function(*ARGUMENTS)
    [ready] = program._READY.values()
    assert len(ready._compiled) == 1
    assert len(traces) == len(shelf.kept) == 1
    expected = jax.tree.map(lambda a: (a.shape, a.dtype), first)
    assert jax.tree.map(lambda a: (a.shape, a.dtype), returned) == expected
    jax.tree.map(np.testing.assert_array_equal, first, jax.jit(body)(*ARGUMENTS))


def test_without_a_shelf_nothing_is_done_ahead() -> None:
    function, traces = counted(jnp.sin)
    assert function.ahead(np.arange(3.0)) is None
    assert not traces


def test_what_goes_wrong_ahead_is_raised_where_it_is_called(shelf: Shelf) -> None:
    def wrong(x: Any) -> Any:
        raise ValueError("no such thing")

    function = compiled(wrong)
    assert function.ahead(np.arange(3.0)) is None
    with pytest.raises(ValueError, match="no such thing"):
        function(np.arange(3.0))


def test_only_what_is_waited_for_counts_as_compilation() -> None:
    watch = clock.Clock()
    with clock.aside():
        jax.jit(lambda x: jnp.cos(x) * 3)(np.arange(7.0))
    watch.lap("sampling")
    assert (watch.programs, watch.seconds["compile"]) == (1, 0.0)
    with clock.waiting():
        time.sleep(0.01)
    watch.lap("sampling")
    assert (watch.programs, watch.seconds["compile"] >= 0.01) == (1, True)
