"""Persistent contrastive divergence (Tieleman 2008): the negative chains go on from step to step."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo import memory
from credo.inference.density import structure
from credo.inference.training.contrastive import Contrastive, Negatives
from credo.inference.training.descent import Batch
from credo.models.binding import BoundModel
from credo.models.energy_distribution import EnergyDistribution
from credo.models.problem import Problem
from credo.ranges import Count, Share


class Pcd(Contrastive):
    """Chains that are moved on by `sampler.steps` transitions in every step of the training.

    Of a conditional energy every row has its own chain.

    Attributes:
        chains: how many.
        restart: the share of the chains that begin anew at the base distribution in a step.
    """

    chains: Count = eqx.field(static=True)
    restart: Share

    def check(self, problem: Problem) -> None:
        """As all trainings; and there must be memory for the chains."""
        super().check(problem)
        states = sum(math.prod(site.shape[1:]) for site in problem.named("observed"))
        memory.require(f"training.chains={self.chains}", 10 * self.chains * max(states, 1))

    def begin(self, program: BoundModel, key: PRNGKeyArray) -> Negatives:
        """Chains at the base distribution."""
        states = structure(program, key)["y"]["fn"]
        count = states.rows if states.model.conditional else self.chains
        x = states.model.base.sample(jax.random.fold_in(key, 1), (count,)).astype(float)
        return Negatives(self.sampler(states).start(states.energy, x), jnp.ones(()))

    def negatives(
        self,
        states: EnergyDistribution,
        y: Float[Array, "row dim"],  # noqa: ARG002
        batch: Batch,
        memory: Negatives,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "state dim"], Any, Any]:
        """The chains, moved on."""
        restart_key, key = jax.random.split(key)
        walkers = memory.walkers
        mine = batch.rows if states.model.conditional else jnp.arange(len(walkers.x))
        moved = walkers._replace(x=restarted(self.restart, states, walkers.x[mine], restart_key))
        moved, acceptance = self.sampler(states).run(states.energy, moved, key, adapt=True)
        after = moved._replace(x=walkers.x.at[mine].set(moved.x))
        return moved.x, states.energy, Negatives(after, jnp.asarray(acceptance, memory.acceptance.dtype))


def restarted(
    share: float, states: EnergyDistribution, x: Float[Array, "state dim"], key: PRNGKeyArray
) -> Float[Array, "state dim"]:
    """A share of the states, drawn anew from the base distribution."""
    chosen_key, base_key = jax.random.split(key)
    new = states.model.base.sample(base_key, (len(x),)).astype(x.dtype)
    return jnp.where(jax.random.uniform(chosen_key, (len(x), 1)) < share, new, x)
