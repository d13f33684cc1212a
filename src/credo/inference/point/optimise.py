"""The driver of all point estimates: several starts, one compiled step loop, and a look at the best mode.

The optimiser works on unconstrained coordinates, on the log density that the method names. L-BFGS (Liu & Nocedal 1989,
with a zoom line search) uses all data; Adam (Kingma & Ba 2015) may use minibatches of rows. Failure is a status, not a
NaN: a start that meets an infinite density keeps its last finite point.
"""

import abc
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from credo import memory
from credo.errors import ConfigError, Interrupted
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener, Snapshot
from credo.inference.calls import Call, Calls, alone
from credo.inference.clock import Clock
from credo.inference.density import Program, ScaledLikelihood, Values, require_density
from credo.inference.evaluate import evaluate
from credo.inference.point.curvature import Curvature, inspect
from credo.inference.result import Cost, Result, Status
from credo.inference.start import find_continuous, not_found
from credo.inference.state import packed, unpacked
from credo.models.problem import BoundModel, Problem
from credo.ranges import Count, Positive

_CLASSES = {"BernoulliLogits", "BernoulliProbs", "BinomialLogits", "BinomialProbs", "CategoricalLogits"}
_CLASSES |= {"CategoricalProbs", "MultinomialLogits", "MultinomialProbs", "OrderedLogistic"}
"""The distributions of observed classes, which the latents may separate."""


class StartState(NamedTuple):
    """One start of the optimiser.

    - **z** - latents by site, unconstrained.
    - **optimiser** - optax's state.
    - **objective** - log density at z, of all rows (of `adam`: as of the last block's end).
    - **gradient**, **gradient_norm** - its gradient, and the largest component of that in absolute value.
    - **steps** - steps so far.
    - **evaluations** - gradients so far.
    - **finite** - False once the density stopped being finite; z is the last point where it was.
    - **rng_key** - for minibatches.
    """

    z: Values
    optimiser: Any
    objective: Array
    gradient: Values
    gradient_norm: Array
    steps: Array
    evaluations: Array
    finite: Array
    rng_key: Array


class PointEstimate(eqx.Module):
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

    method: ClassVar[str]

    def __check_init__(self) -> None:
        if self.optimiser not in ("lbfgs", "adam"):
            raise ConfigError(f"optimiser: expected lbfgs or adam, but got {self.optimiser!r}")
        if self.batch_size is not None and self.optimiser != "adam":
            raise ConfigError("batch_size: minibatches need optimiser=adam, but the optimiser is lbfgs")

    @abc.abstractmethod
    def log_density(self, program: Program, z: Values) -> Array:
        """What is maximised, as a function of the unconstrained latents."""

    def check(self, problem: Problem) -> None:
        """Refuse what cannot be differentiated, or cannot be cut into minibatches."""
        problem.check()
        problem.require_enumerable(self.method)
        require_density(problem, self.method)
        if problem.training is not None:
            problem.training.check(problem)
        else:
            problem.require_normalised(f"inference={self.method} without a training")
            scalars = sum(math.prod(site.shape) for site in problem.latents)
            memory.require(f"inference.starts={self.starts}", 40 * self.starts * scalars)
        if self.batch_size is None:
            return
        rows = problem.data.sizes.get(problem.row_dim, 0)
        if self.batch_size > rows:
            raise ConfigError(f"inference.batch_size: expected at most the {rows} rows, but got {self.batch_size}")
        for site in problem.latents:
            if problem.row_dim in problem.dims(site):
                raise ConfigError(
                    f"inference.batch_size: the latent {site.name} has a value per row; use inference.batch_size=null"
                )

    def run(
        self, problem: Problem, key: jax.Array, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
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

    def gains_by_company(self, problem: Problem) -> bool:
        """On a CPU only the steps of `adam`: line searches wait for the longest, and networks fill the CPU alone."""
        return jax.default_backend() != "cpu" or (self.optimiser == "adam" and problem.training is None)

    def calls(
        self, problem: Problem, key: jax.Array, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        if problem.training is not None:
            return (yield from problem.training.calls(self, problem, key, listener, checkpointer))
        clock = Clock()
        start_key, evaluation_key = jax.random.split(key)
        begin = Call(_start, self, problem.bound, jax.random.split(start_key, self.starts))
        kept = checkpointer.load()
        if kept is None:
            now = Position((yield begin))
            now = now._replace(began=float(np.max(np.asarray(now.states.objective), initial=-np.inf, where=now.finite)))
            if not now.finite.any():
                raise not_found(problem, f"any of the {self.starts} starts", jax.tree.map(lambda a: a[0], now.states.z))
        else:
            numbers, state = kept.numbers, unpacked(kept.arrays, jax.eval_shape(begin))
            now = Position(state, numbers.get("history", ()), numbers.get("began", -np.inf))
            for entry in now.history:
                self._tell(listener, entry)

        try:
            while not now.ended:
                now = self._after(now, (yield self._ahead(problem, now)), listener)
                if checkpointer.is_due():
                    checkpointer.save(now.kept())
        except (KeyboardInterrupt, Interrupted):
            checkpointer.save(now.kept())
            raise
        checkpointer.done(now.kept())
        states = now.states
        clock.lap("optimisation")
        objective = np.where(np.asarray(states.finite), np.asarray(states.objective), -np.inf)
        best = int(np.argmax(objective if np.any(np.isfinite(objective)) else np.asarray(states.objective)))
        found = jax.tree.map(lambda a: np.asarray(a)[best], states.z)
        curvature = inspect(self, problem, found)
        tree = evaluate(problem, {name: value[None, None] for name, value in found.items()}, {}, evaluation_key, 0)
        table, status = _judge(self, states, curvature, best)
        table.attrs["began"] = now.began
        table.attrs["classes"] = int(all(site.distribution in _CLASSES for site in problem.named("observed")))
        tree["optimisation"] = xr.DataTree(table)
        tree["standard_error"] = xr.DataTree(_standard_errors(problem, tree["posterior"].to_dataset(), curvature))
        clock.lap("evaluation")
        evaluations = int(np.sum(np.asarray(states.evaluations)))
        return Result(
            tree=tree,
            status=status,
            cost=Cost(clock.seconds, gradients=evaluations, density_evaluations=evaluations, programs=clock.programs),
            method=self.method,
            kind="point",
            sampled=problem.judged,
            observed=problem.informative,
            history=tuple(now.history),
        )

    def _ahead(self, problem: Problem, now: "Position") -> Call:
        """Some more steps of every start; those that converged or failed stay."""
        rows = problem.by_row if self.batch_size else ()
        return Call(_advance, self, rows, problem.bound, now.states, self._count(now))

    def _count(self, now: "Position") -> int:
        return min(max(self.steps // 10, 1), 100, self.steps - now.done)

    def _after(self, now: "Position", states: StartState, listener: Listener) -> "Position":
        entry: dict[str, Any] = {
            "done": now.done + self._count(now),
            "objective": float(np.max(np.asarray(states.objective))),
            "gradient_norm": float(np.min(np.asarray(states.gradient_norm))),
        }
        finished = self.optimiser == "lbfgs" and bool(np.all(np.asarray(_finished(self, states))))
        entry |= {"phase": "optimisation", "total": entry["done"] if finished else self.steps}
        self._tell(listener, entry)
        return now._replace(states=states, history=(*now.history, entry))

    def _tell(self, listener: Listener, entry: Mapping[str, Any]) -> None:
        numbers = {name: entry[name] for name in ("objective", "gradient_norm")}
        listener.progress("optimisation", entry["done"], entry["total"], numbers)


class Position(NamedTuple):
    """Where the optimiser is between two blocks.

    - **states** - of all starts.
    - **history** - what the listener was told, and of how many steps it was the `done`.
    - **began** - the highest log density of all starts before the first step.
    """

    states: StartState
    history: Sequence[Mapping[str, Any]] = ()
    began: float = -np.inf

    def kept(self) -> Snapshot:
        """As a checkpointer takes it."""
        return Snapshot(packed(self.states), {"history": self.history, "began": self.began})

    @property
    def finite(self) -> np.ndarray:
        """Of which starts the log density is finite [start]."""
        return np.asarray(self.states.finite)

    @property
    def done(self) -> int:
        """Steps so far."""
        return int(self.history[-1]["done"]) if self.history else 0

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return bool(self.history) and self.history[-1]["done"] >= self.history[-1]["total"]


def _value(method: PointEstimate, program: Program, z: Values) -> Array:
    return method.log_density(program, z)


def _optimiser(method: PointEstimate) -> optax.GradientTransformationExtraArgs:
    if method.optimiser == "lbfgs":
        return optax.lbfgs()
    schedule = optax.cosine_decay_schedule(method.learning_rate, method.steps)
    return optax.with_extra_args_support(optax.adam(schedule))


@jax.jit
def _start(method: PointEstimate, program: BoundModel, keys: Array) -> StartState:
    look = jax.value_and_grad(partial(_value, method, program))

    def start(key: Array, z: Values) -> StartState:
        value, gradient = look(z)
        state = StartState(
            z=z,
            optimiser=_optimiser(method).init(z),
            objective=value,
            gradient=gradient,
            gradient_norm=_norm(gradient),
            steps=jnp.array(0),
            evaluations=jnp.array(1),
            finite=_is_finite(value, gradient),
            rng_key=jax.random.fold_in(key, 1),
        )
        # Explicit types, as in what `_advance` returns: it is then compiled once.
        return jax.tree.map(lambda a: lax.convert_element_type(a, a.dtype), state)

    def from_prior(key: Array, jittered: Values) -> Values:
        z = find_continuous(program, key, "prior")
        return jax.tree.map(partial(jnp.where, _is_finite(*look(z))), z, jittered)

    z = jax.vmap(partial(find_continuous, program))(keys)
    half = (len(keys) + 1) // 2
    if half < len(keys):
        drawn = jax.vmap(from_prior)(keys[half:], jax.tree.map(lambda a: a[half:], z))
        z = jax.tree.map(lambda a, b: jnp.concatenate([a[:half], b]), z, drawn)
    return jax.vmap(start)(keys, z)


@partial(jax.jit, static_argnums=1)
def _advance(
    method: PointEstimate, rows: tuple[str, ...], program: BoundModel, states: StartState, count: int
) -> StartState:
    """At most `count` steps of every start; one that has finished stays."""
    step = partial(_step_lbfgs, method) if method.optimiser == "lbfgs" else partial(_step_adam, method, rows)

    def advance(state: StartState) -> StartState:
        last = state.steps + count
        state = lax.while_loop(lambda s: (s.steps < last) & ~_finished(method, s), partial(step, program), state)
        if method.optimiser == "lbfgs":
            return state
        objective, gradient = jax.value_and_grad(partial(_value, method, program))(state.z)
        finite = state.finite & _is_finite(objective, gradient)
        return state._replace(
            objective=objective,
            gradient=gradient,
            gradient_norm=_norm(gradient),
            finite=finite,
            evaluations=state.evaluations + 1,
        )

    return jax.vmap(advance)(states)


def _finished(method: PointEstimate, state: StartState) -> Array:
    converged = _converged(method, state) if method.optimiser == "lbfgs" else False
    return ~state.finite | converged


def _converged(method: PointEstimate, state: StartState) -> Array:
    return state.gradient_norm <= method.tolerance * jnp.maximum(1.0, jnp.abs(state.objective))


def _step_lbfgs(method: PointEstimate, program: BoundModel, state: StartState) -> StartState:
    """One step along the quasi-Newton direction; the line search has the value and gradient where it ends."""

    def loss(z: Values) -> Array:
        return -_value(method, program, z)

    downhill = jax.tree.map(jnp.negative, state.gradient)
    updates, optimiser = _optimiser(method).update(
        downhill, state.optimiser, state.z, value=-state.objective, grad=downhill, value_fn=loss
    )
    objective = -optax.tree.get(optimiser, "value")
    gradient = jax.tree.map(jnp.negative, optax.tree.get(optimiser, "grad"))
    tried = optax.tree.get(optimiser, "info").num_linesearch_steps
    new = state._replace(
        z=optax.apply_updates(state.z, updates),
        optimiser=optimiser,
        objective=objective,
        gradient=gradient,
        gradient_norm=_norm(gradient),
    )
    kept = _if_finite(_is_finite(objective, gradient), new, state)
    return kept._replace(evaluations=state.evaluations + tried)


def _step_adam(method: PointEstimate, rows: tuple[str, ...], program: BoundModel, state: StartState) -> StartState:
    """One step along the gradient of some rows."""
    key, batch_key = jax.random.split(state.rng_key)
    seen = _minibatch(method, rows, program, batch_key)
    value, gradient = jax.value_and_grad(lambda z: -_value(method, seen, z))(state.z)
    updates, optimiser = _optimiser(method).update(gradient, state.optimiser, state.z)
    new = state._replace(z=optax.apply_updates(state.z, updates), optimiser=optimiser)
    kept = _if_finite(_is_finite(value, gradient), new, state)
    return kept._replace(evaluations=state.evaluations + 1, rng_key=key)


def _if_finite(finite: Array, new: StartState, old: StartState) -> StartState:
    kept = jax.tree.map(partial(jnp.where, finite), new, old)
    return kept._replace(steps=old.steps + 1, finite=finite)


def _norm(gradient: Values) -> Array:
    return jnp.max(jnp.abs(ravel_pytree(gradient)[0]))


def _is_finite(value: Array, gradient: Values) -> Array:
    return jnp.isfinite(value) & jnp.isfinite(_norm(gradient))


def _minibatch(method: PointEstimate, rows: tuple[str, ...], program: BoundModel, key: Array) -> Program:
    if method.batch_size is None:
        return program
    total = program.arrays[rows[0]].shape[0]
    chosen = jax.random.choice(key, total, (method.batch_size,), replace=False)
    return ScaledLikelihood(program.of_rows(chosen, rows), total / method.batch_size)


def _judge(method: PointEstimate, states: StartState, curvature: Curvature, best: int) -> tuple[xr.Dataset, Status]:
    """The table of starts, and the status of the best."""
    z = np.stack(
        [ravel_pytree(jax.tree.map(lambda a, i=i: np.asarray(a)[i], states.z))[0] for i in range(method.starts)]
    )
    finite, converged = np.asarray(states.finite), np.asarray(_converged(method, states))
    near = curvature.newton_decrement < 0.01
    converged = finite & (converged | ((np.arange(method.starts) == best) & near))
    table = xr.Dataset(
        {
            "objective": ("start", np.asarray(states.objective)),
            "gradient_norm": ("start", np.asarray(states.gradient_norm)),
            "converged": ("start", converged),
            "distance": ("start", curvature.distances(z, z[best])),
            "hessian_eigenvalues": ("eigenvalue", curvature.eigenvalues),
            "fall": (("direction", "side"), curvature.falls),
        },
        coords={
            "latent": ("direction", np.array([name for name, _ in curvature.along], str)),
            "grows": ("direction", np.array([grows for _, grows in curvature.along], bool)),
        },
        attrs=curvature.attributes() | {"best": best},
    )
    if not finite[best]:
        return table, Status.NOT_FINITE
    return table, Status.DONE if converged[best] else Status.NOT_CONVERGED


def _standard_errors(problem: Problem, posterior: xr.Dataset, curvature: Curvature) -> xr.Dataset:
    """The variables of the posterior without chain and draw; NaN where there is no standard error."""
    one = posterior.isel(chain=0, draw=0, drop=True)
    errors = {
        problem.names.variable(name): values[problem.unknown[name]] if name in problem.unknown else values
        for name, values in curvature.standard_errors.items()
    }
    return xr.Dataset(
        {
            name: (values.dims, errors.get(str(name), np.full(values.shape, np.nan)))
            for name, values in one.data_vars.items()
        },
        coords=one.coords,
    )
