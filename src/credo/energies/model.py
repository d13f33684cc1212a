"""What is unknown of an energy E(x; theta): theta is drawn from priors in a NumPyro program."""

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import equinox as eqx
import numpy as np
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo.energies.base import Energy
from credo.energies.normaliser.base import Normaliser
from credo.energies.units import OneOf, Uniform
from credo.errors import ConfigError

Prior = Mapping[str, dist.Distribution]


class EnergyModel(eqx.Module):
    """An energy with unknowns. A subclass names the priors that it reads in `supports`, and writes `__call__`.

    Attributes:
        dim: how many numbers a state has; `None` until `fitted`, where the data decides.
    """

    supports: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """For each prior that the energy reads, the supports within one of which the prior must lie."""
    formula: ClassVar[str] = ""
    """The energy in one line of mathematics."""
    conditional: ClassVar[bool] = False
    """Whether the energy is one of y given x."""
    takes_one_row: ClassVar[bool] = False
    """Whether one state tells something of it, since its units have unknowns in common."""
    density: ClassVar[bool] = True
    """Whether exp(-E) stands for a density of states; a critic only tells pairs apart."""
    networks: ClassVar[bool] = False
    """Whether its unknowns are a network's weights."""

    @property
    @abstractmethod
    def dim(self) -> int | None:
        """How many numbers a state has, if it is known."""

    @property
    def picture(self) -> tuple[int, int] | None:
        """Height and width of the picture that a state is, if it is one."""
        return None

    @property
    def used(self) -> tuple[str, ...]:
        """The priors that are read with these settings."""
        return tuple(self.supports)

    @abstractmethod
    def __call__(self, prior: Prior) -> Energy:
        """The energy, its unknowns being sampled by `numpyro.sample`."""

    def fitted(
        self,
        y: Float[np.ndarray, "row dim"],
        x: Shaped[np.ndarray, "row feature"] | None,  # noqa: ARG002
        context: Shaped[np.ndarray, "row context_feature"] | None,  # noqa: ARG002
    ) -> Self:
        """This model with what it takes from the training rows: y, x, context.

        Raises:
            ConfigError: the rows are no states of it.
        """
        if self.dim is not None and y.shape[1] != self.dim:
            raise ConfigError(
                f"data: energy has states of {self.dim} numbers, but y has {y.shape[1]}; choose other data, or "
                "another energy"
            )
        return self

    def start(self, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:  # noqa: ARG002 - for those with networks
        """Where training begins, by site in its own space; empty to begin as optimisers do."""
        return {}

    @property
    def normaliser(self) -> Normaliser | None:
        """The way to log Z where it is tractable."""
        return None

    @property
    def unit(self) -> tuple[float, ...]:
        """In what a number of a state is measured, [dim]; empty for 1."""
        return ()

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """(low, high) of each number of a state, outside of which there is no density."""
        return ((-np.inf, np.inf),) * (self.dim or 1)

    @property
    @abstractmethod
    def support(self) -> Any:
        """Where states live: a constraint of event dimension 1."""

    @property
    @abstractmethod
    def base(self) -> dist.Distribution:
        """A normalised distribution of event shape [dim] about where the data is: to begin chains and to compare."""


class ContinuousModel(EnergyModel):
    """An energy whose states are real numbers, perhaps within bounds. It takes their moments from the rows.

    Attributes:
        mean: of the training rows, [dim].
        sd: their standard deviations.
        farthest: of the numbers of these rows from their mean, in those deviations.
    """

    mean: tuple[float, ...] = eqx.field(default=(), kw_only=True, static=True)
    sd: tuple[float, ...] = eqx.field(default=(), kw_only=True, static=True)
    farthest: float = eqx.field(default=0.0, kw_only=True, static=True)

    @property
    def dim(self) -> int | None:
        """As many as the rows have."""
        return len(self.mean) or None

    @property
    def unit(self) -> tuple[float, ...]:
        """The standard deviations."""
        return self.sd

    @property
    def support(self) -> Any:
        """The whole space, or the box."""
        low, high = np.array(self.box).T
        return constraints.independent(constraints.real if np.isinf(low).all() else constraints.interval(low, high), 1)

    @property
    def base(self) -> dist.Distribution:
        """Independent normals with the moments of the training rows, standard ones until then, within the bounds."""
        low, high = np.array(self.box).T
        mean, sd = (np.array(given or (default,) * len(low)) for given, default in ((self.mean, 0.0), (self.sd, 1.0)))
        if np.isinf(low).all():
            return dist.Normal(mean, sd).to_event(1)
        return dist.TruncatedNormal(mean, sd, low=low, high=high).to_event(1)

    def fitted(
        self,
        y: Float[np.ndarray, "row dim"],
        x: Shaped[np.ndarray, "row feature"] | None,
        context: Shaped[np.ndarray, "row context_feature"] | None,
    ) -> Self:
        """With the moments of the rows."""
        super().fitted(y, x, context)
        sd = np.maximum(y.std(0), 1e-12)
        farthest = float(np.max(np.abs(y - y.mean(0)) / sd))
        return dataclasses.replace(self, mean=tuple(map(float, y.mean(0))), sd=tuple(map(float, sd)), farthest=farthest)


class UnitsModel(EnergyModel):
    """An energy of discrete units that each take one of a few `values`."""

    values: ClassVar[tuple[float, ...]]
    """What a unit can be."""

    @property
    def support(self) -> Any:
        """One of the values, each."""
        return constraints.independent(OneOf(self.values), 1)

    @property
    def base(self) -> dist.Distribution:
        """All states alike."""
        assert self.dim is not None  # noqa: S101 -- for the type checker: `fitted` was called
        return Uniform(self.values, self.dim)
