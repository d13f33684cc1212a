"""The Ising model on a lattice or any graph: couplings, fields and inverse temperature are known or inferred."""

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import equinox as eqx
import numpyro
from numpyro.distributions import constraints

from credo.energies.ising import Edges, lattice_edges
from credo.energies.ising import Ising as Energy
from credo.energies.normaliser import transfer
from credo.energies.normaliser.exact import Enumerated, Exact, Transferred
from credo.errors import ConfigError
from credo.models.energies.base import Prior, Units
from credo.ranges import Count, Positive

_ENUMERATED = 16
"""Up to so many spins all states are visited."""


class Ising(Units):
    """E(s) = -beta (sum_(i,j) J_ij s_i s_j + sum_i h_i s_i), s_i in {-1, +1}.

    What is `None` is inferred: one coupling per edge, one field per site, one inverse temperature.

    Attributes:
        shape: sites along each axis of a lattice; one axis where `edges` are given.
        periodic: whether the axes are closed.
        couplings: J of all edges.
        fields: h of all sites.
        inverse_temperature: beta.
        edges: pairs of sites from 0, of another graph than the lattice.
    """

    formula: ClassVar[str] = "E(s) = -beta (sum_ij J_ij s_i s_j + sum_i h_i s_i), s_i = -1 or +1"
    takes_one_row: ClassVar[bool] = True
    supports: ClassVar[dict[str, Any]] = {
        "couplings": (constraints.real,),
        "fields": (constraints.real,),
        "inverse_temperature": (constraints.positive,),
    }

    shape: tuple[Count, ...] = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)
    couplings: float | None
    fields: float | None
    inverse_temperature: Positive | None
    edges: Edges = eqx.field(static=True)
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
            self.edges = Energy(edges, sites=prod(self.shape)).edges
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
        return (self.shape[0], self.shape[1]) if self.is_lattice and len(self.shape) == 2 else None

    @property
    def dim(self) -> int:
        """The number of sites."""
        return prod(self.shape)

    @property
    def values(self) -> tuple[float, ...]:
        """Down and up."""
        return Energy.values

    @property
    def used(self) -> tuple[str, ...]:
        """Those of what is inferred."""
        return tuple(name for name in self.supports if getattr(self, name) is None)

    def __call__(self, prior: Prior) -> Energy:
        """Sample what is unknown."""
        couplings, fields, beta = self.couplings, self.fields, self.inverse_temperature
        if couplings is None:
            with numpyro.plate("edge", len(self.edges)):
                couplings = numpyro.sample("couplings", prior["couplings"])
        if fields is None:
            with numpyro.plate("target", self.dim):
                fields = numpyro.sample("fields", prior["fields"])
        if beta is None:
            beta = numpyro.sample("inverse_temperature", prior["inverse_temperature"])
        return Energy(self.edges, couplings, fields, beta, sites=self.dim)

    @property
    def exact(self) -> Exact | None:
        """The transfer matrix of rings and strips, enumeration of few spins on other graphs; otherwise none."""
        widest = (*self.shape, 1)[1]
        if self.is_lattice and len(self.shape) <= 2 and widest <= transfer.WIDEST:
            return Transferred(self.shape, self.periodic)
        return Enumerated() if self.dim <= _ENUMERATED else None
