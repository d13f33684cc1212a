"""Hamiltonian Monte Carlo in coordinates that are learned during warm-up.

NumPyro's kernels move y with unit masses; the latents are z = T y (`metric`). During warm-up the step size follows the
acceptance rate by dual averaging (Hoffman & Gelman 2014, section 3.2), and at the end of each window T is learned anew
from all chains' draws and gradients since half of the time so far, and the averaging begins again.
"""

import abc
from functools import partial
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from numpyro.infer import HMC
from numpyro.infer.hmc import HMCState
from numpyro.infer.hmc_util import dual_averaging
from numpyro.infer.mcmc import MCMCKernel

from credo.errors import ConfigError
from credo.inference.density import Values, potential, require_density
from credo.inference.mcmc import metric as metrics
from credo.inference.mcmc.descent import lowered
from credo.inference.mcmc.mcmc import Chains
from credo.inference.mcmc.metric import Metric
from credo.inference.mcmc.programs import Stats, over_chains
from credo.inference.start import find_continuous
from credo.models.problem import BoundModel, Problem
from credo.ranges import Between, Positive

_FIRST_WINDOW, _GROWTH, _LAST_WINDOW, _LEAST_WINDOW = 10, 1.5, 0.85, 0.1
"""Windows end after ten draws, then after 1.5 times as many each time, and at 85 % of the warm-up, unless another has
ended less than 10 % before.
"""


_ARRIVED = 10
"""A chain has arrived when its potential is above the lowest by less than this times 100 and the number of latents."""

_LEAST_STEP = 1e-30


class Point(NamedTuple):
    """Where a chain starts: y by site, shaped like the latents z = T y, and T."""

    y: Values
    metric: Metric


class HamiltonianState(NamedTuple):
    """The state of one chain: NumPyro's, the metric, and that of dual averaging."""

    inner: HMCState
    metric: Metric
    average: Any


_average_begins, _average_goes_on = dual_averaging()


class Preconditioned(MCMCKernel):
    """A NumPyro kernel of HMC's kind, in coordinates y = T^-1 z, whose step size is adapted.

    Args:
        make: makes NumPyro's kernel from a potential; it must adapt nothing.
        energy: the potential of z.
        target_accept: the acceptance rate to which the step size adapts.
        step_size: at the start.
        least_step: the smallest to which it adapts.
    """

    sample_field = "inner.z"

    def __init__(self, make: Any, energy: Any, target_accept: Any, step_size: Any, least_step: Any) -> None:
        self._make, self._energy, self._target, self._step_size = make, energy, target_accept, step_size
        self._least_step = least_step
        self._num_warmup = 0

    def init(
        self, rng_key: Array, num_warmup: int, init_params: Point, model_args: Any, model_kwargs: Any
    ) -> HamiltonianState:
        """Begin at a point."""
        self._num_warmup = num_warmup
        self._kernel: HMC = self._make(lambda y: self._energy(transformed(init_params.metric.forward, y)))
        inner = self._kernel.init(rng_key, 0, init_params.y, model_args, model_kwargs)
        average = _average_begins(jnp.log(10 * jnp.asarray(self._step_size, inner.energy.dtype)))
        return HamiltonianState(inner, init_params.metric, average)

    def sample(self, state: HamiltonianState, model_args: Any, model_kwargs: Any) -> HamiltonianState:
        """One trajectory, and during warm-up another step size."""
        inner = self._kernel.sample(state.inner, model_args, model_kwargs)
        average = _average_goes_on(self._target - inner.accept_prob, state.average)
        log_step = jnp.where(inner.i < self._num_warmup, average[0], average[1])
        step = jnp.clip(jnp.exp(log_step), self._least_step, 1 / _LEAST_STEP)
        adapting = inner.i <= self._num_warmup
        average = jax.tree.map(partial(jnp.where, adapting), average, state.average)
        adapt = inner.adapt_state
        adapt = adapt._replace(step_size=jnp.where(adapting, step, adapt.step_size))
        return HamiltonianState(inner._replace(adapt_state=adapt), state.metric, average)

    def postprocess_fn(self, args: Any, kwargs: Any) -> Any:
        """Draws stay unconstrained."""
        del args, kwargs
        return lambda z: z


def transformed(function: Any, values: Values) -> Values:
    """Apply a function of a flat vector to values by site."""
    flat, unravel = ravel_pytree(values)
    return unravel(function(flat))


class Hamiltonian(Chains):
    """A sampler of HMC's kind; discrete latents are summed out.

    Attributes:
        target_accept: the acceptance rate to which the step size adapts; closer to 1 takes smaller steps.
        step_size: where its adaptation starts, in units of the metric; without warm-up it stays there.
        metric: what is learned of the posterior's shape: `diagonal`, a scale per latent scalar; `dense`, all
            correlations; `low_rank`, scales and a few strong directions; `auto`, of those with a scale per scalar what
            fits draws of the warm-up better that were held out: all correlations for up to 50 latent scalars, a few
            strong directions for up to 1,000, or scales alone.
    """

    target_accept: Between
    step_size: Positive
    metric: str = eqx.field(static=True)

    uses_gradients: ClassVar[bool] = True
    diverges: ClassVar[bool] = True

    def __check_init__(self) -> None:
        if self.metric not in ("auto", *metrics.KINDS):
            raise ConfigError(f"metric: expected auto, {', '.join(metrics.KINDS)}, but got {self.metric!r}")

    @property
    def least_step(self) -> Any:
        """The smallest step size to which it adapts."""
        return _LEAST_STEP

    @abc.abstractmethod
    def numpyro_kernel(self, energy: Any) -> HMC:
        """NumPyro's kernel for a potential, with unit masses, adapting nothing."""

    def check(self, problem: Problem) -> None:
        """Refuse a problem without a continuous latent, or with a discrete one that cannot be summed out."""
        super().check(problem)
        problem.require_enumerable(self.method)
        require_density(problem, self.method)

    def windows(self) -> tuple[int, ...]:
        """The draws of the warm-up after which the metric is learned."""
        ends, end, last = [], float(_FIRST_WINDOW), _LAST_WINDOW * self.warmup
        while end <= last:
            ends.append(int(end))
            end *= _GROWTH
        if ends and last - ends[-1] > _LEAST_WINDOW * self.warmup:
            ends.append(int(last))
        return tuple(ends)

    def kernel(self, program: BoundModel) -> Preconditioned:
        """Ours around NumPyro's."""
        return Preconditioned(
            self.numpyro_kernel, potential(program), self.target_accept, self.step_size, self.least_step
        )

    def begin(
        self, program: BoundModel, key: Array, mode: Values | None = None, from_prior: Array | None = None
    ) -> Point:
        """A point with a finite density and gradient, and a metric from its gradient."""
        z = find_continuous(program, key, self.start, self.start_values, from_prior) if mode is None else mode
        flat, unravel = ravel_pytree(z)
        flat, gradient = lowered(lambda z: potential(program)(unravel(z)), flat)
        z = unravel(flat)
        metric = metrics.from_gradient(self.metric, gradient if self.warmup else jnp.ones_like(gradient))
        return Point(transformed(metric.backward, z), metric)

    def point(self, state: HamiltonianState) -> Point:
        """Where the chain is."""
        return Point(state.inner.z, state.metric)

    def values(self, state: HamiltonianState) -> dict[str, Any]:
        """The position."""
        return transformed(state.metric.forward, state.inner.z)

    def trail(self, state: HamiltonianState) -> Array:
        """The gradient of the potential with respect to z, flat."""
        return state.metric.push(ravel_pytree(state.inner.z_grad)[0])

    def retuned(self, states: Any, z: np.ndarray, trail: np.ndarray) -> Any:
        """With the metric learned from draws and gradients [chains, draws, dim].

        A chain that is still far above the lowest one, or where the density is not finite, says nothing of the
        posterior's shape, and is left out.
        """
        height = np.asarray(states.inner.potential_energy)
        known = np.isfinite(height)
        if not known.any():
            return states
        low = known & (height - np.min(height, where=known, initial=np.inf) < _ARRIVED * (100 + z.shape[-1]))
        learned = metrics.fit(self.metric, z[low], trail[low])
        return states if learned is None else _in_metric(self, learned, self.chains, states)

    def log_density(self, state: HamiltonianState) -> Array:
        """Minus the potential energy."""
        return -state.inner.potential_energy

    def is_finite(self, state: HamiltonianState) -> Array:
        """Whether density and gradient are finite."""
        steep = ravel_pytree(state.inner.z_grad)[0]
        return jnp.isfinite(state.inner.potential_energy) & jnp.all(jnp.isfinite(steep))

    def stats(self, state: HamiltonianState) -> Stats:
        """Divergence, energy, steps and their size."""
        return {
            "diverging": state.inner.diverging,
            "n_steps": state.inner.num_steps,
            "energy": state.inner.energy,
            "lp": -state.inner.potential_energy,
            "acceptance_rate": state.inner.accept_prob,
            "step_size": state.inner.adapt_state.step_size,
        }


@jax.jit
def _in_metric(sampler: Hamiltonian, metric: Metric, chains: int, states: HamiltonianState) -> HamiltonianState:
    """The same chains in other coordinates; dual averaging begins again."""

    def one(metric: Metric, state: HamiltonianState) -> HamiltonianState:
        z = transformed(state.metric.forward, state.inner.z)
        gradient = transformed(state.metric.push, state.inner.z_grad)
        inner = state.inner._replace(z=transformed(metric.backward, z), z_grad=transformed(metric.pull, gradient))
        average = _average_begins(jnp.log(10.0) + jnp.log(inner.adapt_state.step_size))
        return HamiltonianState(inner, metric, average)

    moved: HamiltonianState = over_chains(sampler, one, metric, chains, states)
    return moved
