"""What a sampler of an energy's states is: a transition that leaves p(x) = exp(-E(x)) / Z as it is, of many chains."""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax

from credo.energies.base import Energy
from credo.errors import ConfigError


class Walkers(NamedTuple):
    """Chains side by side.

    - **x** - their states [chain, dim].
    - **scale** - how far they step, one number for all of them; 1 for samplers without a step size.
    - **memory** - what else the sampler keeps, e.g. replicas at other temperatures.
    """

    x: Array
    scale: Array
    memory: Any = None


class Sampler(eqx.Module):
    """One transition of many chains at once; a subclass writes `step` and `check`.

    The scale is steered to `target` by the mean acceptance of all chains, and only where `run` is told to adapt: with
    a fixed scale exp(-E) is left as it is.

    Attributes:
        steps: transitions between two draws, and of each negative phase of a training.
    """

    steps: int = eqx.field(static=True)

    word: ClassVar[str]
    """The sampler's word in the configuration."""
    target: ClassVar[float | None] = None
    """The acceptance rate to steer to; `None` for samplers without a step size."""

    def __check_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"steps: expected at least 1, but got {self.steps}")

    def of(self, energy: Energy) -> "Sampler":
        """The sampler for an energy: this one, known to fit.

        Raises:
            ConfigError: It cannot move these states; the sentence names one that can.
        """
        self.check(energy)
        return self

    def check(self, energy: Energy) -> None:
        """Raise `ConfigError` if this sampler cannot move these states, naming one that can."""

    def start(self, energy: Energy, x: Array) -> Walkers:  # noqa: ARG002 - for those that remember
        """Walkers at states x [chain, dim]."""
        return Walkers(x, jnp.ones((), x.dtype))

    @abstractmethod
    def step(self, energy: Energy, walkers: Walkers, key: Array) -> tuple[Walkers, Array]:
        """One transition of all chains, and their mean acceptance probability [], 1 where nothing is rejected."""

    def tuned(self, walkers: Walkers, acceptance: Array, gain: float = 0.1) -> Walkers:
        """The walkers with a scale that is nearer to the one of the target acceptance."""
        if self.target is None:
            return walkers
        return walkers._replace(scale=walkers.scale * jnp.exp(gain * (acceptance - self.target)))

    def run(
        self, energy: Energy, walkers: Walkers, key: Array, steps: int | None = None, *, adapt: bool = False
    ) -> tuple[Walkers, Array]:
        """Many transitions, and their mean acceptance probability []."""

        def one(walkers: Walkers, key: Array) -> tuple[Walkers, Array]:
            walkers, acceptance = self.step(energy, walkers, key)
            return (self.tuned(walkers, acceptance) if adapt else walkers), acceptance

        walkers, acceptance = lax.scan(one, walkers, jax.random.split(key, self.steps if steps is None else steps))
        return walkers, acceptance.mean()

    def draws(self, energy: Energy, walkers: Walkers, key: Array, count: int) -> tuple[Walkers, Array]:
        """`count` draws of every chain, `steps` transitions apart, [draw, chain, dim]."""

        def one(walkers: Walkers, key: Array) -> tuple[Walkers, Array]:
            walkers, _ = self.run(energy, walkers, key)
            return walkers, walkers.x

        return lax.scan(one, walkers, jax.random.split(key, count))


def settled(old: Array, new: Array, accepted: Array) -> Array:
    """New states where chains accepted, old ones elsewhere; [chain, ...] each, `accepted` [chain]."""
    return jnp.where(accepted.reshape(-1, *[1] * (old.ndim - 1)), new, old)
