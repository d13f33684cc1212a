"""The Potts model (Potts 1952) on any graph: E(s) = -beta (sum_(i,j) J_ij delta(s_i, s_j) + sum_i h_i(s_i)).

s_i is one of q kinds 0, ..., q - 1. With q = 2 it is the Ising model of half the couplings: delta = (1 + s s') / 2.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from credo.energies.base import Discrete, check_numbers, real
from credo.energies.ising import Edges, Ising, lattice_edges
from credo.errors import ConfigError


class Potts(Discrete):
    """E(s) of the kinds s [sites], coded as floating numbers.

    Attributes:
        couplings: J of each edge, [edges]; positive ones favour equal kinds.
        fields: h of each kind at each site, [sites, kinds].
        inverse_temperature: beta, [].
        edges: The two sites of each edge; parallel edges add.
        kinds: q.
    """

    couplings: Array
    fields: Array
    inverse_temperature: Array
    edges: Edges = eqx.field(static=True)
    kinds: int = eqx.field(static=True)

    def __init__(
        self,
        edges: Iterable[Iterable[int]],
        kinds: int,
        couplings: Any = 1.0,
        fields: Any = 0.0,
        inverse_temperature: Any = 1.0,
        *,
        sites: int | None = None,
    ):
        """A model of `kinds` on the graph of `edges`.

        Args:
            edges: Pairs of different sites, counted from 0.
            kinds: q, at least 2.
            couplings: [edges], or one number for all.
            fields: [sites, kinds], or [kinds] of every site, or one number, which changes E by a constant.
            inverse_temperature: One number.
            sites: How many there are, where it does not follow from the fields or the last site of an edge.

        Raises:
            ConfigError: For fewer than two kinds, edges that are no pairs of different sites, and numbers that do not
                fit the graph.
        """
        if kinds < 2:
            raise ConfigError(f"energy.kinds: expected at least 2, but got {kinds}")
        fields = real(fields)
        graph = Ising(
            edges, couplings, 0.0, inverse_temperature, sites=len(fields) if fields.ndim == 2 and not sites else sites
        )
        self.edges, self.kinds = graph.edges, kinds
        self.couplings, self.inverse_temperature = graph.couplings, graph.inverse_temperature
        self.fields = jnp.broadcast_to(fields, (graph.dim, kinds)) if fields.shape in ((), (kinds,)) else fields
        check_numbers("energy.fields", self.fields, (graph.dim, kinds))

    @classmethod
    def lattice(
        cls,
        shape: Sequence[int],
        kinds: int,
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
        return cls(edges, kinds, couplings, fields, inverse_temperature, sites=prod(shape))

    @property
    def values(self) -> tuple[float, ...]:  # type: ignore[override]
        """The kinds."""
        return tuple(map(float, range(self.kinds)))

    @property
    def dim(self) -> int:
        """The number of sites."""
        return len(self.fields)

    def __call__(self, x: Array) -> Array:
        """E(s) [] of the kinds x [sites]."""
        self.check_state(x)
        ends = np.array(self.edges, int).reshape(-1, 2)
        equal = self.couplings @ (x[ends[:, 0]] == x[ends[:, 1]]).astype(self.couplings.dtype)
        kind = x[:, None] == jnp.asarray(self.values, x.dtype)
        return -self.inverse_temperature * (equal + jnp.where(kind, self.fields, 0.0).sum())
