"""Langevin dynamics with a replay buffer (Du & Mordatch 2019; Nijkamp et al. 2020)."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.energies.samplers.base import Sampler
from credo.energies.samplers.langevin import Langevin as Unadjusted
from credo.energies.samplers.mala import Mala
from credo.errors import ConfigError
from credo.inference.training.contrastive import Negatives
from credo.inference.training.descent import Batch
from credo.inference.training.pcd import Pcd, restarted
from credo.models.energy_distribution import EnergyDistribution
from credo.models.problem import Problem
from credo.ranges import NonNegative, Positive, Steps


class Langevin(Pcd):
    """As `Pcd`, of as many states as a batch has rows, taken at random from a buffer of `chains` and put back.

    Attributes:
        steps: of Langevin dynamics in every step of the training.
        step_size: of the dynamics, in units of the state.
        noise: times the noise of the dynamics; 1 is exact, less makes it an optimiser.
        adjusted: whether steps are accepted or rejected (MALA), and the step size adapts.
    """

    steps: Steps = eqx.field(static=True)
    step_size: Positive = eqx.field(static=True)
    noise: NonNegative = eqx.field(static=True)
    adjusted: bool = eqx.field(static=True)

    def check(self, problem: Problem) -> None:
        """As `Pcd`; and states must be real numbers, whatever the model's sampler is."""
        if problem.model.has_energy and problem.model.energy.support.is_discrete:  # type: ignore[attr-defined]
            raise ConfigError("training=langevin moves real numbers, but these states are discrete; use training=pcd")
        super().check(problem)

    def sampler(self, states: EnergyDistribution) -> Sampler:
        """Its own dynamics, whatever the model's sampler is."""
        own: Any = Mala(self.steps, self.step_size)
        if not self.adjusted:
            own = Unadjusted(self.steps, step_size=self.step_size, noise=self.noise, clip=None)
        return own.of(states.energy)

    def negatives(
        self, states: EnergyDistribution, y: Float[Array, "row dim"], batch: Batch, memory: Negatives, key: PRNGKeyArray
    ) -> tuple[Float[Array, "state dim"], Any, Any]:
        """Some states of the buffer, moved on."""
        if states.model.conditional:
            return super().negatives(states, y, batch, memory, key)
        chosen_key, restart_key, key = jax.random.split(key, 3)
        walkers = memory.walkers
        chosen = jax.random.randint(chosen_key, (len(y),), 0, len(walkers.x))
        moved = walkers._replace(x=restarted(self.restart, states, walkers.x[chosen], restart_key))
        moved, acceptance = self.sampler(states).run(states.energy, moved, key, adapt=True)
        after = moved._replace(x=walkers.x.at[chosen].set(moved.x))
        return moved.x, states.energy, Negatives(after, jnp.asarray(acceptance, memory.acceptance.dtype))
