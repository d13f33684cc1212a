"""The way down from starts so high that rounding hides what a trajectory does to the energy.

A potential that grows like the 400th power of a latent is 1e80 at starts that look harmless. No step size is small
enough there for energies to be kept, and energies are known to 1e-16 of themselves only.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

HIGHEST = 1e8
"""Potentials above this are left before the first trajectory; no posterior that can be sampled has them."""

_MOST_STEPS = 300
_FIRST_LENGTH, _LONGER, _SHORTER = 0.1, 1.5, 0.3


def lowered(
    energy: Callable[[Array], Array], z: Float[Array, "dim"]
) -> tuple[Float[Array, "dim"], Float[Array, ""], Float[Array, "dim"]]:
    """A point from which to go on: z itself where its potential is below `HIGHEST`, else one downhill from it.

    Steps have a length of their own and only the direction of the gradient, which may be as large as numbers are; a
    step that does not lead down is taken back and made shorter.

    Args:
        energy: the potential of z.
        z: flat, unconstrained.

    Returns:
        The point, with the potential and the gradient there.
    """
    slope = jax.value_and_grad(energy)

    def is_high(carry: Any) -> Any:
        count, _, _, height, _, length = carry
        high = jnp.isinf(height) | (height > HIGHEST)
        return (count == 0) | (high & (count < _MOST_STEPS) & (length > np.finfo(z.dtype).eps))

    def step(carry: Any) -> Any:
        count, z, gradient, height, direction, length = carry
        there = z - length * direction
        value, steep = slope(there)
        good = (count == 0) | ((value < height) & jnp.all(jnp.isfinite(steep)))
        z, gradient = jnp.where(good, there, z), jnp.where(good, steep, gradient)
        length = jnp.where(count == 0, _FIRST_LENGTH, length * jnp.where(good, _LONGER, _SHORTER))
        largest = jnp.max(jnp.abs(gradient))
        direction = gradient / jnp.where(largest > 0, largest, 1.0)
        direction = direction / jnp.maximum(jnp.linalg.norm(direction), 1.0)
        return count + 1, z, gradient, jnp.where(good, value, height), direction, length

    none = jnp.zeros_like(z)
    begin = (jnp.array(0), z, none, jnp.array(jnp.inf, z.dtype), none, jnp.ones((), z.dtype))
    _, z, gradient, height, *_ = lax.while_loop(is_high, step, begin)
    return z, height, gradient
