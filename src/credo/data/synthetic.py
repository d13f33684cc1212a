"""Data drawn from the chosen model itself: latents from their priors, then observations; the truth is kept."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import numpy as np
import xarray as xr

from credo import memory
from credo.data.base import Source
from credo.data.dataset import ROWS, TRUTH, Variables, make
from credo.errors import ConfigError
from credo.ranges import Count, Positive, Several

if TYPE_CHECKING:
    from credo.models.base import Model


@dataclass(frozen=True)
class Synthetic(Source):
    """A prior-predictive draw of the model, with the truth as variables `truth_SITE`.

    Of these inputs the model gets those that it takes: `x` [obs, feature] standard normal, `group` [obs] as balanced as
    can be, `sigma` [obs] constant. `None` leaves out an input that the model takes but does not require.

    Attributes:
        rows: the number of rows.
        features: the number of inputs per row, or `None`.
        groups: the number of groups, or `None`.
        sigma: the known standard error of every row, or `None`.
    """

    rows: Several
    features: Count | None
    groups: Count | None
    sigma: Positive | None

    def __post_init__(self) -> None:
        if self.groups is not None and self.groups > self.rows:
            raise ConfigError(f"data.groups: expected at most data.rows={self.rows}, but got {self.groups}")

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        memory.require(f"data.rows={self.rows} data.features={self.features}", 8 * self.rows * (self.features or 1))
        template = self._template(model, seed)
        from credo.models.simulate import simulate  # takes time to load

        observed, truth = simulate(model, template, seed)
        if "y" in template and "y" not in observed:
            raise ConfigError(
                "data: a synthetic y is observed, but this model takes y as an input; use data=json or another model"
            )
        drawn = {name: (_dims(name, values, template), _finite(name, values)) for name, values in observed.items()}
        inputs = {str(name): (tuple(map(str, v.dims)), v.to_numpy()) for name, v in template.data_vars.items()}
        names = {f"truth_{_safe(site)}": site for site in truth}
        hidden = {name: (_dims(_safe(site), truth[site]), _finite(site, truth[site])) for name, site in names.items()}
        dataset = make(inputs | drawn | hidden, template.coords)
        for name, site in names.items():
            dataset[name].attrs.update(role=TRUTH, site=site)
        return dataset

    def _template(self, model: "Model", seed: int) -> xr.Dataset:
        """The inputs that the model takes, and `y` [obs] = 0 as a place to be filled.

        Raises:
            ConfigError: the model requires a variable that is null, or that this source cannot make.
        """
        required, optional = model.arguments()
        inputs = self._inputs(seed)
        taken = inputs if "*" in optional else {name: v for name, v in inputs.items() if name in required | optional}
        labels = {"group_name": [str(i) for i in range(self.groups or 0)]} if "group" in taken else {}
        template = make(taken, labels)
        if missing := sorted(required - set(taken) - {f"n_{dim}" for dim in template.sizes}):
            key = _KEYS.get(missing[0])
            advice = f"set data.{key}, which is null" if key else "give the data with data=json or another source"
            raise ConfigError(
                f"data: the model needs the variable {missing[0]!r}, but the synthetic data has only "
                f"{', '.join(inputs)}; {advice}"
            )
        return template

    def _inputs(self, seed: int) -> Variables:
        """All inputs that are not null."""
        rng = np.random.default_rng(seed)
        inputs: dict[str, tuple[tuple[str, ...], np.ndarray]] = {"y": ((ROWS,), np.zeros(self.rows))}
        if self.features is not None:
            inputs["x"] = ((ROWS, "feature"), rng.standard_normal((self.rows, self.features)))
        if self.groups is not None:
            inputs["group"] = ((ROWS,), np.arange(self.rows) % self.groups)
        if self.sigma is not None:
            inputs["sigma"] = ((ROWS,), np.full(self.rows, self.sigma))
        return inputs


_KEYS = {"x": "features", "group": "groups", "sigma": "sigma"}
"""Input -> the configuration key that makes it."""


def _safe(site: str) -> str:
    """The site's name as netCDF allows it."""
    return site.replace("/", ".")


def _dims(name: str, values: np.ndarray, template: xr.Dataset | None = None) -> tuple[str, ...]:
    """One dim per axis: those of the template's variable if it has the shape; else the rows, then `NAME_dim_I`."""
    shape = np.shape(values)
    if template is not None and name in template and template[name].shape == shape:
        return tuple(map(str, template[name].dims))
    dims = [f"{name}_dim_{axis}" for axis in range(len(shape))]
    if template is not None and shape and shape[0] == template.sizes.get(ROWS):
        dims[0] = ROWS
    return tuple(dims)


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ConfigError(
            f"data: the synthetic {name!r} is not finite, since the prior allows any size; narrow the priors, or "
            "change seed"
        )
    return values
