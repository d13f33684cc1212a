"""The Potts model on a lattice: sites of several kinds, couplings and inverse temperature known or inferred."""

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import equinox as eqx
import numpyro
from numpyro.distributions import constraints

from credo.energies.ising import lattice_edges
from credo.energies.normaliser.exact import Enumerated, Exact
from credo.energies.potts import Potts as Energy
from credo.errors import ConfigError
from credo.models.energies.base import Prior, Units
from credo.ranges import Count, Positive, Several

_STATES = 2**16
"""Up to so many states all of them are visited."""


class Potts(Units):
    """E(s) = -beta sum_(i,j) J_ij delta(s_i, s_j), s_i in {0, ..., kinds - 1}.

    What is `None` is inferred: one coupling per edge, or one inverse temperature.

    Attributes:
        kinds: how many values a site can take.
        shape: sites along each axis.
        periodic: whether the axes are closed.
        couplings: J of all edges.
        inverse_temperature: beta.
    """

    formula: ClassVar[str] = "E(s) = -beta sum_ij J_ij delta(s_i, s_j), s_i = 0, 1, ..."
    takes_one_row: ClassVar[bool] = True
    supports: ClassVar[dict[str, Any]] = {
        "couplings": (constraints.real,),
        "inverse_temperature": (constraints.positive,),
    }

    kinds: Several = eqx.field(static=True)
    shape: tuple[Count, ...] = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)
    couplings: float | None
    inverse_temperature: Positive | None

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
        lattice_edges(self.shape, periodic)
        if (couplings is None) == (inverse_temperature is None):
            raise ConfigError(
                "inverse_temperature: expected null for exactly one of couplings and inverse_temperature, which is "
                f"inferred, but got couplings={couplings} and inverse_temperature={inverse_temperature}"
            )

    @property
    def picture(self) -> tuple[int, int] | None:
        """The sides of a lattice in the plane."""
        return (self.shape[0], self.shape[1]) if len(self.shape) == 2 else None

    @property
    def dim(self) -> int:
        """The number of sites."""
        return prod(self.shape)

    @property
    def values(self) -> tuple[float, ...]:
        """The kinds."""
        return tuple(map(float, range(self.kinds)))

    @property
    def used(self) -> tuple[str, ...]:
        """That of what is inferred."""
        return tuple(name for name in self.supports if getattr(self, name) is None)

    def __call__(self, prior: Prior) -> Energy:
        """Sample what is unknown."""
        couplings, beta = self.couplings, self.inverse_temperature
        if couplings is None:
            with numpyro.plate("edge", len(lattice_edges(self.shape, self.periodic))):
                couplings = numpyro.sample("couplings", prior["couplings"])
        if beta is None:
            beta = numpyro.sample("inverse_temperature", prior["inverse_temperature"])
        return Energy.lattice(
            self.shape, self.kinds, couplings=couplings, inverse_temperature=beta, periodic=self.periodic
        )

    @property
    def exact(self) -> Exact | None:
        """Enumeration, where there are few states."""
        return Enumerated() if self.kinds**self.dim <= _STATES else None
