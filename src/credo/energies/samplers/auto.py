"""The sampler that fits an energy: Gibbs where its conditional laws are known, flips of other units, else MALA."""

from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.energies.samplers.base import Sampler, Stepping, Walkers
from credo.energies.samplers.gibbs import Gibbs
from credo.energies.samplers.mala import Mala
from credo.energies.samplers.mh import Mh
from credo.energies.states import States


class Auto(Stepping):
    """One of gibbs, mh and mala.

    Attributes:
        step_size: the scale with which MALA starts.
    """

    def of(self, energy: States) -> Sampler:
        """Gibbs for Ising and Potts models and RBMs, MH for other discrete units, MALA for real numbers."""
        if energy.gibbs:
            return Gibbs(self.steps)
        return Mala(self.steps, self.step_size) if energy.values is None else Mh(self.steps, self.step_size)

    def check(self, energy: States) -> None:
        """Everything fits."""

    def start(self, energy: States, x: Float[Array, "chain dim"]) -> Walkers:
        """As the sampler for this energy."""
        return self.of(energy).start(energy, x)

    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """As the sampler for this energy."""
        return self.of(energy).step(energy, walkers, key)

    def run(
        self, energy: States, walkers: Walkers, key: PRNGKeyArray, steps: int | None = None, *, adapt: bool = False
    ) -> tuple[Walkers, Float[Array, ""]]:
        """As the sampler for this energy."""
        return self.of(energy).run(energy, walkers, key, steps, adapt=adapt)
