"""Microcanonical trajectories with a Metropolis test (`inference=mams`).

Robnik, Cohn-Gordon and Seljak (2025), "Metropolis adjusted microcanonical Hamiltonian Monte Carlo": a particle of unit
speed turns as the gradient pulls, and what the integration errs in energy decides whether its end is accepted. The
coordinates are learned as those of HMC are. In them, a quarter of a turn about a normal posterior is pi / 2 times the
root of their number long.
"""

import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int
from numpyro.infer import HMC
from numpyro.infer.hmc import HMCState

from credo.errors import ConfigError
from credo.inference.mcmc.kernels.accept import accept
from credo.inference.mcmc.kernels.hamiltonian import Hamiltonian, HamiltonianState
from credo.models.problem import Problem
from credo.ranges import Positive

LONGEST = 2**16
"""Steps of a trajectory at most, however small the step size becomes."""

_DIVERGES = 1000.0
"""Nats of error in energy, as in NumPyro's HMC."""


class MamsInfo(NamedTuple):
    """What a trajectory reports.

    - **diverging** - whether the energy exploded.
    - **n_steps** - gradients.
    - **lp** - the log density in unconstrained space.
    - **acceptance_rate** - the acceptance probability of its end.
    - **step_size** - of the next trajectory.
    """

    diverging: Array
    n_steps: Array
    lp: Array
    acceptance_rate: Array
    step_size: Array


class Mams(Hamiltonian):
    """Metropolis-adjusted microcanonical sampling.

    Attributes:
        trajectory_length: the mean distance that a trajectory goes, in units of the metric, over the root of the number
            of latent scalars; each is between half and three halves of it.
    """

    trajectory_length: Positive

    info: ClassVar[Any] = MamsInfo
    takes_over: ClassVar[bool] = False  # it learns the length of trajectories, too

    def numpyro_kernel(self, energy: Any) -> HMC:
        """NumPyro's state and its start, with microcanonical trajectories."""
        return _Trajectory(energy, self.step_size, self.trajectory_length)

    def reported(self, state: HamiltonianState) -> MamsInfo:
        """The Info of the trajectory that ended in a state."""
        inner = state.inner
        step_size = inner.adapt_state.step_size
        return MamsInfo(inner.diverging, inner.num_steps, -inner.potential_energy, inner.accept_prob, step_size)

    def check(self, problem: Problem) -> None:
        """Refuse a line, along which a particle of unit speed cannot turn."""
        super().check(problem)
        scalars = sum(math.prod(site.shape) for site in problem.latents if not site.discrete)
        if scalars < 2:
            raise ConfigError(
                "inference=mams moves with a speed that only turns, for which there must be two latent scalars at "
                "least, but the model has one; use inference=nuts"
            )


class _Point(NamedTuple):
    """A particle on its way; `gain` is that of its kinetic energy so far, in nats."""

    position: Float[Array, "dim"]
    velocity: Float[Array, "dim"]
    energy: Float[Array, ""]
    gradient: Float[Array, "dim"]
    gain: Float[Array, ""]


class _Trajectory(HMC):
    """A microcanonical trajectory in the place of a Hamiltonian one."""

    def __init__(self, energy: Any, step_size: Any, length: Any) -> None:
        super().__init__(
            potential_fn=energy, step_size=step_size, adapt_step_size=False, adapt_mass_matrix=False, num_steps=1
        )
        self._energy, self._length = energy, length

    def sample(self, state: HMCState, model_args: Any, model_kwargs: Any) -> HMCState:  # noqa: ARG002 - NumPyro's
        """Follow a trajectory, and accept its end or stay."""
        key, velocity_key, length_key, accept_key = jax.random.split(state.rng_key, 4)
        here = state.z
        step = state.adapt_state.step_size
        velocity = jax.random.normal(velocity_key, here.shape, here.dtype)
        start = _Point(
            here,
            velocity / jnp.linalg.norm(velocity),
            state.potential_energy,
            state.z_grad,
            jnp.zeros_like(state.potential_energy),
        )
        share = jax.random.uniform(length_key, (), here.dtype, 0.5, 1.5)
        length = share * self._length * jnp.sqrt(float(here.size))
        count = jnp.clip(jnp.ceil(length / step), 1, LONGEST).astype(int)
        end = self._followed(start, step, count)
        error = end.energy - start.energy + end.gain
        after = accept(state, accept_key, (end.position, end.gradient, end.energy), -error)
        return after._replace(
            num_steps=count.astype(state.num_steps.dtype),
            diverging=~(error <= _DIVERGES),
            rng_key=key,
        )

    def _followed(self, start: _Point, step: Float[Array, ""], count: Int[Array, ""]) -> _Point:
        """The point after so many steps: half a turn, a straight move, half a turn."""
        slope = jax.value_and_grad(self._energy)

        def one(_: Int[Array, ""], now: _Point) -> _Point:
            velocity, first = _turned(now.velocity, now.gradient, step / 2)
            position = now.position + step * velocity
            energy, gradient = slope(position)
            velocity, second = _turned(velocity, gradient, step / 2)
            return _Point(position, velocity, energy, gradient, now.gain + first + second)

        return lax.fori_loop(0, count, one, start)


def _turned(
    velocity: Float[Array, "dim"], gradient: Float[Array, "dim"], time: Float[Array, ""]
) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
    """The unit velocity after the potential's gradient has pulled for a time, and the gain in kinetic energy.

    With e the direction of the force and delta = time |gradient| / (dim - 1) the velocity becomes u + e (sinh delta +
    (e u)(cosh delta - 1)), scaled to one, and the gain is (dim - 1) log(cosh delta + (e u) sinh delta). Both are
    computed from exp(-delta), which does not overflow.
    """
    norm = jnp.linalg.norm(gradient)
    force = -gradient / jnp.where(norm > 0, norm, 1.0)
    along = jnp.dot(force, velocity)
    others = len(velocity) - 1
    delta = time * norm / others
    small = jnp.exp(-delta)
    new = force * (1 - small) * (1 + small + along * (1 - small)) + 2 * small * velocity
    scale = 1 + along + (1 - along) * small**2
    return new / jnp.linalg.norm(new), others * (delta + jnp.log(scale) - jnp.log(2.0))
