"""The calls of compiled programs on which an inference spends its time: one by one, or those of many runs together.

A method is written as a generator, its `Calls`, which yields one, is sent what it returns, and ends with the `Result`.
`alone` makes the calls as they come. `batched` has many runs wait for each other: calls of the same program whose
arguments have the same structure are stacked and made by one program, `jax.vmap` of it over the runs. `spread` has each
of many runs on a device of its own.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from credo.inference.result import Result

if TYPE_CHECKING:
    from credo.inference.base import Checkpointer, Listener
    from credo.models.problem import Problem


class Call:
    """A call of a compiled program, to be made by whoever drives the run.

    Args:
        function: a function of pytrees. Numbers of the type `int`, and words, must be the same in all calls that are
            made together; numbers of the type `float` and arrays may differ.
        args: its arguments.
    """

    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __call__(self) -> Any:
        """Make it."""
        return self.function(*self.args)


Calls = Generator[Call, Any, Result]


@runtime_checkable
class Shareable(Protocol):
    """An inference method whose calls can be made together with those of other runs."""

    @property
    def in_step(self) -> bool:
        """Whether its chains or starts advance in step."""
        ...

    def gains_by_batching(self, problem: "Problem") -> bool:
        """Whether many runs take less time together than one after another, and find what each finds alone."""
        ...

    def check(self, problem: "Problem") -> None:
        """As `base.Inference.check`."""
        ...

    def calls(self, problem: "Problem", key: jax.Array, listener: "Listener", checkpointer: "Checkpointer") -> Calls:
        """As `base.Inference.run`, by whoever makes the calls."""
        ...


def alone[R](calls: Generator[Call, Any, R]) -> R:
    """Make the calls of one run as they come."""
    answer = None
    while True:
        try:
            call = calls.send(answer)
        except StopIteration as end:
            result: R = end.value
            return result
        try:
            answer = call()
        except BaseException as error:
            calls.throw(error)  # keeps what there is, and raises it again
            raise


def batched(runs: Sequence[Calls]) -> list[Result | Exception]:
    """Make the calls of many runs, those that are alike by one program.

    Returns:
        For each run its result, or what it raised.
    """
    ended: dict[int, Result | Exception] = {}
    waiting: dict[int, Call] = {}
    programs: dict[Any, _Program] = {}

    def send(number: int, answer: Any) -> None:
        try:
            waiting[number] = runs[number].send(answer)
        except StopIteration as end:
            ended[number] = end.value
        except Exception as error:  # noqa: BLE001 - it is raised again where that run is asked for
            ended[number] = error

    for number in range(len(runs)):
        send(number, None)
    while waiting:
        alike: dict[Any, list[int]] = {}
        for number, call in waiting.items():
            alike.setdefault(_kind(call), []).append(number)
        calls, waiting = waiting, {}
        for kind, numbers in alike.items():
            program = programs.setdefault(kind, _Program(len(numbers)))
            for number, answer in zip(numbers, program([calls[number] for number in numbers]), strict=True):
                send(number, answer)
    return [ended[number] for number in range(len(runs))]


def spread(runs: Sequence[Calls], devices: Sequence[jax.Device]) -> list[Result | Exception]:
    """Make the calls of many runs, each on a device of its own: one computes while the host looks at another.

    Returns:
        For each run its result, or what it raised.
    """
    ended: dict[int, Result | Exception] = {}
    answers: dict[int, Any] = dict.fromkeys(range(len(runs)))
    while answers:
        for number, answer in list(answers.items()):
            try:
                with jax.default_device(devices[number]):
                    answers[number] = runs[number].send(answer)()
                continue
            except StopIteration as end:
                ended[number] = end.value
            except Exception as error:  # noqa: BLE001 - it is raised again where that run is asked for
                ended[number] = error
            del answers[number]
    return [ended[number] for number in range(len(runs))]


def _kind(call: Call) -> Any:
    """What calls have in common that are made together."""
    leaves, structure = jax.tree.flatten(call.args)
    return call.function, structure, tuple(map(_form, leaves))


def _form(leaf: Any) -> Any:
    if isinstance(leaf, float):
        return float
    if isinstance(leaf, str | int):
        return leaf
    return np.shape(leaf), leaf.dtype, getattr(leaf, "weak_type", False)


@dataclass
class _Program:
    """A program over the calls of one kind, which is compiled once though runs end at different times.

    Attributes:
        width: how many calls it makes at once; where fewer are left, the first of them is made several times.
        own: the arguments (numbers of leaves) that differ between runs, or did once.
    """

    width: int
    own: set[int] = field(default_factory=set)
    _same: dict[int, list[Any]] = field(default_factory=dict)  # arguments known to be equal

    def __call__(self, calls: Sequence[Call]) -> list[Any]:
        if self.width == 1:
            return [call() for call in calls]
        answers: list[Any] = []
        for first in range(0, len(calls), self.width):
            some = calls[first : first + self.width]
            leaves = [jax.tree.leaves(call.args) for call in some]
            self.own |= {place for place, values in enumerate(zip(*leaves, strict=True)) if self._differ(place, values)}
            leaves += leaves[:1] * (self.width - len(some))
            if not self.own:
                answers += [some[0]()] * len(some)  # runs that ask the same
                continue
            own = tuple(sorted(self.own))
            words = tuple((i, leaf) for i, leaf in enumerate(leaves[0]) if isinstance(leaf, str))
            fixed = dict(words)
            shared = {i: leaf for i, leaf in enumerate(leaves[0]) if i not in self.own and i not in fixed}
            theirs = [[one[i] for i in own] for one in leaves]
            structure = jax.tree.structure(some[0].args)
            answers += _over_runs(some[0].function, structure, words, own, shared, theirs)[: len(some)]
        return answers

    def _differ(self, place: int, values: Sequence[Any]) -> bool:
        if place in self.own or isinstance(values[0], str | int):
            return False
        before = self._same.get(place, [])
        if len(before) == len(values) and all(map(is_, before, values)):
            return False
        first = np.asarray(values[0])
        if any(one is not values[0] and not np.array_equal(first, one, equal_nan=True) for one in values[1:]):
            return True
        self._same[place] = list(values)
        return False


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _over_runs(
    function: Any,
    structure: Any,
    words: tuple[tuple[int, str], ...],
    own: tuple[int, ...],
    shared: dict[int, Any],
    theirs: list[list[Any]],
) -> list[Any]:
    """The answers of all runs.

    Args:
        function: of one run.
        structure: of its arguments.
        words: arguments that are words, by place.
        own: places of the arguments of which each run has its own.
        shared: all others, by place.
        theirs: by run, those in the order of `own`.
    """

    def one(mine: list[Any]) -> Any:
        leaves = shared | dict(words) | dict(zip(own, mine, strict=True))
        return function(*jax.tree.unflatten(structure, [leaves[i] for i in range(len(leaves))]))

    stacked = [jnp.stack(leaves) for leaves in zip(*theirs, strict=True)]
    answers = jax.vmap(one)(stacked)
    return [jax.tree.map(lambda a, i=i: a[i], answers) for i in range(len(theirs))]
