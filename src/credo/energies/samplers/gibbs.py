"""Gibbs sampling (Geman & Geman 1984): each block of units from its law given the others.

An energy writes its blocks in `sweep`: the two layers of an RBM, the colours of a graph of spins.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.energies.samplers.base import Sampler, Walkers
from credo.energies.states import States
from credo.errors import ConfigError


class Gibbs(Sampler):
    """One sweep over all blocks is a transition.

    Attributes:
        backwards: whether a sweep goes from the last block to the first one.
    """

    backwards: bool = eqx.field(static=True, default=False)

    def check(self, energy: States) -> None:
        """Refuse an energy without `sweep`."""
        if not energy.gibbs:
            raise ConfigError(
                f"sampler: gibbs knows the conditional laws of ising, potts and rbm, but not of {energy.name}; "
                "choose mh for discrete units, mala for real numbers, or auto"
            )

    def backward(self) -> "Gibbs":
        """The sweep in the other order of blocks."""
        return Gibbs(self.steps, not self.backwards)

    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """One sweep of all chains; nothing is rejected."""
        x = energy.sweep(walkers.x, key, backwards=self.backwards)
        return walkers._replace(x=x), jnp.ones((), x.dtype)

    def run(
        self,
        energy: States,
        walkers: Walkers,
        key: PRNGKeyArray,
        steps: int | None = None,
        *,
        adapt: bool = False,  # noqa: ARG002 - there is nothing to adapt
    ) -> tuple[Walkers, Float[Array, ""]]:
        """Many sweeps; nothing is rejected."""
        self.check(energy)
        keys = jax.random.split(key, self.steps if steps is None else steps)
        x = energy.sweeps(walkers.x, keys, backwards=self.backwards)
        return walkers._replace(x=x), jnp.ones((), x.dtype)
