"""A finite mixture of normal distributions."""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
import xarray as xr
from jax import Array
from jaxtyping import Float, Shaped
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.priors import concentrations
from credo.models.scaled import Sorted, scaled
from credo.ranges import Several


class Mixture(Model):
    """y_i ~ sum_k weights_k N(loc_k, scale_k), loc_1 < loc_2 < ..., each with a prior.

    Which component a row comes from is summed out. The means are in order, as the components could else change places;
    their prior is that of independent means, put in order (Jasra, Holmes and Stephens 2005, "Markov chain Monte Carlo
    methods and the label switching problem", Statistical Science 20).

    Attributes:
        components: how many.
        autoscale: whether loc and scale have priors in units of the data: loc is mean(y) + sd(y) times what prior.loc
            says, scale is sd(y) times what prior.scale says.
        units: mean and standard deviation of the training rows [2], once it is `fitted`.
    """

    formula: ClassVar[str] = (
        "y_i ~ sum_k weights_k N(loc_k, scale_k),   loc_1 < loc_2 < ...\n"
        "weights, loc_k, scale_k ~ prior   (autoscale: in units of mean(y) and sd(y))"
    )
    rows_alike: ClassVar[bool] = True
    part: ClassVar[str] = "component"
    supports: ClassVar[dict[str, Any]] = {
        "weights": (constraints.simplex,),
        "loc": (constraints.real,),
        "scale": (constraints.positive,),
    }

    components: Several = eqx.field(static=True)
    autoscale: bool = eqx.field(static=True)
    units: Float[Array, "2"] | None = None

    def __check_init__(self) -> None:
        weights: Any = self.prior.get("weights")
        if weights is not None and weights.event_shape:  # others are refused by `Model`
            concentrations("prior.weights", weights, self.components)

    def fitted(self, train: xr.Dataset) -> "Mixture":
        """This model with the mean and the standard deviation of the training rows."""
        if not self.autoscale:
            return self
        y = train["y"].to_numpy().astype(float)
        if y.std() == 0:
            raise ConfigError("model.autoscale: y is constant on the training rows; set model.autoscale=false")
        return dataclasses.replace(self, units=jnp.array([y.mean(), y.std()]))

    def __call__(self, y: Shaped[Array, "obs"]) -> None:  # type: ignore[override]
        """Observe y."""
        loc, scale = self.prior["loc"], self.prior["scale"]
        if self.units is not None:
            loc, scale = scaled(loc, self.units[0], self.units[1]), scaled(scale, 0.0, self.units[1])
        prior = concentrations("prior.weights", self.prior["weights"], self.components)
        weights = numpyro.sample("weights", prior, infer={"dims": ("component",)})
        places = numpyro.sample("loc", Sorted(loc, self.components), infer={"dims": ("component",)})
        with numpyro.plate("component", self.components):
            widths = numpyro.sample("scale", scale)
        mixture = dist.MixtureSameFamily(dist.CategoricalProbs(weights), dist.Normal(places, widths))
        with numpyro.plate("obs", y.shape[0]):
            numpyro.sample("y", mixture, obs=y)
