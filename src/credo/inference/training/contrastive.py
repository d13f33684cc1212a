"""What the trainings by samples of the model share: theta goes down E of the data and up E of the model's samples.

The gradient of -log p(y) is dE/dtheta at y minus its expectation over the model, here over states that a sampler has
moved: contrastive divergence (Hinton 2002), persistent chains (Tieleman 2008), Langevin dynamics with a replay buffer
(Du & Mordatch 2019).
"""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, PRNGKeyArray

from credo.energies.samplers.base import Sampler, Walkers
from credo.errors import ConfigError
from credo.inference.density import Program, Values, WithoutLikelihood, constrain, structure
from credo.inference.training.descent import Batch, Descent, Method
from credo.inference.training.likelihood import nll
from credo.models.binding import BoundModel
from credo.models.energy_distribution import EnergyDistribution, states_at
from credo.models.problem import Problem
from credo.ranges import NonNegative

MOST_GAP = 1e5
"""Nats between the energies of data and samples beyond which a training has exploded."""


def states_of(program: Program, z: Values) -> tuple[EnergyDistribution, Float[Array, "row dim"]]:
    """The distribution of the observations at unconstrained latents, and the observations as states."""
    return states_at(program, constrain(program, z))


def log_prior(method: Method, batch: Batch, z: Values) -> Float[Array, ""]:
    """What the method has of the prior's log density, per row."""
    return method.log_density(WithoutLikelihood(batch.program), z) / batch.total


class OfEnergies(Descent):
    """A training of an energy-based model."""

    def check(self, problem: Problem) -> None:
        """As all trainings; and the model must have an energy."""
        super().check(problem)
        if not problem.model.has_energy:
            raise ConfigError(
                f"training={self.name} trains energies, but model={problem.model.name} has none; "
                "use training=likelihood, or model=ebm"
            )

    def measure(self, program: BoundModel) -> str | None:
        """The negative log likelihood, where Z is tractable."""
        return None if program.model.normalised_by is None else "nll"  # type: ignore[attr-defined]

    def judge(self, method: Method, batch: Batch, z: Values, key: PRNGKeyArray) -> Float[Array, ""]:  # noqa: ARG002
        """The mean negative log likelihood where Z is tractable."""
        if self.measure(batch.program) is None:
            return jnp.asarray(jnp.nan)
        return nll(batch.program, z, len(batch.rows))


class Negatives(eqx.Module):
    """The sampler's chains between two steps.

    Attributes:
        walkers: the chains.
        acceptance: of their last transitions.
    """

    walkers: Walkers
    acceptance: Float[Array, ""]


class Contrastive(OfEnergies):
    """Mean E of the batch minus mean E of negative states, per row; that gap of energies is reported.

    Attributes:
        energy_penalty: times the mean squared energies of both (Du & Mordatch 2019), which keeps them near 0.
        gradient_penalty: times the mean squared gradient by the state, at the data, in units of its deviations.
    """

    energy_penalty: NonNegative = eqx.field(static=True)
    gradient_penalty: NonNegative = eqx.field(static=True)

    curve: ClassVar[str] = "energy_gap"
    reading: ClassVar[str] = "energy of the data minus that of samples, in nats"
    by_samples: ClassVar[bool] = True

    @abstractmethod
    def negatives(
        self, states: EnergyDistribution, y: Float[Array, "row dim"], batch: Batch, memory: Any, key: PRNGKeyArray
    ) -> tuple[Float[Array, "state dim"], Any, Any]:
        """Negative states, the energy that they are of, and the memory after it."""

    def sampler(self, states: EnergyDistribution) -> Sampler:
        """What moves the negative states."""
        return states.sampler.of(states.energy)

    def check(self, problem: Problem) -> None:
        """As all trainings; and the sampler must fit."""
        super().check(problem)
        messages = jax.eval_shape(lambda: structure(problem.bound, jax.random.PRNGKey(0))["y"]["fn"])
        self.sampler(messages)

    def loss(
        self, method: Method, batch: Batch, z: Values, memory: Any, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Any]]:
        """The gap of energies, the penalties and the prior."""
        states, y = states_of(batch.program, z)
        fixed = jax.tree.map(lax.stop_gradient, states)
        negatives, energy, memory = self.negatives(fixed, y, batch, memory, key)
        live = (
            eqx.tree_at(lambda e: e.energy, energy, states.energy.energy) if states.model.conditional else states.energy
        )
        down, up = states.energy.batch(y), live.batch(lax.stop_gradient(negatives))
        gap = down.mean() - up.mean()
        value = gap - log_prior(method, batch, z)
        if self.energy_penalty:
            value += self.energy_penalty * (jnp.square(down).mean() + jnp.square(up).mean())
        if self.gradient_penalty:
            slope = jax.grad(lambda x: states.energy.batch(x).sum())(y) * y.std(0)
            value += self.gradient_penalty * jnp.square(slope).sum(-1).mean()
        value = jnp.where(jnp.abs(gap) < MOST_GAP, value, jnp.nan)
        return value, (gap, jax.tree.map(lax.stop_gradient, memory))
