"""Hamiltonian Monte Carlo in coordinates that are learned during warm-up.

NumPyro's kernels move y, one flat vector with unit masses; the latents are z = T y (`metric`). Were y in parts, each
would be moved, and compiled, by itself. During warm-up the step size follows the acceptance rate by dual averaging
(Hoffman & Gelman 2014, section 3.2), and at the end of each window T is learned anew from all chains' draws and
gradients since half of the time so far, and the averaging begins again.
"""

import abc
import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self, override

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float, Int, PRNGKeyArray
from numpyro.infer import HMC
from numpyro.infer.hmc import HMCState
from numpyro.infer.hmc_util import dual_averaging
from numpyro.infer.util import ParamInfo

from credo.errors import ConfigError
from credo.inference.density import Values, potential, require_density
from credo.inference.mcmc import metric as metrics
from credo.inference.mcmc import metric_fit
from credo.inference.mcmc.descent import lowered
from credo.inference.mcmc.kernel import Kernel
from credo.inference.mcmc.layout import Layout, over_chains
from credo.inference.mcmc.metric import Metric
from credo.inference.program import compiled
from credo.inference.start import Start
from credo.models.binding import BoundModel
from credo.models.problem import Problem
from credo.ranges import Between, Positive

_FIRST_WINDOW, _GROWTH, _LAST_WINDOW, _LEAST_WINDOW = 10, 1.5, 0.85, 0.1
"""Windows end after ten draws, then after 1.5 times as many each time, and at 85 % of the warm-up, unless another has
ended less than 10 % before.
"""


_ARRIVED = 10
"""A chain has arrived when its potential is above the lowest by less than this times 100 and the number of latents."""

_LEAST_STEP = 1e-30

_TARGET, _MANY = 0.95, 20_000
"""The target of the acceptance rate where nothing else is set, and so many observed numbers make it `auto`."""


class HamiltonianState(NamedTuple):
    """The state of one chain.

    - **inner** - NumPyro's, of y = T^-1 z [dim].
    - **metric** - T.
    - **average** - of dual averaging.
    - **z** - the latents by site, unconstrained.
    - **length** - of trajectories, where that is learned, too.
    """

    inner: HMCState
    metric: Metric
    average: Any
    z: Values
    length: Any = None


class HamiltonianInfo(NamedTuple):
    """What a trajectory reports.

    - **diverging** - whether the energy exploded.
    - **n_steps** - leapfrogs.
    - **energy** - potential and kinetic, at the end.
    - **lp** - the log density in unconstrained space.
    - **acceptance_rate** - the mean acceptance probability of its points.
    - **step_size** - of the next trajectory.
    """

    diverging: Array
    n_steps: Array
    energy: Array
    lp: Array
    acceptance_rate: Array
    step_size: Array


_average_begins, _average_goes_on = dual_averaging()


class Hamiltonian(Kernel):
    """A kernel of HMC's kind; discrete latents are summed out.

    Attributes:
        target_accept: the acceptance rate to which the step size adapts; closer to 1 takes smaller steps. `auto`, of
            nuts and hmc: 0.8, and where a trial shows divergences or slow energies, 0.95, and then 0.99 (see `warmup`).
            `None`, of these two: 0.95, or `auto` where at least 20,000 numbers are observed, whose posterior is mostly
            close to a normal one, and whose gradients are dear.
        step_size: where its adaptation starts, in units of the metric; without warm-up it stays there.
        metric: what is learned of the posterior's shape: `diagonal`, a scale per latent scalar; `dense`, all
            correlations; `low_rank`, scales and a few strong directions; `auto`, of those with a scale per scalar what
            fits draws of the warm-up better that were held out: all correlations for up to 50 latent scalars, a few
            strong directions for up to 1,000, or scales alone.
    """

    target_accept: Between | str | None
    step_size: Positive
    metric: str = eqx.field(static=True)

    info: ClassVar[Any] = HamiltonianInfo
    takes_over: ClassVar[bool] = True
    early: ClassVar[int] = 0
    """Steps of the warm-up in which trajectories are shorter."""
    rising: ClassVar[tuple[float, ...]] = ()
    """The targets of `target_accept=auto`."""

    def __check_init__(self) -> None:
        is_open = self.target_accept is None or isinstance(self.target_accept, str)
        if is_open and not (self.rising and self.target_accept in ("auto", None)):
            words = ", or auto" if self.rising else ""
            raise ConfigError(
                f"target_accept: expected a number between 0 and 1{words}, but got {self.target_accept!r}"
            )
        if self.metric not in ("auto", *metrics.KINDS):
            raise ConfigError(f"metric: expected auto, {', '.join(metrics.KINDS)}, but got {self.metric!r}")

    @property
    @override
    def targets(self) -> tuple[float, ...]:
        if isinstance(self.target_accept, str):
            return self.rising
        return (_TARGET if self.target_accept is None else self.target_accept,)

    @override
    def aimed(self, target: float | str) -> Self:
        return eqx.tree_at(lambda kernel: kernel.target_accept, self, target, is_leaf=lambda leaf: leaf is None)

    @override
    def suited(self, problem: Problem) -> Self:
        if self.target_accept is not None:
            return self
        observed = sum(math.prod(site.shape) for site in problem.named("observed"))
        return self.aimed("auto" if observed >= _MANY else _TARGET)

    @property
    def least_step(self) -> Any:
        """The smallest step size to which it adapts."""
        return _LEAST_STEP

    @abc.abstractmethod
    def numpyro_kernel(self, energy: Any) -> HMC:
        """NumPyro's kernel for a potential, with unit masses, adapting nothing."""

    def init(self, program: BoundModel, start: Start, key: PRNGKeyArray, warmup: int) -> HamiltonianState:
        """Begin downhill from the starting point, with a metric from the gradient there."""
        energy = potential(program)
        flat, unravel = ravel_pytree(start.z)
        flat, height, gradient = lowered(lambda z: energy(unravel(z)), flat)
        metric = metrics.from_gradient(self.metric, gradient if warmup else jnp.ones_like(gradient))
        known = ParamInfo(metric.backward(flat), height, metric.pull(gradient))
        _, inner = self._started(lambda z: energy(unravel(z)), metric, known, key)
        average = _average_begins(jnp.log(10 * jnp.asarray(self.step_size, inner.energy.dtype)))
        return HamiltonianState(inner, metric, average, unravel(metric.forward(inner.z)))

    def step(self, program: BoundModel, state: HamiltonianState, warmup: int) -> tuple[HamiltonianState, Any]:
        """One trajectory, and during warm-up another step size."""
        # NumPyro's kernels keep what `sample` needs as attributes that `init` sets; its numbers are not used.
        known = ParamInfo(state.inner.z, state.inner.potential_energy, state.inner.z_grad)
        kernel, _ = self._started(flat_potential(program, state), state.metric, known, jax.random.PRNGKey(0), warmup)
        inner = kernel.sample(state.inner, (), {})
        state = self.tuned(state, inner, inner.accept_prob, warmup)
        return state, self.reported(state)

    def tuned(self, state: HamiltonianState, inner: HMCState, rate: Float[Array, ""], warmup: int) -> HamiltonianState:
        """The state after a trajectory, during warm-up with another step size by the acceptance rate."""
        average = _average_goes_on(self.targets[0] - rate, state.average)
        log_step = jnp.where(inner.i < warmup, average[0], average[1])
        step = _bounded(jnp.exp(log_step), self.least_step)
        adapting = inner.i <= warmup
        average = jax.tree.map(partial(jnp.where, adapting), average, state.average)
        adapt = inner.adapt_state
        adapt = adapt._replace(step_size=jnp.where(adapting, step, adapt.step_size))
        z = in_sites(state, state.metric.forward(inner.z))
        return state._replace(inner=inner._replace(adapt_state=adapt), average=average, z=z)

    def _started(
        self, energy: Any, metric: Metric, known: ParamInfo, key: PRNGKeyArray, warmup: int = 0
    ) -> tuple[HMC, HMCState]:
        """NumPyro's kernel in coordinates y = T^-1 z, and its state at a point; its own warm-up are the early steps."""
        kernel = self.numpyro_kernel(lambda y: energy(metric.forward(y)))
        return kernel, kernel.init(key, min(self.early, warmup), known, (), {})

    def reported(self, state: HamiltonianState) -> Any:
        """The Info of the step that ended in a state."""
        return HamiltonianInfo(
            diverging=state.inner.diverging,
            n_steps=state.inner.num_steps,
            energy=state.inner.energy,
            lp=-state.inner.potential_energy,
            acceptance_rate=state.inner.accept_prob,
            step_size=state.inner.adapt_state.step_size,
        )

    def log_density(self, state: HamiltonianState) -> Float[Array, ""]:
        """Minus the potential energy."""
        return -state.inner.potential_energy

    def is_finite(self, state: HamiltonianState) -> Bool[Array, ""]:
        """Whether density and gradient are finite."""
        return jnp.isfinite(state.inner.potential_energy) & jnp.all(jnp.isfinite(state.inner.z_grad))

    def check(self, problem: Problem) -> None:
        """Refuse a problem without a continuous latent, or with a discrete one that cannot be summed out."""
        super().check(problem)
        problem.require_enumerable(self.name)
        require_density(problem, self.name)

    def windows(self, warmup: int) -> tuple[int, ...]:
        """The draws of the warm-up after which the metric is learned."""
        ends, end, last = [], float(_FIRST_WINDOW), _LAST_WINDOW * warmup
        while end <= last:
            ends.append(int(end))
            end *= _GROWTH
        if ends and last - ends[-1] > _LEAST_WINDOW * warmup:
            ends.append(int(last))
        return tuple(ends)

    def gradients(self, state: HamiltonianState) -> Float[Array, "dim"]:
        """The gradient of the potential with respect to z, flat."""
        return state.metric.push(state.inner.z_grad)

    def adapt_metric(
        self,
        states: Any,
        z: Float[np.ndarray, "chains draws dim"],
        gradients: Float[np.ndarray, "chains draws dim"],
        layout: Layout,
    ) -> Any:
        """With the metric learned from draws and gradients.

        A chain that is still far above the lowest one, or where the density is not finite, says nothing of the
        posterior's shape, and is left out.
        """
        height = np.asarray(states.inner.potential_energy)
        known = np.isfinite(height)
        if not known.any():
            return states
        low = known & (height - np.min(height, where=known, initial=np.inf) < _ARRIVED * (100 + z.shape[-1]))
        learned = metric_fit.fit(self.metric, z[low], gradients[low])
        return states if learned is None else _in_metric(layout, learned, layout.chains, states)

    @override
    def gathered(self, states: Any, layout: Layout) -> Any:
        if layout.chains == 1:
            return states
        return _in_metric(layout, metrics.shared(self.metric, states.metric), layout.chains, states)

    @override
    def suits(
        self, states: Any, z: Float[np.ndarray, "chains draws dim"], gradients: Float[np.ndarray, "chains draws dim"]
    ) -> float:
        return metric_fit.divergence(jax.tree.map(lambda leaf: np.asarray(leaf)[0], states.metric), z, gradients)

    @override
    def ahead(self, states: Any, layout: Layout) -> None:
        metric = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), states.metric)
        _in_metric.ahead(layout, metric, layout.chains, states)
        if self.settles:
            _settled.ahead(layout, states, self.least_step, layout.chains, layout.warmup)

    @override
    def settled(self, states: Any, layout: Layout) -> Any:
        return _settled(layout, states, self.least_step, layout.chains, layout.warmup)

    @override
    def warmed(self, states: Any, step_size: float, steps: int, layout: Layout) -> Any:
        return _warmed(layout, states, step_size, layout.chains, steps)


@compiled
def _warmed(layout: Layout, states: HamiltonianState, step_size: Float[Array, ""], chains: int, steps: int) -> Any:
    """All chains after so many steps; dual averaging begins at the step size, or at that of each where it is 0."""

    def one(step_size: Float[Array, ""], state: HamiltonianState, steps: Int[Array, ""]) -> HamiltonianState:
        own = state.inner.adapt_state.step_size
        step = jnp.where(step_size > 0, step_size, own).astype(own.dtype)
        average = _average_begins(jnp.log(10.0) + jnp.log(step))
        return _after(state, step, steps)._replace(average=average)

    return over_chains(layout, one, step_size, chains, states, steps)


@compiled
def _settled(layout: Layout, states: HamiltonianState, least: Float[Array, ""], chains: int, steps: int) -> Any:
    """All chains after so many steps, each with the average of its step sizes."""

    def one(least: Float[Array, ""], state: HamiltonianState, steps: Int[Array, ""]) -> HamiltonianState:
        return _after(state, _bounded(jnp.exp(state.average[1]), least), steps)

    return over_chains(layout, one, least, chains, states, steps)


def _after(state: HamiltonianState, step_size: Float[Array, ""], steps: Int[Array, ""]) -> HamiltonianState:
    """One chain after so many steps, with a step size."""
    adapt = state.inner.adapt_state
    adapt = adapt._replace(step_size=step_size.astype(adapt.step_size.dtype))
    counted = jnp.asarray(steps, state.inner.i.dtype)
    return state._replace(inner=state.inner._replace(i=counted, adapt_state=adapt))


def _bounded(step: Float[Array, "*chains"], least: Any) -> Float[Array, "*chains"]:
    return jnp.clip(step, least, 1 / _LEAST_STEP)


def flat_potential(program: BoundModel, state: HamiltonianState) -> Callable[[Array], Array]:
    """The potential of flat latents z [dim]."""
    energy = potential(program)
    return lambda z: energy(in_sites(state, z))


def in_sites(state: HamiltonianState, z: Float[Array, "dim"]) -> Values:
    """Flat latents by site."""
    sites: Values = ravel_pytree(state.z)[1](z)
    return sites


@compiled
def _in_metric(layout: Layout, metric: Metric, chains: int, states: HamiltonianState) -> HamiltonianState:
    """The same chains in other coordinates; dual averaging begins again."""

    def one(metric: Metric, state: HamiltonianState) -> HamiltonianState:
        z, gradient = state.metric.forward(state.inner.z), state.metric.push(state.inner.z_grad)
        inner = state.inner._replace(z=metric.backward(z), z_grad=metric.pull(gradient))
        average = _average_begins(jnp.log(10.0) + jnp.log(inner.adapt_state.step_size))
        return HamiltonianState(inner, metric, average, in_sites(state, metric.forward(inner.z)), state.length)

    moved: HamiltonianState = over_chains(layout, one, metric, chains, states)
    return moved
