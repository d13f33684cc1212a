"""Uniform random numbers for the samplers whose time is spent on drawing them.

JAX's own generator takes 32 of the 64 bits that a round of Threefry (Salmon et al. 2011) makes; here both halves are
used, at half the cost. The numbers are as good, and are the same on every platform.
"""

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.random import threefry_2x32
from jaxtyping import Float, PRNGKeyArray


def uniforms(key: PRNGKeyArray, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, "..."]:
    """Numbers of at least 0 and less than 1, of a shape; of 23 random bits in float32, as JAX's own."""
    count = prod(shape)
    if dtype != jnp.float32 or count >= 2**32:
        return jax.random.uniform(key, shape, dtype)
    seed = jax.random.bits(key, (2,), jnp.uint32)
    bits = threefry_2x32(seed, lax.iota(jnp.uint32, count))
    one = np.float32(1.0)
    return (lax.bitcast_convert_type((bits >> 9) | one.view(np.uint32), jnp.float32) - one).reshape(shape)
