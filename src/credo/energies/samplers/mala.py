"""The Metropolis-adjusted Langevin algorithm (Roberts & Tweedie 1996), steered to the rate of Roberts & Rosenthal 1998.

A Langevin step x' ~ N(x - eps^2 / 2 grad E(x), eps^2) is a proposal, which Metropolis and Hastings' rule then judges.
Its drift is truncated (MALTA, of the same paper): else a chain on a cliff jumps so far that it stays for ever.
"""

from math import sqrt
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.energies.samplers.base import Stepping, Walkers, accepted, settled
from credo.energies.states import States, slopes

_FARTHEST = 2.0
"""The longest drift, times the typical length of the noise."""


class Mala(Stepping):
    """Langevin proposals, accepted or rejected for each chain.

    Attributes:
        step_size: the eps that walkers start with.
    """

    target: ClassVar[float | None] = 0.574

    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """One proposal for all chains, and their mean acceptance probability."""
        move_key, accept_key = jax.random.split(key)
        x, eps = walkers.x, walkers.scale
        here, gradient = slopes(energy, x)
        z = jax.random.normal(move_key, x.shape, x.dtype)
        drift = _drift(gradient, eps)
        proposed = x + eps * (z + drift)
        there, other_gradient = slopes(energy, proposed)
        # the noise that would lead back is z with its sign turned, but for the drifts
        back = z + drift + _drift(other_gradient, eps)
        log_ratio = here - there + 0.5 * (jnp.square(z) - jnp.square(back)).sum(-1)
        yes, rate = accepted(log_ratio, accept_key)
        return walkers._replace(x=settled(x, proposed, yes)), rate


def _drift(gradient: Float[Array, "chain dim"], eps: Float[Array, ""]) -> Float[Array, "chain dim"]:
    """Down the gradients, in units of eps, truncated."""
    drift = -0.5 * eps * gradient
    length = jnp.linalg.norm(drift, axis=-1, keepdims=True)
    return drift * jnp.minimum(1.0, _FARTHEST * sqrt(gradient.shape[-1]) / jnp.maximum(length, 1e-30))
