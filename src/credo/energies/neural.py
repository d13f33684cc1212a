"""Energies that a network computes: E(x) = net(u) + |u|^2 / (2 tail^2) with u = (x - mean) / sd.

The quadratic tail makes Z finite over the whole space; within bounds none is needed.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from credo.energies.base import Energy


class Neural(Energy):
    """E(x) of one state x [dim].

    Attributes:
        network: of u [dim] (and, of conditional energies, of what is given), with one output.
        mean: that u is counted from, [dim].
        sd: the unit of u, [dim].
        tail: how wide the Gaussian is that the tail alone would be, in units of u; `None` for no tail.
        dtype: in which the network is computed.
    """

    network: Any
    mean: tuple[float, ...] = eqx.field(static=True)
    sd: tuple[float, ...] = eqx.field(static=True)
    tail: float | None = eqx.field(static=True)
    dtype: str = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """The length of mean."""
        return len(self.mean)

    def __call__(self, x: Array) -> Array:
        """E(x) [] of x [dim]."""
        self.check_state(x)
        u = self.standard(x)
        return self.of(u, u)

    def standard(self, x: Array) -> Array:
        """The state in units of the data, in the network's precision."""
        return ((x - np.array(self.mean)) / np.array(self.sd)).astype(self.dtype)

    def of(self, u: Array, *inputs: Array) -> Array:
        """The network's energy of its inputs, and the tail's of u."""
        energy = jnp.reshape(self.network(*inputs), ())
        return energy if self.tail is None else energy + 0.5 * jnp.square(u / self.tail).sum()


class Conditional(Neural):
    """E(y; x, context): the network sees what is given beside y, or is modulated by it (FiLM, Perez et al. 2018).

    Attributes:
        given: means and standard deviations of each condition's columns.
        film: whether the last condition modulates the network; otherwise it is an input like the others.
    """

    given: tuple[Any, ...]
    film: bool = eqx.field(static=True)

    def __call__(self, y: Array, *conditions: Array) -> Array:
        """E [] of a state y [dim] given x [feature] and perhaps context."""
        u = self.standard(y)
        seen = [u, *(m(c).astype(self.dtype) for m, c in zip(self.given, conditions, strict=True))]
        if self.film:
            *inputs, context = seen
            return self.of(u, jnp.concatenate(inputs), context)
        return self.of(u, jnp.concatenate(seen))
