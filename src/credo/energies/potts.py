"""The Potts model (Potts 1952) on any graph: E(s) = -beta (sum_(i,j) J_ij delta(s_i, s_j) + sum_i h_i(s_i)).

s_i is one of q kinds 0, ..., q - 1. With q = 2 it is the Ising model of half the couplings: delta = (1 + s s') / 2.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, ClassVar, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import softmax
from jaxtyping import Float
from numpyro.distributions import constraints

from credo.energies.base import check_numbers, real
from credo.energies.graph import Colour, OnGraph, lattice_edges
from credo.energies.lattice import LatticeModel
from credo.energies.model import Prior
from credo.energies.normaliser.base import Enumerated, Normaliser
from credo.errors import ConfigError
from credo.ranges import Several

_STATES = 2**16
"""Up to so many states all of them are visited."""


class Potts(OnGraph):
    """E(s) of the kinds s [sites], coded as floating numbers; positive couplings favour equal kinds.

    Fields are [sites, kinds].

    Example:
        >>> pair = Potts([(0, 1)], kinds=3)
        >>> float(pair(jnp.array([2.0, 2.0]))), abs(float(pair(jnp.array([2.0, 1.0]))))
        (-1.0, 0.0)

    Attributes:
        kinds: q.
    """

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
        self.kinds, fields = kinds, real(fields)
        sites = len(fields) if fields.ndim == 2 and not sites else sites
        sites = self._couple(edges, couplings, inverse_temperature, sites)
        self.fields = jnp.broadcast_to(fields, (sites, kinds)) if fields.shape in ((), (kinds,)) else fields
        check_numbers("energy.fields", self.fields, (sites, kinds))

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

    def __call__(self, x: Float[Array, "dim"]) -> Float[Array, ""]:
        """E(s) of the kinds x [sites]."""
        self.check_state(x)
        ends = np.array(self.edges, int).reshape(-1, 2)
        equal = self.couplings @ (x[ends[:, 0]] == x[ends[:, 1]]).astype(self.couplings.dtype)
        kind = x[:, None] == jnp.asarray(self.values, x.dtype)
        return -self.inverse_temperature * (equal + jnp.where(kind, self.fields, 0.0).sum())

    def given_neighbours(
        self, colour: Colour, x: Float[Array, "sites chain"], u: Float[Array, "site chain"]
    ) -> Float[Array, "site chain"]:
        """Kinds of a colour given all of them, x."""
        couplings = self.couplings_to(colour).astype(x.dtype)[:, None]
        kinds = jnp.asarray(self.values, x.dtype)[:, None]
        logits = (self.inverse_temperature * self.fields[colour.sites]).astype(x.dtype)[..., None]
        for k in range(couplings.shape[2]):
            logits = logits + couplings[..., k, None] * (x[colour.neighbours[:, k]][:, None] == kinds)
        below = jnp.cumsum(softmax(jnp.broadcast_to(logits, (len(u), len(kinds), u.shape[1])), 1)[:, :-1], 1)
        return (u[:, None] >= below).sum(1).astype(x.dtype)


class PottsModel(LatticeModel):
    """E(s) = -beta sum_(i,j) J_ij delta(s_i, s_j), s_i in {0, ..., kinds - 1}.

    What is `None` is inferred: one coupling per edge, or one inverse temperature.

    Attributes:
        kinds: how many values a site can take.
    """

    formula: ClassVar[str] = "E(s) = -beta sum_ij J_ij delta(s_i, s_j), s_i = 0, 1, ..."
    supports: ClassVar[dict[str, Any]] = {
        "couplings": (constraints.real,),
        "inverse_temperature": (constraints.positive,),
    }

    kinds: Several = eqx.field(static=True)

    def __init__(
        self,
        kinds: int,
        shape: Sequence[int],
        periodic: bool,
        couplings: float | None,
        inverse_temperature: float | None,
    ) -> None:
        self.kinds, self.shape, self.periodic = kinds, tuple(shape), periodic
        self.couplings, self.inverse_temperature = couplings, inverse_temperature
        self.edges = lattice_edges(self.shape, periodic)
        if (couplings is None) == (inverse_temperature is None):
            raise ConfigError(
                "inverse_temperature: expected null for exactly one of couplings and inverse_temperature, which is "
                f"inferred, but got couplings={couplings} and inverse_temperature={inverse_temperature}"
            )

    @property
    def values(self) -> tuple[float, ...]:  # type: ignore[override]
        """The kinds."""
        return tuple(map(float, range(self.kinds)))

    def __call__(self, prior: Prior) -> Potts:
        """Sample what is unknown."""
        couplings = self.sampled("couplings", prior, ("edge", len(self.edges)))
        beta = self.sampled("inverse_temperature", prior)
        return Potts(self.edges, self.kinds, couplings, inverse_temperature=beta, sites=self.dim)

    @property
    def normaliser(self) -> Normaliser | None:
        """Enumeration, where there are few states."""
        return Enumerated() if self.kinds**self.dim <= _STATES else None
