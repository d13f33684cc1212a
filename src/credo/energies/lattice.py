"""Energies on lattices of any dimension, whose couplings may be known or inferred."""

from math import prod
from typing import Any, ClassVar

import equinox as eqx
import numpyro

from credo.energies.graph import Edges
from credo.energies.model import Prior, UnitsModel
from credo.ranges import Count, Positive


class LatticeModel(UnitsModel):
    """An energy on a lattice; couplings and inverse temperature are inferred where they are `None`.

    Attributes:
        shape: sites along each axis.
        periodic: whether the axes are closed.
        couplings: J of all edges.
        inverse_temperature: beta.
        edges: pairs of sites from 0.
    """

    takes_one_row: ClassVar[bool] = True

    shape: tuple[Count, ...] = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)
    couplings: float | None
    inverse_temperature: Positive | None
    edges: Edges = eqx.field(static=True)

    @property
    def picture(self) -> tuple[int, int] | None:
        """The sides of a lattice in the plane."""
        return (self.shape[0], self.shape[1]) if len(self.shape) == 2 else None

    @property
    def dim(self) -> int:
        """The number of sites."""
        return prod(self.shape)

    @property
    def used(self) -> tuple[str, ...]:
        """The priors of what is inferred."""
        return tuple(name for name in self.supports if getattr(self, name) is None)

    def sampled(self, name: str, prior: Prior, plate: tuple[str, int] | None = None) -> Any:
        """The number that is given under a name, or where there is none a latent, one per member of a plate."""
        if (given := getattr(self, name)) is not None:
            return given
        if plate is None:
            return numpyro.sample(name, prior[name])
        with numpyro.plate(*plate):
            return numpyro.sample(name, prior[name])
