"""The driver of all point estimates: several starts, one compiled step loop, and a look at the best mode.

The optimiser (`lbfgs`, `adam`) works on unconstrained coordinates, on the log density that the method names.
"""

import abc
import math
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array, lax
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped

from credo import memory
from credo.config.naming import Named
from credo.errors import ConfigError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener, Snapshot
from credo.inference.calls import Call, Calls, alone
from credo.inference.clock import Clock
from credo.inference.density import Program, Values, require_density
from credo.inference.evaluate import evaluate
from credo.inference.kind import Kind
from credo.inference.point import batches
from credo.inference.point.adam import Adam
from credo.inference.point.curvature import inspect
from credo.inference.point.derivatives import LogDensity
from credo.inference.point.lbfgs import Lbfgs
from credo.inference.point.optimiser import Optimiser, StartState, is_finite, norm
from credo.inference.point.table import are_classes, judge, standard_errors
from credo.inference.result import Cost, Result, Status
from credo.inference.resumable import Loop, resumable
from credo.inference.start import find_continuous, not_found
from credo.inference.state import packed, unpacked
from credo.models.binding import BoundModel
from credo.models.problem import Problem
from credo.ranges import Count, Positive


class PointEstimate(Named, eqx.Module):
    """A mode of a log density, with standard errors from its curvature; a model with networks is trained instead.

    Attributes:
        optimiser: `lbfgs` or `adam`.
        starts: how many random starts; they should agree.
        steps: at most so many steps per start (`adam` takes them all).
        tolerance: a start has converged when no component of the gradient is larger than this, times the log density
            where that is larger than one.
        learning_rate: of `adam`; it decays to zero by a cosine.
        batch_size: rows per step of `adam`; `None` for all.
    """

    optimiser: str = eqx.field(static=True)
    starts: Count = eqx.field(static=True)
    steps: Count = eqx.field(static=True)
    tolerance: Positive
    learning_rate: Positive
    batch_size: Count | None = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.optimiser not in ("lbfgs", "adam"):
            raise ConfigError(f"optimiser: expected lbfgs or adam, but got {self.optimiser!r}")
        if self.batch_size is not None and self.optimiser != "adam":
            raise ConfigError("batch_size: minibatches need optimiser=adam, but the optimiser is lbfgs")

    def kind(self, problem: Problem) -> Kind:
        """What its answer is made of."""
        return Kind.POINT if problem.training is None else Kind.TRAINED

    @abc.abstractmethod
    def log_density(self, program: Program, z: Values) -> Float[Array, ""]:
        """What is maximised, as a function of the unconstrained latents."""

    @property
    def algorithm(self) -> Optimiser:
        """The optimiser with its settings."""
        if self.optimiser == "lbfgs":
            return Lbfgs(self.tolerance)
        return Adam(self.learning_rate, self.steps, self.batch_size)

    def check(self, problem: Problem) -> None:
        """Refuse what cannot be differentiated, or cannot be cut into minibatches."""
        problem.check()
        problem.require_enumerable(self.name)
        require_density(problem, self.name)
        if problem.training is not None:
            problem.training.check(problem)
        else:
            problem.require_normalised(f"inference={self.name} without a training")
            scalars = sum(math.prod(site.shape) for site in problem.latents)
            memory.require(f"inference.starts={self.starts}", 40 * self.starts * scalars)
        if self.batch_size is not None:
            batches.require_rows(problem, self.batch_size)

    def run(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Result:
        """Find the mode.

        Raises:
            RunError: no start has a finite log density.
        """
        return alone(self.calls(problem, key, listener, checkpointer))

    @property
    def in_step(self) -> bool:
        """All starts take their steps together."""
        return True

    def gains_by_batching(self, problem: Problem) -> bool:
        """On a CPU only the steps of `adam`: line searches wait for the longest, and networks fill the CPU alone."""
        return jax.default_backend() != "cpu" or (self.optimiser == "adam" and problem.training is None)

    def calls(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        if problem.training is not None:
            return (yield from problem.training.calls(self, problem, key, listener, checkpointer))
        clock = Clock()
        start_key, evaluation_key = jax.random.split(key)
        now = yield from resumable(OptimiserLoop(self, problem, start_key, listener), checkpointer)
        clock.lap("optimisation")
        tree, status = self._evaluated(problem, now, evaluation_key)
        clock.lap("evaluation")
        evaluations = int(np.sum(np.asarray(now.states.evaluations)))
        return Result(
            tree=tree,
            status=status,
            cost=Cost(clock.seconds, gradients=evaluations, density_evaluations=evaluations, programs=clock.programs),
            method=self.name,
            kind=Kind.POINT,
            sampled=problem.judged,
            observed=problem.informative,
            unread=problem.unread,
            history=tuple(now.history),
        )

    def _evaluated(self, problem: Problem, now: "OptimiserState", key: PRNGKeyArray) -> tuple[xr.DataTree, Status]:
        """The best mode and its curvature as a tree, and how its start ended."""
        states = now.states
        objective = np.where(now.finite, np.asarray(states.objective), -np.inf)
        best = int(np.argmax(objective if np.any(np.isfinite(objective)) else np.asarray(states.objective)))
        mode = jax.tree.map(lambda a: np.asarray(a)[best], states.z)
        curvature = inspect(self, problem, mode)
        tree = evaluate(problem, {name: value[None, None] for name, value in mode.items()}, {}, key, 0)
        table, status = judge(self.tolerance, states, curvature, best)
        table.attrs |= {"began": now.began, "classes": int(are_classes(problem))}
        tree["optimisation"] = xr.DataTree(table)
        tree["standard_error"] = xr.DataTree(standard_errors(problem, tree["posterior"].to_dataset(), curvature))
        return tree, status


class Climb(LogDensity, Protocol):
    """What is maximised, and how."""

    @property
    def starts(self) -> int:
        """How many random starts."""
        ...

    @property
    def steps(self) -> int:
        """At most so many per start."""
        ...

    @property
    def algorithm(self) -> Optimiser:
        """The optimiser with its settings."""
        ...


class OptimiserState(NamedTuple):
    """Where the optimiser is between two blocks.

    - **states** - of all starts.
    - **history** - what the listener heard, and of how many steps it was the `done`.
    - **began** - the highest log density of all starts before the first step.
    """

    states: StartState
    history: Sequence[Mapping[str, Any]] = ()
    began: float = -np.inf

    @property
    def finite(self) -> Bool[np.ndarray, "start"]:
        """Of which starts the log density is finite."""
        return np.asarray(self.states.finite)

    @property
    def done(self) -> int:
        """Steps so far."""
        return int(self.history[-1]["done"]) if self.history else 0

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return bool(self.history) and self.history[-1]["done"] >= self.history[-1]["total"]


class OptimiserLoop(Loop[OptimiserState]):
    """All starts of a point estimate, some steps at a time.

    Args:
        method: what is maximised, and how.
        problem: the model and its data.
        key: for the starts.
        listener: hears of each block of steps.

    Attributes:
        first: makes the states of all starts before their first step.
    """

    def __init__(self, method: Climb, problem: Problem, key: PRNGKeyArray, listener: Listener) -> None:
        self.method, self.problem, self.listener = method, problem, listener
        self.first = Call(_start, method, problem.bound, jax.random.split(key, method.starts))

    def begin(self) -> Generator[Call, Any, OptimiserState]:
        """The starts before their first step.

        Raises:
            RunError: none has a finite log density.
        """
        now = OptimiserState((yield self.first))
        if not now.finite.any():
            first = jax.tree.map(lambda a: a[0], now.states.z)
            raise not_found(self.problem, f"any of the {self.method.starts} starts", first)
        return now._replace(began=float(np.max(np.asarray(now.states.objective), initial=-np.inf, where=now.finite)))

    def restored(self, snapshot: Snapshot) -> OptimiserState:
        """The state of a snapshot, reported anew."""
        numbers, states = snapshot.numbers, unpacked(snapshot.arrays, jax.eval_shape(self.first))
        for entry in numbers["history"]:
            self._report(entry)
        return OptimiserState(states, numbers["history"], numbers["began"])

    def ahead(self, now: OptimiserState) -> Call | None:
        """Some more steps of every start; those that converged or failed stay."""
        if now.ended:
            return None
        rows = self.problem.by_row if self.method.algorithm.in_batches else ()
        return Call(_advance, self.method, rows, self.problem.bound, now.states, self._count(now))

    def after(self, now: OptimiserState, answer: StartState) -> OptimiserState:
        """The state after these steps."""
        finished = np.all(np.asarray(self.method.algorithm.is_finished(answer)))
        done = now.done + self._count(now)
        entry: dict[str, Any] = {
            "done": done,
            "objective": float(np.max(np.asarray(answer.objective))),
            "gradient_norm": float(np.min(np.asarray(answer.gradient_norm))),
            "phase": "optimisation",
            "total": done if finished else self.method.steps,
        }
        self._report(entry)
        return now._replace(states=answer, history=(*now.history, entry))

    def snapshot(self, now: OptimiserState) -> Snapshot:
        """The state as a checkpointer takes it."""
        return Snapshot(packed(now.states), {"history": now.history, "began": now.began})

    def _count(self, now: OptimiserState) -> int:
        """Steps in the next block."""
        steps = self.method.steps
        return min(max(steps // 10, 1), 100, steps - now.done)

    def _report(self, entry: Mapping[str, Any]) -> None:
        numbers = {name: entry[name] for name in ("objective", "gradient_norm")}
        self.listener.progress("optimisation", entry["done"], entry["total"], numbers)


@jax.jit
def _start(method: Climb, program: BoundModel, keys: Shaped[Array, "start ..."]) -> StartState:
    """All starts: half of them by jitter, the others at draws of the prior where the density is finite."""
    look = jax.value_and_grad(partial(method.log_density, program))

    def start(key: PRNGKeyArray, z: Values) -> StartState:
        value, gradient = look(z)
        state = StartState(
            z=z,
            optimiser=method.algorithm.init(z),
            objective=value,
            gradient=gradient,
            gradient_norm=norm(gradient),
            steps=jnp.array(0),
            evaluations=jnp.array(1),
            finite=is_finite(value, gradient),
            rng_key=jax.random.fold_in(key, 1),
        )
        # Explicit types, as in what `_advance` returns: it is then compiled once.
        return jax.tree.map(lambda a: lax.convert_element_type(a, a.dtype), state)

    def from_prior(key: PRNGKeyArray, jittered: Values) -> Values:
        z = find_continuous(program, key, "prior")
        return jax.tree.map(partial(jnp.where, is_finite(*look(z))), z, jittered)

    z = jax.vmap(partial(find_continuous, program))(keys)
    half = (len(keys) + 1) // 2
    if half < len(keys):
        drawn = jax.vmap(from_prior)(keys[half:], jax.tree.map(lambda a: a[half:], z))
        z = jax.tree.map(lambda a, b: jnp.concatenate([a[:half], b]), z, drawn)
    return jax.vmap(start)(keys, z)


@partial(jax.jit, static_argnums=1)
def _advance(
    method: Climb, rows: tuple[str, ...], program: BoundModel, states: StartState, count: int | Int[Array, ""]
) -> StartState:
    """At most `count` steps of every start; one that has finished stays."""
    algorithm = method.algorithm

    def advance(state: StartState) -> StartState:
        last = state.steps + count
        state = lax.while_loop(
            lambda s: (s.steps < last) & ~algorithm.is_finished(s),
            partial(algorithm.step, method, rows, program),
            state,
        )
        return algorithm.at_end(method, program, state)

    return jax.vmap(advance)(states)
