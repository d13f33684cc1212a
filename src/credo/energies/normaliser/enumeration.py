"""Log Z by enumeration: log sum_x exp(-E(x)) over every state of a few discrete units.

The states are visited in chunks, so that memory does not grow with their number, forwards and backwards: the gradient
of log Z by the energy's leaves is exact, -E_p[dE/dtheta]. Of an RBM only the smaller layer is enumerated, the other one
is summed analytically.
"""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.nn import logsumexp
from jaxtyping import Float

from credo.energies.base import Energy
from credo.errors import ConfigError

MOST_STATES = 2**24
"""What is enumerated at most: 24 spins or binary units."""


def log_z(energy: Energy, *, chunk: int = 2**13, most: int = MOST_STATES) -> Float[Array, ""]:
    """Log Z of an energy of discrete units, in float64 where JAX has that on (`device.precision`).

    It can be compiled and differentiated by the leaves of `energy`.

    Example:
        Of two spins: log(2 e + 2 / e).

        >>> from credo.energies.ising import Ising
        >>> round(float(log_z(Ising([(0, 1)]))), 4)
        1.8201

    Args:
        energy: One of discrete units, or an RBM, also with Gaussian visible units.
        chunk: How many states are in memory at once, at most.
        most: How many states are enumerated at most.

    Raises:
        ConfigError: For more states than `most`, a chunk of less than one state, and states that are not discrete.
    """
    units = energy.units
    if units is None:
        raise ConfigError(f"evidence: enumeration expected discrete units, but got {energy.name}")
    kinds = len(units.values)
    if kinds**units.dim > most:
        raise ConfigError(
            f"evidence: enumeration expected at most {most} states, but {units.dim} units of {kinds} values have "
            f"{kinds}^{units.dim}; choose a smaller model or another estimate of log Z"
        )
    if chunk < 1:
        raise ConfigError(f"evidence.chunk: expected at least 1 state, but got {chunk}")
    inner = next(n for n in range(units.dim, -1, -1) if kinds**n <= chunk)
    last = jnp.asarray(list(product(units.values, repeat=inner)), float).reshape(kinds**inner, inner)
    values = jnp.asarray(units.values, float)
    powers = kinds ** np.arange(units.dim - inner)

    @jax.checkpoint
    def summed(number: Array) -> Array:
        first = values[number // powers % kinds]
        states = jnp.concatenate([jnp.broadcast_to(first, (len(last), len(powers))), last], 1)
        return logsumexp(-jax.vmap(units)(states))

    return logsumexp(lax.map(summed, jnp.arange(kinds ** (units.dim - inner))))
