"""The Metropolis-adjusted Langevin algorithm (Roberts & Tweedie 1996), steered to the rate of Roberts & Rosenthal 1998.

A Langevin step x' ~ N(x - eps^2 / 2 grad E(x), eps^2) is a proposal, which Metropolis and Hastings' rule then judges.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from credo.energies.base import Energy
from credo.samplers.base import Stepping, Walkers, accepted, settled, slopes


class Mala(Stepping):
    """Langevin proposals, accepted or rejected for each chain.

    Attributes:
        step_size: the eps that walkers start with.
    """

    word: ClassVar[str] = "mala"
    target: ClassVar[float | None] = 0.574

    def step(self, energy: Energy, walkers: Walkers, key: Array) -> tuple[Walkers, Array]:
        """One proposal for all chains, and their mean acceptance probability []."""
        move_key, accept_key = jax.random.split(key)
        x, eps = walkers.x, walkers.scale
        here, gradient = slopes(energy, x)
        z = jax.random.normal(move_key, x.shape, x.dtype)
        proposed = x - 0.5 * jnp.square(eps) * gradient + eps * z
        there, other_gradient = slopes(energy, proposed)
        # the noise that would lead back is z with its sign turned, but for the gradients
        back = z - 0.5 * eps * (gradient + other_gradient)
        log_ratio = here - there + 0.5 * (jnp.square(z) - jnp.square(back)).sum(-1)
        yes, rate = accepted(log_ratio, accept_key)
        return walkers._replace(x=settled(x, proposed, yes)), rate
