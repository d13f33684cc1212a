"""What a sampler of an energy's states is: a transition that leaves p(x) = exp(-E(x)) / Z as it is, of many chains."""

from abc import abstractmethod
from math import sqrt
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, PRNGKeyArray, Shaped

from credo.config.naming import Named
from credo.energies.states import States
from credo.errors import ConfigError
from credo.ranges import Positive, Steps


class Walkers(NamedTuple):
    """Chains side by side.

    - **x** - their states [chain, dim].
    - **scale** - how far they step, one number for all of them; 1 for samplers without a step size.
    - **memory** - what else the sampler keeps, e.g. replicas at other temperatures.
    """

    x: Float[Array, "chain dim"]
    scale: Float[Array, ""]
    memory: Any = None


class Sampler(Named, eqx.Module):
    """One transition of many chains at once; a subclass writes `step` and `check`.

    The scale is steered to `target` by the mean acceptance of all chains, and only where `run` adapts: with
    a fixed scale exp(-E) is left as it is.

    Attributes:
        steps: transitions between two draws, and of each negative phase of a training.
    """

    steps: Steps = eqx.field(static=True)

    target: ClassVar[float | None] = None
    """The acceptance rate to steer to; `None` for samplers without a step size."""
    unbiased: ClassVar[bool] = True
    """Whether a transition of a fixed scale leaves exp(-E) as it is."""

    def of(self, energy: States) -> "Sampler":
        """The sampler for an energy: this one, known to fit.

        Raises:
            ConfigError: It cannot move these states; the sentence names one that can.
        """
        self.check(energy)
        return self

    def check(self, energy: States) -> None:
        """Raise `ConfigError` if this sampler cannot move these states, naming one that can."""

    def backward(self) -> "Sampler":
        """The sampler whose transitions are these ones seen backwards in time: itself where they are reversible."""
        return self

    def start(self, energy: States, x: Float[Array, "chain dim"]) -> Walkers:  # noqa: ARG002 - for those that remember
        """Walkers at states x."""
        return Walkers(x, jnp.ones((), x.dtype))

    @abstractmethod
    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """One transition of all chains, and their mean acceptance probability, 1 where nothing is rejected."""

    def tuned(self, walkers: Walkers, acceptance: Float[Array, ""], gain: float | None = None) -> Walkers:
        """The walkers with a scale that is nearer to the one of the target acceptance.

        Without a `gain` it is the larger the more chains there are, as their mean is then less noisy.
        """
        if self.target is None:
            return walkers
        gain = min(0.5, 0.1 * sqrt(len(walkers.x))) if gain is None else gain
        return walkers._replace(scale=walkers.scale * jnp.exp(gain * (acceptance - self.target)))

    def run(
        self, energy: States, walkers: Walkers, key: PRNGKeyArray, steps: int | None = None, *, adapt: bool = False
    ) -> tuple[Walkers, Float[Array, ""]]:
        """Many transitions, and their mean acceptance probability."""

        def one(walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
            walkers, acceptance = self.step(energy, walkers, key)
            return (self.tuned(walkers, acceptance) if adapt else walkers), acceptance

        walkers, acceptance = lax.scan(one, walkers, jax.random.split(key, self.steps if steps is None else steps))
        return walkers, acceptance.mean()

    def draws(
        self, energy: States, walkers: Walkers, key: PRNGKeyArray, count: int
    ) -> tuple[Walkers, Float[Array, "draw chain dim"]]:
        """`count` draws of every chain, `steps` transitions apart."""

        def one(walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, "chain dim"]]:
            walkers, _ = self.run(energy, walkers, key)
            return walkers, walkers.x

        return lax.scan(one, walkers, jax.random.split(key, count))


class Stepping(Sampler):
    """A sampler of real numbers that steps as far as the scale of its walkers says.

    Attributes:
        step_size: the scale that walkers start with.
    """

    step_size: Positive = eqx.field(static=True)

    def check(self, energy: States) -> None:
        """Refuse discrete units."""
        if energy.values is not None:
            raise ConfigError(
                f"sampler: {self.name} moves real numbers, but the units of {energy.name} are discrete; choose "
                "gibbs, mh or auto"
            )

    def start(self, energy: States, x: Float[Array, "chain dim"]) -> Walkers:
        """Walkers at states x that step by `step_size`."""
        return super().start(energy, x)._replace(scale=jnp.asarray(self.step_size, x.dtype))


def accepted(log_ratio: Float[Array, "chain"], key: PRNGKeyArray) -> tuple[Bool[Array, "chain"], Float[Array, ""]]:
    """Metropolis' decision for log ratios, NaN being no, and the mean of their probabilities."""
    probability = jnp.exp(jnp.minimum(jnp.where(jnp.isnan(log_ratio), -jnp.inf, log_ratio), 0.0))
    return jax.random.uniform(key, probability.shape, probability.dtype) < probability, probability.mean()


def settled(
    old: Shaped[Array, "chain *rest"], new: Shaped[Array, "chain *rest"], accepted: Bool[Array, "chain"]
) -> Shaped[Array, "chain *rest"]:
    """New states where chains accepted, old ones elsewhere."""
    return jnp.where(accepted.reshape(-1, *[1] * (old.ndim - 1)), new, old)
