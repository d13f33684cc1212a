"""Where Z is tractable: one small object per way, with which an energy is a likelihood like any other.

All of them can be compiled and differentiated by the energy's leaves.
"""

from abc import abstractmethod
from itertools import product
from math import asinh, inf, log
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import logsumexp
from jaxtyping import Float, Int, PRNGKeyArray

from credo.energies.normaliser import enumeration, transfer


class Normaliser(eqx.Module):
    """A way to log Z that is exact, or whose error falls with the fineness."""

    name: ClassVar[str]
    """What it is called."""

    @abstractmethod
    def log_z(self, energy: Any) -> Float[Array, "*row"]:
        """Log Z: [] of an energy, [row] of one given conditions."""

    def finer(self) -> "Normaliser":
        """The same way with more nodes, by which its error is seen; itself where it has none."""
        return self

    def draws(self, energy: Any, key: PRNGKeyArray) -> Float[Array, "*row dim"] | None:  # noqa: ARG002 - where there is a way
        """One independent draw [dim] of an energy, or [row, dim] given conditions; `None` where it has no way."""
        return None


class Closed(Normaliser):
    """The energy knows its own log Z."""

    name: ClassVar[str] = "its closed form"

    def log_z(self, energy: Any) -> Float[Array, ""]:
        """As the energy says."""
        return energy.log_z()


class Enumerated(Normaliser):
    """The sum over all states (`evidence.enumeration`)."""

    name: ClassVar[str] = "enumeration"

    def log_z(self, energy: Any) -> Float[Array, ""]:
        """The sum."""
        return enumeration.log_z(energy)

    def draws(self, energy: Any, key: PRNGKeyArray) -> Float[Array, "dim"] | None:
        """By the probabilities of all states, where the states fit into memory."""
        if energy.values is None or len(energy.values) ** energy.dim > 2**16:
            return None
        states = jnp.asarray(list(product(energy.values, repeat=energy.dim)), float)
        return states[_chosen(-energy.batch(states), key)]


class Transferred(Normaliser):
    """The transfer matrix of an Ising ring or strip (`evidence.transfer`).

    Attributes:
        shape: (length,) or (length, width).
        periodic: whether each axis is closed.
    """

    name: ClassVar[str] = "the transfer matrix"

    shape: tuple[int, ...] = eqx.field(static=True)
    periodic: bool | tuple[bool, ...] = eqx.field(static=True)

    def log_z(self, energy: Any) -> Float[Array, ""]:
        """By the rows of the strip."""
        return transfer.log_z(energy, self.shape, periodic=self.periodic)

    def draws(self, energy: Any, key: PRNGKeyArray) -> Float[Array, "dim"] | None:
        """Of few spins by the probabilities of all states."""
        return Enumerated().draws(energy, key)


class Integrated(Normaliser):
    """An integral in one or two (or three) dimensions by a rule of fixed nodes.

    Of a bounded axis the nodes are Gauss and Legendre's. A line without ends is x = c + s sinh(t) with the trapezoidal
    rule in t, whose error falls exponentially where the energy rises without end: nodes are dense about c.

    Attributes:
        points: along each axis.
        bounds: (low, high) of each axis; infinite ends both or none.
        center: c of each axis.
        scale: s of each axis.
        reach: how far nodes go on a line without ends, in units of s.
    """

    name: ClassVar[str] = "quadrature"

    points: int = eqx.field(static=True)
    bounds: tuple[tuple[float, float], ...] = eqx.field(static=True)
    center: tuple[float, ...] = eqx.field(static=True)
    scale: tuple[float, ...] = eqx.field(static=True)
    reach: float = eqx.field(static=True)

    @property
    def nodes(self) -> tuple[Float[np.ndarray, "node dim"], Float[np.ndarray, "node"]]:
        """The nodes and the logs of their weights."""
        return self._spread(0), self._spread(1).sum(-1)

    def log_z(self, energy: Any) -> Float[Array, "*row"]:
        """The log of the weighted sum."""
        x, log_weights = self.nodes
        return logsumexp(log_weights - energy.table(jnp.asarray(x)), axis=-1)

    def finer(self) -> "Integrated":
        """With twice as many points along each axis."""
        return Integrated(2 * self.points, self.bounds, self.center, self.scale, self.reach)

    def draws(self, energy: Any, key: PRNGKeyArray) -> Float[Array, "*row dim"]:
        """A node by its probability, moved within its cell."""
        x, log_weights = self.nodes
        chosen_key, move_key = jax.random.split(key)
        chosen = _chosen(log_weights - energy.table(jnp.asarray(x)), chosen_key)
        width = jnp.exp(jnp.asarray(self._spread(1)))[chosen]
        moved = jnp.asarray(x)[chosen] + width * jax.random.uniform(move_key, width.shape, minval=-0.5, maxval=0.5)
        return jnp.clip(moved, *np.array(self.bounds).T)

    def _spread(self, which: int) -> Float[np.ndarray, "node dim"]:
        """What `_axis` says of each axis, its nodes or the logs of their weights, at all nodes."""
        axes = [self._axis(i)[which] for i in range(len(self.bounds))]
        return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))

    def _axis(self, i: int) -> tuple[Float[np.ndarray, "point"], Float[np.ndarray, "point"]]:
        low, high = self.bounds[i]
        if high < inf:
            x, weights = np.polynomial.legendre.leggauss(self.points)
            half = (high - low) / 2
            return low + half * (1 + x), np.log(half * weights)
        t = np.linspace(-asinh(self.reach), asinh(self.reach), self.points)
        log_weights = log(self.scale[i] * (t[1] - t[0])) + np.log(np.cosh(t))
        return self.center[i] + self.scale[i] * np.sinh(t), log_weights


def _chosen(log_weights: Float[Array, "*row index"], key: PRNGKeyArray) -> Int[Array, "*row"]:
    """An index by its weight, of log weights; of many draws the sums are made once."""
    below = jnp.cumsum(jnp.exp(log_weights - log_weights.max(-1, keepdims=True)), -1)
    place = jax.random.uniform(key, below.shape[:-1]) * below[..., -1]
    return jnp.vectorize(jnp.searchsorted, signature="(n),()->()")(below, place)
