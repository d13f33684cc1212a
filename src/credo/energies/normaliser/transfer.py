"""Log Z of the Ising model on a ring or a strip by its transfer matrix (Kramers & Wannier 1941).

A row of W spins is one of 2^W configurations. Going from row to row, the sum over the spins of a row is taken one spin
after the other, at a cost of W 2^W per row; of a strip that is closed to a ring along its length this is done for each
configuration of the first row. All in log space: any couplings, fields and temperatures do.
"""

from collections.abc import Sequence
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.nn import logsumexp
from jaxtyping import Float

from credo.energies.graph import OnGraph, lattice_edges
from credo.errors import ConfigError

WIDEST = 12
"""Of a strip: 4096 configurations of a row."""


def log_z(energy: OnGraph, shape: Sequence[int], *, periodic: bool | Sequence[bool] = True) -> Float[Array, ""]:
    """Log Z of an Ising model on a ring (length,) or on a strip (length, width), of any couplings and fields.

    It can be compiled and differentiated by the leaves of `energy`.

    Example:
        The ring of four spins has the log Z of all its 16 states.

        >>> from credo.energies.ising import Ising
        >>> from credo.energies.normaliser import enumeration
        >>> ring = Ising.lattice((4,), couplings=0.3)
        >>> round(float(log_z(ring, (4,)) - enumeration.log_z(ring)), 5)
        0.0

    Args:
        energy: A model on this lattice, as `Ising.lattice(shape, periodic=periodic)` makes it.
        shape: (length,) or (length, width); the work is in proportion to the length, and exponential in the width.
        periodic: Whether each axis is closed to a ring.

    Raises:
        ConfigError: For a graph that is not this lattice, more than two axes, and a width of more than `WIDEST`.
    """
    if len(shape) not in (1, 2):
        raise ConfigError(f"evidence.shape: expected (length,) or (length, width), but got {tuple(shape)}")
    if energy.edges != lattice_edges(shape, periodic) or energy.dim != int(np.prod(shape)):
        raise ConfigError(
            f"evidence: the transfer matrix expected the edges of a lattice {tuple(shape)} with periodic={periodic}, "
            f"but got another graph of {energy.dim} sites"
        )
    length, width = (*shape, 1)[:2]
    if width > WIDEST:
        raise ConfigError(
            f"evidence.shape: expected a width of at most {WIDEST}, but got {width}; let the longer axis be the length"
        )
    rows = jnp.asarray(list(product(energy.values, repeat=width)), float)
    couplings, fields = energy.inverse_temperature * energy.couplings, energy.inverse_temperature * energy.fields
    ring = periodic if isinstance(periodic, bool) else periodic[0]
    along, across = jnp.split(couplings, [(length if ring else length - 1) * width])
    along, across = along.reshape(-1, width), across.reshape(length, -1)
    bonds = (rows * jnp.roll(rows, -1, 1))[:, : across.shape[1]]
    within = fields.reshape(length, width) @ rows.T + across @ bonds.T
    if not ring:
        return logsumexp(_swept(within[0], along, within[1:]))

    @jax.checkpoint
    def closed(first: Array, weight: Array) -> Array:
        start = rows @ (along[0] * first) + within[1]
        return weight + logsumexp(_swept(start, along[1:-1], within[2:]) + rows @ (along[-1] * first))

    return logsumexp(lax.map(lambda row: closed(*row), (rows, within[0]), batch_size=min(len(rows), 64)))


def _swept(
    start: Float[Array, "rows"], along: Float[Array, "steps width"], within: Float[Array, "steps _"]
) -> Float[Array, "rows"]:
    """Log weights [2^width] of the last row from those of the first, over steps of couplings."""
    width = along.shape[1]

    def spin(log_weights: Array, coupling: Array) -> Array:
        minus, plus = log_weights.reshape(2, -1)
        new = jnp.logaddexp(minus + coupling, plus - coupling), jnp.logaddexp(minus - coupling, plus + coupling)
        return jnp.stack(new, -1).ravel()

    def row(log_weights: Array, step: tuple[Array, Array]) -> tuple[Array, None]:
        couplings, weights = step
        for i in range(width):
            log_weights = spin(log_weights, couplings[i])
        return log_weights + weights, None

    return lax.scan(row, start, (along, within))[0]
