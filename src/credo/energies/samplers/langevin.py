"""Unadjusted Langevin dynamics (Rossky et al. 1978; Welling & Teh 2011): x <- x - eps^2 / 2 grad E(x) + eps z.

z ~ N(0, 1). Nothing is rejected, so that what it leaves as it is differs from exp(-E) by a term in eps^2.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.energies.samplers.base import Stepping, Walkers
from credo.energies.states import States, slopes
from credo.ranges import NonNegative, Positive


class Langevin(Stepping):
    """Langevin dynamics as they are used to train energies.

    Attributes:
        step_size: eps.
        noise: what z is multiplied by: 1 is the dynamics of exp(-E), less is colder, 0 descends.
        clip: the longest gradient of a chain, longer ones being shortened to it, or `None`.
    """

    noise: NonNegative = eqx.field(static=True, default=1.0)
    clip: Positive | None = eqx.field(static=True, default=None)

    unbiased: ClassVar[bool] = False

    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """One step of all chains; nothing is rejected."""
        x, eps = walkers.x, walkers.scale
        _, gradient = slopes(energy, x)
        if self.clip is not None:
            length = jnp.linalg.norm(gradient, axis=-1, keepdims=True)
            gradient = gradient * jnp.minimum(1.0, self.clip / jnp.maximum(length, 1e-30))
        z = jax.random.normal(key, x.shape, x.dtype)
        moved = x - 0.5 * jnp.square(eps) * gradient + (eps * self.noise) * z
        return walkers._replace(x=moved), jnp.ones((), x.dtype)
