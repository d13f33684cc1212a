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
from jax.nn import sigmoid
from jaxtyping import Float
from numpyro.distributions import constraints

from credo.energies.base import check_numbers, real
from credo.energies.graph import Colour, OnGraph, lattice_edges
from credo.energies.lattice import LatticeModel
from credo.energies.model import Prior
from credo.energies.normaliser import transfer
from credo.energies.normaliser.base import Enumerated, Normaliser, Transferred
from credo.errors import ConfigError

_ENUMERATED = 16
"""Up to so many spins all states are visited."""


class Ising(OnGraph):
    """E(s) of the spins s [sites]; positive couplings align spins, and fields are [sites].

    Example:
        >>> import jax.numpy as jnp
        >>> pair = Ising([(0, 1)], couplings=2.0)
        >>> float(pair(jnp.array([1.0, 1.0]))), float(pair(jnp.array([1.0, -1.0])))
        (-2.0, 2.0)
    """

    values: ClassVar[tuple[float, ...]] = (-1.0, 1.0)

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
        fields = real(fields)
        sites = fields.size if fields.ndim and sites is None else sites
        sites = self._couple(edges, couplings, inverse_temperature, sites)
        self.fields = fields if fields.ndim else jnp.full(sites, fields)
        check_numbers("energy.fields", self.fields, (sites,))

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

        Example:
            >>> Ising.lattice((3, 3)).couplings.shape, Ising.lattice((3, 3), periodic=False).couplings.shape
            ((18,), (12,))

        Raises:
            ConfigError: As `lattice_edges` and the model itself.
        """
        edges = lattice_edges(shape, periodic)
        return cls(edges, couplings, fields, inverse_temperature, sites=prod(shape))

    def __call__(self, x: Float[Array, "dim"]) -> Float[Array, ""]:
        """E(s) of the spins x [sites]."""
        self.check_state(x)
        ends = np.array(self.edges, int).reshape(-1, 2)
        aligned = self.couplings @ (x[ends[:, 0]] * x[ends[:, 1]])
        return -self.inverse_temperature * (aligned + self.fields @ x)

    def given_neighbours(
        self, colour: Colour, x: Float[Array, "sites chain"], u: Float[Array, "site chain"]
    ) -> Float[Array, "site chain"]:
        """Spins of a colour given all of them, x."""
        couplings = self.couplings_to(colour).astype(x.dtype)
        field = (self.inverse_temperature * self.fields[colour.sites])[:, None].astype(x.dtype)
        for k in range(couplings.shape[1]):
            field = field + couplings[:, k, None] * x[colour.neighbours[:, k]]
        return jnp.where(u < sigmoid(2 * field), 1.0, -1.0).astype(x.dtype)


class IsingModel(LatticeModel):
    """E(s) = -beta (sum_(i,j) J_ij s_i s_j + sum_i h_i s_i), s_i in {-1, +1}.

    What is `None` is inferred: one coupling per edge, one field per site, one inverse temperature.

    Attributes:
        fields: h of all sites.
        is_lattice: whether the edges are those of the lattice; otherwise `shape` counts the sites of their graph.
    """

    formula: ClassVar[str] = "E(s) = -beta (sum_ij J_ij s_i s_j + sum_i h_i s_i), s_i = -1 or +1"
    values: ClassVar[tuple[float, ...]] = Ising.values
    supports: ClassVar[dict[str, Any]] = {
        "couplings": (constraints.real,),
        "fields": (constraints.real,),
        "inverse_temperature": (constraints.positive,),
    }

    fields: float | None
    is_lattice: bool = eqx.field(static=True)

    def __init__(
        self,
        shape: Sequence[int],
        periodic: bool,
        couplings: float | None,
        fields: float | None,
        inverse_temperature: float | None,
        edges: Sequence[Sequence[int]] | None,
    ) -> None:
        self.shape, self.periodic, self.is_lattice = tuple(shape), periodic, edges is None
        self.couplings, self.fields, self.inverse_temperature = couplings, fields, inverse_temperature
        if edges is None:
            self.edges = lattice_edges(self.shape, periodic)
        else:
            self.edges = Ising(edges, sites=prod(self.shape)).edges
        if couplings is not None and fields is not None and inverse_temperature is not None:
            raise ConfigError(
                "inverse_temperature: expected null for couplings, fields or inverse_temperature, as something must be "
                "inferred, but all of them are given"
            )
        if couplings is None and inverse_temperature is None:
            raise ConfigError(
                "inverse_temperature: it multiplies the couplings, so that only one of both can be inferred, but both "
                "are null; set energy.inverse_temperature=1"
            )

    @property
    def picture(self) -> tuple[int, int] | None:
        """The sides of a lattice in the plane."""
        return super().picture if self.is_lattice else None

    def __call__(self, prior: Prior) -> Ising:
        """Sample what is unknown."""
        couplings = self.sampled("couplings", prior, ("edge", len(self.edges)))
        fields = self.sampled("fields", prior, ("target", self.dim))
        return Ising(self.edges, couplings, fields, self.sampled("inverse_temperature", prior), sites=self.dim)

    @property
    def normaliser(self) -> Normaliser | None:
        """The transfer matrix of rings and strips, enumeration of few spins on other graphs; otherwise none."""
        widest = (*self.shape, 1)[1]
        if self.is_lattice and len(self.shape) <= 2 and widest <= transfer.WIDEST:
            return Transferred(self.shape, self.periodic)
        return Enumerated() if self.dim <= _ENUMERATED else None
