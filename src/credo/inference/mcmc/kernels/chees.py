"""Hamiltonian Monte Carlo of many chains in step, whose trajectories learn their length by ChEES (`inference=chees`).

Hoffman, Radul and Sountsov (2021), "An adaptive MCMC scheme for setting trajectory lengths in Hamiltonian Monte Carlo",
AISTATS 130. All chains go equally far, h T, where h runs through a Halton sequence, so that none waits for another. In
warm-up T climbs the change in the estimator of the expected square,
ChEES = E[(|q' - E q'|^2 - |q - E q|^2)^2] / 4, from the starts q to the ends q' of trajectories, by Adam (section 3);
the step size leads the harmonic mean of the chains' acceptance probabilities to its target. The coordinates are learned
as those of HMC are.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int, PRNGKeyArray
from numpyro.infer import HMC
from numpyro.infer.hmc import HMCState

from credo.inference.mcmc.kernels.accept import accept
from credo.inference.mcmc.kernels.hamiltonian import Hamiltonian, HamiltonianState, flat_potential
from credo.inference.mcmc.layout import Layout, mean_of_chains, same_of_chains
from credo.inference.start import Start
from credo.models.binding import BoundModel
from credo.ranges import Positive

_MOST_STEPS = 1000
"""Leapfrogs of a trajectory, at most."""

_RATE, _MEMORY = 0.025, 0.95
"""Of Adam: the learning rate, of the log of the length, and the memory of squared gradients; that of gradients is 0."""

_AVERAGING = 0.5
"""The lengths of the warm-up are averaged with weights n^-0.5, the last of which are the largest."""

_DIVERGES = 1000.0
"""Nats of error in energy, as in NumPyro's HMC."""

_LEAST = 1e-10
"""Of an acceptance probability in the harmonic mean."""

_STARTS = range(8, 3, -1)
"""Points at which chains begin, where these share the chains evenly."""


class Length(NamedTuple):
    """The longest trajectory, the same of all chains.

    - **log** - log T.
    - **average** - of log T so far.
    - **square** - Adam's average of squared gradients.
    - **steps** - of Adam so far.
    """

    log: Array
    average: Array
    square: Array
    steps: Array


class CheesInfo(NamedTuple):
    """What a trajectory reports.

    - **diverging** - whether the energy exploded.
    - **n_steps** - gradients.
    - **lp** - the log density in unconstrained space.
    - **acceptance_rate** - the acceptance probability of its end.
    - **step_size** - of the next trajectory.
    - **trajectory_length** - the longest that the next one may be.
    """

    diverging: Array
    n_steps: Array
    lp: Array
    acceptance_rate: Array
    step_size: Array
    trajectory_length: Array


class Chees(Hamiltonian):
    """ChEES-HMC.

    Attributes:
        trajectory_length: where its adaptation starts, in units of the metric; without warm-up it stays there.
    """

    trajectory_length: Positive

    info: ClassVar[Any] = CheesInfo
    takes_over: ClassVar[bool] = False  # it learns the length of trajectories, too
    chain_method: ClassVar[str] = "vectorized"
    learns_across: ClassVar[bool] = True

    def numpyro_kernel(self, energy: Any) -> HMC:
        """NumPyro's state and its start."""
        return HMC(potential_fn=energy, step_size=self.step_size, adapt_step_size=False, adapt_mass_matrix=False)

    def init(self, program: BoundModel, start: Start, key: PRNGKeyArray, warmup: int) -> HamiltonianState:
        """As of HMC, with the first length."""
        state = super().init(program, start, key, warmup)
        log = jnp.log(jnp.asarray(self.trajectory_length, state.inner.potential_energy.dtype))
        return state._replace(length=Length(log, log, jnp.zeros_like(log), jnp.array(0)))

    def step(self, program: BoundModel, state: HamiltonianState, warmup: int) -> tuple[HamiltonianState, CheesInfo]:
        """One trajectory, and during warm-up another step size and length."""
        energy = flat_potential(program, state)
        learning = same_of_chains(state.inner.i) < warmup
        log_length = same_of_chains(jnp.where(learning, state.length.log, state.length.average))
        inner, slope = _trajectory(lambda y: energy(state.metric.forward(y)), state.inner, jnp.exp(log_length))
        rate = 1 / mean_of_chains(1 / jnp.maximum(inner.accept_prob, _LEAST))
        state = self.tuned(state, inner, rate, warmup)
        step_size = same_of_chains(state.inner.adapt_state.step_size)
        longer = _longer(state.length, slope, jnp.log(step_size))
        length = jax.tree.map(lambda new, old: jnp.where(learning, new, old), longer, state.length)
        state = state._replace(length=length)
        return state, self.reported(state)

    def reported(self, state: HamiltonianState) -> CheesInfo:
        """The Info of the trajectory that ended in a state."""
        inner, length = state.inner, jnp.exp(state.length.average)
        step_size = inner.adapt_state.step_size
        return CheesInfo(
            inner.diverging, inner.num_steps, -inner.potential_energy, inner.accept_prob, step_size, length
        )

    def adapt_metric(self, states: Any, z: Any, gradients: Any, layout: Layout) -> Any:
        """As of HMC; in other coordinates the length begins anew, as the ends of too long trajectories tell little."""
        learned = super().adapt_metric(states, z, gradients, layout)
        if learned is states:
            return states
        log = jnp.full_like(states.length.log, math.log(self.trajectory_length))
        nothing = jnp.zeros_like(states.length.steps)
        return learned._replace(length=Length(log, log, jnp.zeros_like(log), nothing))

    def together(self, chains: int) -> int:
        """How many chains begin at each of some points: R-hat is the nested one, as chains are short."""
        return next((chains // starts for starts in _STARTS if chains % starts == 0), 1)


def _trajectory(
    energy: Callable[[Array], Array], state: HMCState, length: Float[Array, ""]
) -> tuple[HMCState, Float[Array, ""]]:
    """Go a share of the length, and accept the end or stay.

    Returns:
        The state after it, and the gradient of ChEES with respect to the log of the length.
    """
    key, momentum_key, accept_key = jax.random.split(state.rng_key, 3)
    here = state.z
    momentum = jax.random.normal(momentum_key, here.shape, here.dtype)
    slope = jax.value_and_grad(energy)
    share = halton(same_of_chains(state.i) + 1).astype(here.dtype)
    step = same_of_chains(state.adapt_state.step_size)
    count = jnp.clip(jnp.ceil(share * length / step), 1, _MOST_STEPS).astype(int)

    def leapfrog(_: Int[Array, ""], now: Any) -> Any:
        place, momentum, _, gradient = now
        momentum = momentum - step / 2 * gradient
        place = place + step * momentum
        height, gradient = slope(place)
        return place, momentum - step / 2 * gradient, height, gradient

    start = here, momentum, state.potential_energy, state.z_grad
    there, end, height, gradient = lax.fori_loop(0, count, leapfrog, start)
    error = height + jnp.sum(end**2) / 2 - state.potential_energy - jnp.sum(momentum**2) / 2
    after = accept(state, accept_key, (there, gradient, height), -error)
    after = after._replace(
        num_steps=jnp.broadcast_to(count, state.num_steps.shape).astype(state.num_steps.dtype),
        diverging=~(error <= _DIVERGES),
        rng_key=key,
    )
    return after, share * length * _chees_slope(here, there, end, after.accept_prob)


def _chees_slope(
    here: Float[Array, "dim"], there: Float[Array, "dim"], velocity: Float[Array, "dim"], weight: Float[Array, ""]
) -> Float[Array, ""]:
    """The gradient of ChEES with respect to the time of a trajectory, over all chains by their acceptance probability.

    It is the mean of (|q' - E q'|^2 - |q - E q|^2) (q' - E q') v', v' the velocity at the end.
    """
    good = (weight > 0) & jnp.all(jnp.isfinite(there)) & jnp.all(jnp.isfinite(velocity))
    weight = jnp.where(good, weight, 0.0)
    there, velocity = jnp.where(good, there, here), jnp.where(good, velocity, 0.0)
    total = jnp.maximum(mean_of_chains(weight), _LEAST)
    before = here - mean_of_chains(here)
    after = there - mean_of_chains(weight * there) / total
    own = (jnp.sum(after**2) - jnp.sum(before**2)) * jnp.dot(after, velocity)
    return mean_of_chains(weight * own) / total


def _longer(length: Length, slope: Float[Array, ""], log_step: Float[Array, ""]) -> Length:
    """The length after one step of Adam uphill; it has a leapfrog at least, and not too many."""
    slope, steps = jnp.where(jnp.isfinite(slope), slope, 0.0), length.steps + 1
    square = _MEMORY * length.square + (1 - _MEMORY) * slope**2
    spread = jnp.sqrt(square / (1 - _MEMORY**steps))
    log = length.log + _RATE * slope / jnp.where(spread > 0, spread, 1.0)
    log = jnp.clip(log, log_step, log_step + math.log(_MOST_STEPS))
    share = steps**-_AVERAGING
    return Length(log, length.average + share * (log - length.average), square, steps)


def halton(number: Int[Array, ""]) -> Float[Array, ""]:
    """The element of Halton's sequence in base 2: 1/2, 1/4, 3/4, 1/8, ... for 1, 2, 3, 4, ...

    Example:
        >>> [float(halton(jnp.array(n))) for n in (1, 2, 3, 4)]
        [0.5, 0.25, 0.75, 0.125]
    """
    places = jnp.arange(31)
    return jnp.sum(((number >> places) & 1) * 0.5 ** (places + 1))
