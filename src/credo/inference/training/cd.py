"""Contrastive divergence (Hinton 2002): the negative states are the batch's own rows after a few transitions."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.inference.training.contrastive import Contrastive
from credo.inference.training.descent import Batch
from credo.models.binding import BoundModel
from credo.models.energy_distribution import EnergyDistribution


class Cd(Contrastive):
    """CD-k with k = `sampler.steps`."""

    def begin(self, program: BoundModel, key: PRNGKeyArray) -> Any:  # noqa: ARG002
        """How far the sampler steps."""
        return {"scale": jnp.ones(())}

    def negatives(
        self,
        states: EnergyDistribution,
        y: Float[Array, "row dim"],
        batch: Batch,  # noqa: ARG002
        memory: Any,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "state dim"], Any, Any]:
        """The rows, moved on."""
        sampler = self.sampler(states)
        walkers = sampler.start(states.energy, y)
        walkers = walkers._replace(scale=walkers.scale * memory["scale"].astype(walkers.scale.dtype))
        first = walkers.scale / memory["scale"]
        walkers, _ = sampler.run(states.energy, walkers, key, adapt=True)
        return walkers.x, states.energy, {"scale": (walkers.scale / first).astype(memory["scale"].dtype)}
