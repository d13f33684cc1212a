"""Parallel tempering (Geyer 1991; Hukushima & Nemoto 1996): replicas of each chain at higher temperatures.

Neighbours on the ladder exchange their states with probability min(1, exp(E_i(x_i) + E_j(x_j) - E_i(x_j) - E_j(x_i))),
those of even and odd rungs in turn (Okabe et al. 2001), so that states travel far.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from credo.energies.samplers.base import Sampler, Walkers
from credo.energies.states import States
from credo.errors import ConfigError
from credo.ranges import Positive


class Replicas(NamedTuple):
    """What is remembered.

    - **walkers** - those of the inner sampler, a leading axis [rung] before all of their arrays.
    - **rates** - their mean acceptance probabilities [rung].
    - **odd** - whether the next exchange begins with the second rung, 0 or 1.
    """

    walkers: Walkers
    rates: Float[Array, "rung"]
    odd: Int[Array, ""]


class Tempering(Sampler):
    """Another sampler at each inverse temperature of a ladder, then an exchange.

    Attributes:
        sampler: what moves the replicas, `steps` of its transitions before each exchange; each rung has its own scale.
        ladder: the inverse temperatures, from 1 downwards.
    """

    sampler: Sampler
    ladder: tuple[Positive, ...] = eqx.field(static=True, converter=tuple)

    def __check_init__(self) -> None:
        ladder = np.array(self.ladder)
        if len(ladder) < 2 or ladder[0] != 1 or (np.diff(ladder) >= 0).any():
            raise ConfigError(
                f"ladder: expected at least two inverse temperatures from 1 downwards, but got {self.ladder}"
            )
        if not self.sampler.unbiased:
            raise ConfigError(
                f"sampler: tempering expected an inner sampler that leaves exp(-E) as it is, but got "
                f"{self.sampler.name}; choose gibbs, mala, hmc, mh or nuts"
            )

    def of(self, energy: States) -> "Tempering":
        """With the inner sampler for this energy."""
        return Tempering(self.steps, self.sampler.of(energy), self.ladder)

    def check(self, energy: States) -> None:
        """As the inner sampler does."""
        self.sampler.check(energy)

    def start(self, energy: States, x: Float[Array, "chain dim"]) -> Walkers:
        """Walkers whose replicas all start at x."""
        betas = jnp.asarray(self.ladder, x.dtype)
        replicas = jax.vmap(lambda beta: self.sampler.start(energy.tempered(beta), x))(betas)
        return Walkers(x, replicas.scale[0], Replicas(replicas, jnp.zeros_like(betas), jnp.zeros((), int)))

    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """One run of every replica and one exchange; the mean acceptance probability of the first rung's moves."""
        move_key, swap_key = jax.random.split(key)
        memory: Replicas = walkers.memory
        betas = jnp.asarray(self.ladder, walkers.x.dtype)
        # whoever moved the chains meanwhile did so on the first rung
        replicas = memory.walkers._replace(x=memory.walkers.x.at[0].set(walkers.x))
        keys = jax.random.split(move_key, len(betas))

        def moved(beta: Float[Array, ""], one: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
            return self.sampler.run(energy.tempered(beta), one, key)

        replicas, rates = jax.vmap(moved)(betas, replicas, keys)
        x = exchanged(energy, betas, replicas.x, memory.odd, swap_key)
        memory = Replicas(replicas._replace(x=x), rates, 1 - memory.odd)
        return Walkers(x[0], replicas.scale[0], memory), rates[0]

    def tuned(self, walkers: Walkers, acceptance: Float[Array, ""], gain: float | None = None) -> Walkers:  # noqa: ARG002
        """Every rung's scale steered by its own rate, whatever `acceptance` says of the first."""
        memory: Replicas = walkers.memory
        replicas = jax.vmap(lambda one, rate: self.sampler.tuned(one, rate, gain))(memory.walkers, memory.rates)
        return walkers._replace(scale=replicas.scale[0], memory=memory._replace(walkers=replicas))


def exchanged(
    energy: States,
    betas: Float[Array, "rung"],
    x: Float[Array, "rung chain dim"],
    odd: Int[Array, ""],
    key: PRNGKeyArray,
) -> Float[Array, "rung chain dim"]:
    """The states after neighbours were offered an exchange.

    Args:
        energy: That of inverse temperature 1.
        betas: The ladder.
        x: The states.
        odd: Whether the pairs are (1, 2), (3, 4), ... or (0, 1), (2, 3), ...
        key: The decisions' randomness.
    """
    rungs = jnp.arange(len(betas))
    partner = jnp.where((rungs + odd) % 2 == 0, rungs + 1, rungs - 1)
    partner = jnp.where((partner < 0) | (partner >= len(betas)), rungs, partner)

    def energies(beta: Array, x: Array) -> Array:
        here: Array = energy.tempered(beta).batch(x)
        return here

    gain = jax.vmap(energies)(betas, x) - jax.vmap(energies)(betas, x[partner])
    lower = jnp.minimum(rungs, partner)
    # both partners read the same number, that of the lower rung
    u = jax.random.uniform(key, gain.shape, gain.dtype)[lower]
    yes = jnp.log(u) < gain + gain[partner]
    return jnp.where(yes[..., None], x[partner], x)
