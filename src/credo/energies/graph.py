"""Discrete units on a graph whose edges couple two of them each, and Gibbs sampling by the graph's colours.

No two sites of one colour are neighbours, so that all of them are drawn at once given the others (Geman & Geman 1984):
of even lattices the colours are the black and white fields of a chequerboard. States are kept as [site, chain] with the
sites in the order of their colours, where the neighbours of a block are whole rows.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, ClassVar, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from credo import memory
from credo.energies.base import Discrete, check_numbers, real
from credo.energies.uniforms import uniforms
from credo.errors import ConfigError

Edges = tuple[tuple[int, int], ...]


class Colour(NamedTuple):
    """Sites without edges between them, in the order in which states are kept.

    - **first** - where its rows begin.
    - **sites** - their numbers in the model, [site].
    - **neighbours** - the rows of their neighbours, [site, degree], filled up with 0.
    - **edges** - the edges to them, [site, degree], filled up with the number of edges.
    """

    first: int
    sites: Int[np.ndarray, "site"]
    neighbours: Int[np.ndarray, "site degree"]
    edges: Int[np.ndarray, "site degree"]


class OnGraph(Discrete):
    """An energy of couplings and fields; a subclass writes `__call__` and `given_neighbours`.

    Attributes:
        couplings: J of each edge, [edges].
        fields: h of each site, [sites] or [sites, kinds].
        inverse_temperature: beta, [].
        edges: the two sites of each edge; parallel edges add.
    """

    gibbs: ClassVar[bool] = True

    couplings: Float[Array, "edges"]
    fields: Float[Array, "sites ..."]
    inverse_temperature: Float[Array, ""]
    edges: Edges = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """The number of sites."""
        return len(self.fields)

    @abstractmethod
    def given_neighbours(
        self, colour: Colour, x: Float[Array, "sites chain"], u: Float[Array, "site chain"]
    ) -> Float[Array, "site chain"]:
        """New units of a colour given all of them, x, by uniform u."""

    def tempered(self, beta: ArrayLike) -> Self:
        """The same kind of energy with beta times the inverse temperature."""
        tempered = jnp.asarray(beta) * self.inverse_temperature
        return eqx.tree_at(lambda e: e.inverse_temperature, self, tempered)

    def sweep(
        self, x: Float[Array, "chain dim"], key: PRNGKeyArray, *, backwards: bool = False
    ) -> Float[Array, "chain dim"]:
        """One sweep over all colours."""
        return self.sweeps(x, jax.random.split(key, 1), backwards=backwards)

    def sweeps(
        self, x: Float[Array, "chain dim"], keys: Shaped[Array, "sweep ..."], *, backwards: bool = False
    ) -> Float[Array, "chain dim"]:
        """As many sweeps as there are keys."""
        colours = coloured(self.edges, self.dim)
        order = np.concatenate([colour.sites for colour in colours])

        def sweep(x: Array, key: PRNGKeyArray) -> tuple[Array, None]:
            for colour in reversed(colours) if backwards else colours:
                key, block_key = jax.random.split(key)
                u = uniforms(block_key, (len(colour.sites), x.shape[1]), x.dtype)
                x = lax.dynamic_update_slice(x, self.given_neighbours(colour, x, u), (colour.first, 0))
            return x, None

        return lax.scan(sweep, x.T[order], keys)[0][np.argsort(order)].T

    def couplings_to(self, colour: Colour) -> Float[Array, "site degree"]:
        """The coupling beta J of each neighbour, 0 where there is none."""
        padded = jnp.concatenate([self.couplings, jnp.zeros(1, self.couplings.dtype)])
        return self.inverse_temperature * padded[colour.edges]

    def _couple(
        self, edges: Iterable[Iterable[int]], couplings: Any, inverse_temperature: Any, sites: int | None
    ) -> int:
        """Set the edges and what belongs to them; returns the number of sites."""
        self.edges, couplings = _pairs(edges), real(couplings)
        last = max((site for edge in self.edges for site in edge), default=-1)
        sites = last + 1 if sites is None else sites
        if sites < 1 or last >= sites:
            raise ConfigError(f"energy.edges: expected sites from 0 to {sites - 1}, but got site {last}")
        self.couplings = couplings if couplings.ndim else jnp.full(len(self.edges), couplings)
        self.inverse_temperature = real(inverse_temperature)
        check_numbers("energy.couplings", self.couplings, (len(self.edges),))
        check_numbers("energy.inverse_temperature", self.inverse_temperature, ())
        return sites


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


@lru_cache(maxsize=16)
def coloured(edges: Edges, count: int) -> tuple[Colour, ...]:
    """The colours of a graph of `count` sites, each site in turn getting the first that no neighbour has."""
    near: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for number, (one, other) in enumerate(edges):
        near[one].append((other, number))
        near[other].append((one, number))
    colour = np.full(count, -1)
    for site in range(count):
        taken = {colour[other] for other, _ in near[site]}
        colour[site] = next(c for c in range(count) if c not in taken)
    order = np.argsort(colour, kind="stable")
    row = np.argsort(order)
    found, first = [], 0
    for c in range(colour.max() + 1):
        sites = np.flatnonzero(colour == c)
        found.append(Colour(first, sites, *_table([near[site] for site in sites], row, len(edges))))
        first += len(sites)
    return tuple(found)


def _table(
    near: Sequence[Sequence[tuple[int, int]]], row: Int[np.ndarray, "sites"], none: int
) -> tuple[Int[np.ndarray, "site degree"], Int[np.ndarray, "site degree"]]:
    """The rows of neighbours and the edges to them, [site, degree] each."""
    shape = len(near), max(map(len, near))
    neighbours, edges = np.zeros(shape, int), np.full(shape, none)
    for i, pairs in enumerate(near):
        for k, (other, number) in enumerate(pairs):
            neighbours[i, k], edges[i, k] = row[other], number
    return neighbours, edges


def _pairs(edges: Iterable[Iterable[int]]) -> Edges:
    pairs = tuple(tuple(int(site) for site in edge) for edge in edges)
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1] or min(pair) < 0:
            raise ConfigError(f"energy.edges: expected pairs of different sites from 0, but got {pair}")
    return tuple((pair[0], pair[1]) for pair in pairs)
