"""Energy-based models: p(x) = exp(-E(x; theta)) / Z(theta) (LeCun et al. 2006), with priors on theta."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray as xr
from jax import Array

from credo.energies.base import Given, real
from credo.energies.model import EnergyModel
from credo.energies.normaliser.base import Normaliser
from credo.energies.samplers.base import Sampler
from credo.errors import ConfigError
from credo.models.base import Model

NORMALISERS = ("auto", "none")
_PROBES = 50
"""At how many rows the energy is looked at, to judge chains whose weights have no meaning of their own."""

_BURN = 20
"""A draw of the model begins at the base and takes so many times `sampler.steps` transitions."""


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

    def start(self, key: Array) -> dict[str, Array]:
        """Where the energy's training begins."""
        return self.energy.start(key)

    def simulate(self, data: xr.Dataset, seed: int) -> Any:
        """Draw theta from its priors and states from the model."""
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
        return super().simulate(data, seed)

    def __call__(self, y: Array, x: Array | None = None, context: Array | None = None) -> None:  # type: ignore[override]
        """Observe y [obs] or [obs, target], of conditional energies given x [obs, feature] and context."""
        energy: Any = self.energy({name: self.prior[name] for name in self.energy.used})
        if self.energy.conditional:
            energy = Given(energy, tuple(given for given in (x, context) if given is not None))
        states = EnergyDistribution(energy, self.energy, self.sampler, self.way, len(y), jnp.ndim(y) == 1)
        if self.energy.networks:
            rows = np.unique(np.linspace(0, len(y) - 1, _PROBES).astype(int))
            energies = states.energies(y)[rows]
            with numpyro.plate("probe", len(rows)):
                numpyro.deterministic("relative_energy", energies - energies.mean())
        with numpyro.plate("obs", len(y)):
            numpyro.sample("y", states, obs=y)

    @property
    def way(self) -> Normaliser | None:
        """The way to log Z, where it is tractable."""
        return self.energy.normaliser if self.normaliser == "auto" else None


class EnergyDistribution(dist.Distribution):
    """p(y) = exp(-E(y)) / Z of `rows` rows, as NumPyro's programs take it.

    Attributes:
        energy: E, of all rows or given conditions per row.
        model: knows where states live and where chains begin.
        sampler: how states are drawn where there is no exact way.
        normaliser: the way to log Z; `None` where it is intractable, and `log_prob` is then -E alone.
        scalar: whether a state is a number, without a dimension of its own.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("energy", "model", "sampler", "normaliser")
    pytree_aux_fields = ("rows", "scalar")

    def __init__(
        self, energy: Any, model: EnergyModel, sampler: Sampler, normaliser: Normaliser | None, rows: int, scalar: bool
    ) -> None:
        self.energy, self.model, self.sampler, self.normaliser = energy, model, sampler, normaliser
        self.rows, self.scalar = rows, scalar
        super().__init__((rows,), () if scalar else (energy.dim,))

    @property
    def normalised(self) -> bool:
        """Whether `log_prob` has log Z in it."""
        return self.normaliser is not None

    def unnormalised(self) -> "EnergyDistribution":
        """The same without log Z in `log_prob`."""
        return EnergyDistribution(self.energy, self.model, self.sampler, None, self.rows, self.scalar)

    @property
    def support(self) -> Any:
        """Where the model's states live."""
        support = self.model.support
        return support.base_constraint if self.scalar else support

    def states(self, value: Array) -> Array:
        """Values as states [row, dim] of floating numbers, which observed ones of discrete units need not be."""
        return real(jnp.reshape(value, (len(value), -1)) if self.scalar else value)

    def energies(self, value: Array) -> Array:
        """The energies [row] of values [row] or [row, dim], without log Z."""
        return self.energy.batch(self.states(value))

    def log_prob(self, value: Array) -> Array:
        """-E - log Z, [row]."""
        energies = self.energies(value)
        return -energies - self.normaliser.log_z(self.energy) if self.normaliser is not None else -energies

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Independent states: exact ones where there is a way, else those of chains that begin at the base."""
        if sample_shape:
            keys = jax.random.split(key, sample_shape[0])
            return jax.vmap(lambda key: self.sample(key, sample_shape[1:]))(keys)
        states = self.exactly(key)
        if states is None:
            start_key, key = jax.random.split(key)
            begin = self.model.base.sample(start_key, (self.rows,)).astype(float)
            states = self.moved(begin, key, _BURN * self.sampler.steps)
        return states[..., 0] if self.scalar else states

    def moved(self, states: Array, key: Array, steps: int) -> Array:
        """States [row, dim] after so many transitions of the sampler."""
        sampler = self.sampler.of(self.energy)
        half = max(steps // 2, 1)
        adapt_key, key = jax.random.split(key)
        walkers, _ = sampler.run(self.energy, sampler.start(self.energy, states), adapt_key, half, adapt=True)
        return sampler.run(self.energy, walkers, key, max(steps - half, 1))[0].x

    def exactly(self, key: Array) -> Array | None:
        """Independent exact states [row, dim], where there is a way."""
        if self.normaliser is None:
            return None
        if self.model.conditional:
            return self.normaliser.draws(self.energy, key)
        draw = partial(self.normaliser.draws, self.energy)
        return jax.vmap(draw)(jax.random.split(key, self.rows))


def _columns(train: xr.Dataset, name: str) -> np.ndarray | None:
    """A variable as columns [row, column]."""
    if name not in train:
        return None
    values = train[name].to_numpy().astype(float)
    return values.reshape(len(values), -1)
