"""A Gaussian of whole numbers."""

# ruff: noqa: D102 -- `Component` documents the methods

from math import inf
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import log_ndtr
from jaxtyping import Float, PRNGKeyArray
from numpyro.distributions import constraints

from credo.models.mixtures.component import Parameters
from credo.models.mixtures.location_scale import Gaussian

_WIDE = 50.0
"""From this scale on, the mass is the density in the middle of the step: it errs by less than z^2 / 60,000."""

_SUMMED = 3.0
"""Up to this scale moments are sums over 80 values on either side; above, the rounding leaves no trace but its own
variance of 1/12: the next term of the Poisson summation is of order exp(-2 pi^2 scale^2) <= 1e-77."""


class DiscretizedGaussian(Gaussian):
    """N(loc, scale^2) rounded to whole numbers: P(Y = j) = F(j + 1/2) - F(j - 1/2).

    A density of whole numbers can be made as high as one likes; this mass is at most 1, so that scales need no floor of
    a whole step.
    """

    name: ClassVar[str] = "discretized_gaussian"

    @property
    def support(self) -> Any:
        return constraints.integer_interval(-inf, inf)

    @property
    def words(self) -> str:
        return "a whole number"

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        """In the lower tail, where the logarithms of F have all their digits, whichever side y is on."""
        away = jnp.abs(y - p["loc"])
        narrow = jnp.minimum(p["scale"], _WIDE)  # beyond, the difference would cancel
        above, below = log_ndtr((0.5 - away) / narrow), log_ndtr((-0.5 - away) / narrow)
        step = jnp.maximum(above - below, np.finfo(away.dtype).tiny)
        return jnp.where(p["scale"] < _WIDE, above + jnp.log(-jnp.expm1(-step)), super().log_density(p, y))

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        return super().cdf(p, jnp.floor(lax.stop_gradient(y)) + 0.5)

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        return jnp.floor(super().sample(p, key, shape) + 0.5)

    def mean(self, p: Parameters) -> Float[Array, "... target"]:
        return self._moments(p)[0]

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        return self._moments(p)[1]

    def hull(self, p: Parameters) -> tuple[Float[Array, "... target"] | float, Float[Array, "... target"] | float]:
        return p["loc"] - 9 * p["scale"] - 1, p["loc"] + 9 * p["scale"] + 1

    def _moments(self, p: Parameters) -> tuple[Float[Array, "... target"], Float[Array, "... target"]]:
        wide, middle = p["scale"] > _SUMMED, jnp.round(p["loc"])
        narrow = p | {"scale": jnp.minimum(p["scale"], _SUMMED)}
        values = middle[..., None] + self._like(np.arange(-80, 81), p["loc"])
        mass = jnp.exp(self.log_density({name: value[..., None] for name, value in narrow.items()}, values))
        mean = middle + (mass * (values - middle[..., None])).sum(-1)
        variance = (mass * jnp.square(values - mean[..., None])).sum(-1)
        return jnp.where(wide, p["loc"], mean), jnp.where(wide, super().variance(p) + 1 / 12, variance)
