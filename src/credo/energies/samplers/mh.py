"""Random-walk Metropolis (Metropolis et al. 1953): normal steps of real numbers, flips of single discrete units."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.energies.samplers.base import Stepping, Walkers, accepted, settled
from credo.energies.states import States


class Mh(Stepping):
    """Any energy: x' ~ N(x, scale^2), or one unit, chosen at random, at another of its values.

    Attributes:
        step_size: the scale that walkers start with; flips have none.
    """

    target: ClassVar[float | None] = 0.234
    """The rate of many dimensions (Roberts, Gelman & Gilks 1997), which is good in few ones too."""

    def check(self, energy: States) -> None:
        """Everything fits."""

    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """One proposal for all chains, and their mean acceptance probability."""
        move_key, accept_key = jax.random.split(key)
        x, values = walkers.x, energy.values
        if values is None:
            proposed = x + walkers.scale * jax.random.normal(move_key, x.shape, x.dtype)
        else:
            proposed = flipped(x, values, move_key)
            walkers = walkers._replace(scale=jnp.ones_like(walkers.scale))
        yes, rate = accepted(energy.batch(x) - energy.batch(proposed), accept_key)
        return walkers._replace(x=settled(x, proposed, yes)), rate


def flipped(x: Float[Array, "chain dim"], values: tuple[float, ...], key: PRNGKeyArray) -> Float[Array, "chain dim"]:
    """States one of whose units, another one in each chain, has another of its `values`."""
    unit_key, shift_key = jax.random.split(key)
    chains, dim = x.shape
    unit = jax.random.randint(unit_key, (chains,), 0, dim)
    shift = jax.random.randint(shift_key, (chains,), 1, len(values))
    known, chain = jnp.asarray(values, x.dtype), jnp.arange(chains)
    kind = jnp.abs(x[chain, unit][:, None] - known).argmin(-1)
    return x.at[chain, unit].set(known[(kind + shift) % len(values)])
