"""The Ising model on any graph: E(s) = -beta (sum_(i,j) J_ij s_i s_j + sum_i h_i s_i), s_i in {-1, +1} (Ising 1925).

beta, the inverse temperature, multiplies the fields too: with h / beta in place of h the fields do not depend on it.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, ClassVar, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from credo import memory
from credo.energies.base import Discrete, check_numbers, real
from credo.errors import ConfigError

Edges = tuple[tuple[int, int], ...]


class Ising(Discrete):
    """E(s) of the spins s [sites].

    Attributes:
        couplings: J of each edge, [edges]; positive ones align spins.
        fields: h of each site, [sites].
        inverse_temperature: beta, [].
        edges: The two sites of each edge; parallel edges add.
    """

    values: ClassVar[tuple[float, ...]] = (-1.0, 1.0)

    couplings: Array
    fields: Array
    inverse_temperature: Array
    edges: Edges = eqx.field(static=True)

    def __init__(
        self,
        edges: Iterable[Iterable[int]],
        couplings: Any = 1.0,
        fields: Any = 0.0,
        inverse_temperature: Any = 1.0,
        *,
        sites: int | None = None,
    ):
        """A model on the graph of `edges`.

        Args:
            edges: Pairs of different sites, counted from 0.
            couplings: [edges], or one number for all.
            fields: [sites], or one number for all.
            inverse_temperature: One number.
            sites: How many there are, where it does not follow from the fields or the last site of an edge.

        Raises:
            ConfigError: For edges that are no pairs of different sites, and numbers that do not fit the graph.
        """
        self.edges = _edges(edges)
        couplings, fields = real(couplings), real(fields)
        last = max((site for edge in self.edges for site in edge), default=-1)
        sites = (fields.size if fields.ndim else last + 1) if sites is None else sites
        if sites < 1 or last >= sites:
            raise ConfigError(f"energy.edges: expected sites from 0 to {sites - 1}, but got site {last}")
        self.couplings = couplings if couplings.ndim else jnp.full(len(self.edges), couplings)
        self.fields = fields if fields.ndim else jnp.full(sites, fields)
        self.inverse_temperature = real(inverse_temperature)
        check_numbers("energy.couplings", self.couplings, (len(self.edges),))
        check_numbers("energy.fields", self.fields, (sites,))
        check_numbers("energy.inverse_temperature", self.inverse_temperature, ())

    @classmethod
    def lattice(
        cls,
        shape: Sequence[int],
        couplings: Any = 1.0,
        fields: Any = 0.0,
        inverse_temperature: Any = 1.0,
        *,
        periodic: bool | Sequence[bool] = True,
    ) -> Self:
        """A lattice of any dimension, its sites in C order and its edges in the order of `lattice_edges`.

        Raises:
            ConfigError: As `lattice_edges` and the model itself.
        """
        edges = lattice_edges(shape, periodic)
        return cls(edges, couplings, fields, inverse_temperature, sites=prod(shape))

    @property
    def dim(self) -> int:
        """The number of sites."""
        return len(self.fields)

    def __call__(self, x: Array) -> Array:
        """E(s) [] of the spins x [sites]."""
        self.check_state(x)
        ends = np.array(self.edges, int).reshape(-1, 2)
        aligned = self.couplings @ (x[ends[:, 0]] * x[ends[:, 1]])
        return -self.inverse_temperature * (aligned + self.fields @ x)


def lattice_edges(shape: Sequence[int], periodic: bool | Sequence[bool] = True) -> Edges:
    """The edges of a lattice: all those along the first axis, then those along the second, and so on.

    Within an axis they are in C order of their first site, and lead to the next site along that axis. A periodic axis
    of two sites has two parallel edges, as its transfer matrix has.

    Args:
        shape: Sites along each axis.
        periodic: Whether an axis is closed to a ring, for each axis or for all.

    Raises:
        ConfigError: For an axis without sites, a periodic axis of one site, and another number of axes.
    """
    closed = (periodic,) * len(shape) if isinstance(periodic, bool) else tuple(periodic)
    if not shape or min(shape) < 1:
        raise ConfigError(f"energy.shape: expected at least one site along each axis, but got {tuple(shape)}")
    if len(closed) != len(shape):
        raise ConfigError(f"energy.periodic: expected one word for each of {len(shape)} axes, but got {closed}")
    if any(n == 1 and ring for n, ring in zip(shape, closed, strict=True)):
        raise ConfigError(
            f"energy.periodic: a periodic axis of one site would couple it to itself; expected at least 2 sites, "
            f"but got {tuple(shape)}"
        )
    memory.require(f"energy.shape={list(shape)}", 30 * prod(shape) * len(shape))
    index = np.arange(prod(shape)).reshape(shape)
    edges: list[tuple[int, int]] = []
    for axis, ring in enumerate(closed):
        ahead = np.roll(index, -1, axis)
        kept = slice(None) if ring else slice(-1)
        first, second = (np.moveaxis(np.moveaxis(a, axis, 0)[kept], 0, axis).ravel() for a in (index, ahead))
        edges += zip(first.tolist(), second.tolist(), strict=True)
    return tuple(edges)


def _edges(edges: Iterable[Iterable[int]]) -> Edges:
    pairs = tuple(tuple(int(site) for site in edge) for edge in edges)
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or min(pair) < 0:
            raise ConfigError(f"energy.edges: expected pairs of different sites from 0, but got {pair}")
    return tuple((pair[0], pair[1]) for pair in pairs)
