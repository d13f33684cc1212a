"""Energy-based models: p(x) = exp(-E(x; theta)) / Z(theta) (LeCun et al. 2006), with priors on theta."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import xarray as xr
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.energies.base import Given
from credo.energies.model import EnergyModel
from credo.energies.normaliser.base import Normaliser
from credo.energies.samplers.base import Sampler
from credo.errors import ConfigError
from credo.models.base import Found, Model
from credo.models.energy_distribution import EnergyDistribution

NORMALISERS = ("auto", "none")
_PROBES = 50
"""At how many rows the energy is looked at, to judge chains whose weights have no meaning of their own."""


class Ebm(Model):
    """y_i ~ exp(-E(y_i; theta)) / Z(theta); of a conditional energy, given x_i.

    Where Z is tractable this is a likelihood like any other. Where it is not, theta is trained by samples of the model
    (`training`), or its posterior is drawn by the exchange algorithm (`inference=exchange`).

    Attributes:
        energy: the energy and its unknowns.
        sampler: how states are drawn.
        normaliser: `auto` computes Z where that is possible; `none` never does, e.g. to compare with methods that do
            without.
    """

    several_targets: ClassVar[bool] = True
    has_energy: ClassVar[bool] = True
    derives: ClassVar[str] = "energy"

    energy: EnergyModel
    sampler: Sampler
    normaliser: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.normaliser not in NORMALISERS:
            raise ConfigError(f"normaliser: expected one of {', '.join(NORMALISERS)}, but got {self.normaliser!r}")

    @property
    def formula(self) -> str:  # type: ignore[override]
        """That of the energy."""
        return f"y_i ~ exp(-E(y_i)) / Z\n{self.energy.formula}"

    @property
    def supports(self) -> Mapping[str, tuple[Any, ...]]:  # type: ignore[override]
        """Those of the energy's unknowns."""
        return self.energy.supports

    @property
    def takes_one_row(self) -> bool:
        """Where the units of one state are alike, as on a lattice."""
        return self.energy.takes_one_row

    def fitted(self, train: xr.Dataset) -> "Ebm":
        """This model with what its energy takes from the training rows.

        Raises:
            ConfigError: the rows are no states of the energy.
        """
        if "y" not in train:
            return self  # `bind` says what is missing
        y, x, context = (_columns(train, name) for name in ("y", "x", "context"))
        assert y is not None  # noqa: S101 -- for the type checker
        return dataclasses.replace(self, energy=self.energy.fitted(y, x, context))

    def derived[R: Found](self, problem: Any, result: R, key: PRNGKeyArray) -> R:
        """With samples of the model, log Z and what follows (see `ebm_derived`)."""
        from credo.models.ebm_derived import add_energy

        return add_energy(problem, result, jax.random.fold_in(key, 2))

    def start(self, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:
        """Where the energy's training begins."""
        return self.energy.start(key)

    def template(self, data: xr.Dataset) -> xr.Dataset:
        """Placeholders of states, with as many numbers as the energy has."""
        if self.energy.networks or self.energy.dim is None:
            raise ConfigError(
                "data: this energy takes its sizes and scales from data, so that nothing can be drawn without any; use "
                "a table, or data=two_moons"
            )
        rows = data.sizes[data["y"].dims[0]]
        if self.energy.dim > 1:
            dims = (data["y"].dims[0], "target")
            names = [f"y{i}" for i in range(self.energy.dim)]
            states = np.broadcast_to(np.asarray(self.energy.base.sample(jax.random.PRNGKey(0))), (rows, len(names)))
            data = data.drop_vars("y").assign(y=(dims, states.copy())).assign_coords(target=names)
        return data

    def __call__(  # type: ignore[override]
        self,
        y: Shaped[Array, "obs ..."],
        x: Shaped[Array, "obs ..."] | None = None,
        context: Shaped[Array, "obs ..."] | None = None,
    ) -> None:
        """Observe y [obs] or [obs, target], of conditional energies given x [obs, feature] and context."""
        energy: Any = self.energy({name: self.prior[name] for name in self.energy.used})
        if self.energy.conditional:
            energy = Given(energy, tuple(given for given in (x, context) if given is not None))
        states = EnergyDistribution(energy, self.energy, self.sampler, self.normalised_by, len(y), jnp.ndim(y) == 1)
        if self.energy.networks:
            rows = np.unique(np.linspace(0, len(y) - 1, _PROBES).astype(int))
            energies = states.energies(y)[rows]
            with numpyro.plate("probe", len(rows)):
                numpyro.deterministic("relative_energy", energies - energies.mean())
        with numpyro.plate("obs", len(y)):
            numpyro.sample("y", states, obs=y)

    @property
    def normalised_by(self) -> Normaliser | None:
        """The way to log Z, where it is tractable."""
        return self.energy.normaliser if self.normaliser == "auto" else None


def _columns(train: xr.Dataset, name: str) -> Shaped[np.ndarray, "row column"] | None:
    """A variable as columns."""
    if name not in train:
        return None
    values = train[name].to_numpy().astype(float)
    return values.reshape(len(values), -1)
