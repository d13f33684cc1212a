"""The family on the unit interval."""

# ruff: noqa: D102 -- `Component` documents the methods

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array, random
from jax.nn import sigmoid
from jax.scipy.special import betainc
from jaxtyping import Float, PRNGKeyArray
from numpyro.distributions import constraints

from credo.models.mixtures.component import Component, Parameters
from credo.models.mixtures.special import HALF_LOG_2PI, deviance, is_large, is_near, stirling_error, upper_tail

LEAST_MEAN = 1e-6
"""Means of `beta` are at least this far from 0 and 1."""


class Beta(Component):
    """Beta(mean * precision, (1 - mean) * precision), with variance mean (1 - mean) / (1 + precision).

    The mean is sigmoid(raw), and the precision 1 / d^2 where d has the form, and the floor, of a scale; `unit` acts on
    d alone. Densities are by Loader's (2000) form: the divergence of the mean from y, times the precision. The CDF has
    no derivative by the parameters; in float32 it loses digits where one of mean * precision and its counterpart is
    above 1,000 and the other below 60.
    """

    name: ClassVar[str] = "beta"
    names: ClassVar[tuple[str, ...]] = ("mean", "dispersion")
    reach: ClassVar[range] = range(-3, 4)

    @property
    def support(self) -> Any:
        return constraints.open_interval(0.0, 1.0)

    @property
    def words(self) -> str:
        return "a number above 0 and below 1"

    def parameters(self, raw: Float[Array, "*batch size"], targets: int) -> Parameters:
        mean, dispersion = self._cut(raw, targets)
        one, other = (LEAST_MEAN + (1 - 2 * LEAST_MEAN) * sigmoid(m) for m in (mean, -mean))
        return {"mean": one, "complement": other, "precision": self._scale(dispersion) ** -2}

    def initial(
        self, at: Float[np.ndarray, "*batch target"], spread: Float[np.ndarray, "*batch target"]
    ) -> Float[np.ndarray, "*batch size"]:
        mean = np.clip(at, 10 * LEAST_MEAN, 1 - 10 * LEAST_MEAN)
        inner = (mean - LEAST_MEAN) / (1 - 2 * LEAST_MEAN)
        # A variance of mean (1 - mean) cannot be reached.
        part = np.minimum(np.square(spread) / (mean * (1 - mean)), 0.5)
        return np.concatenate([np.log(inner / (1 - inner)), self._raw_scale(mean, np.sqrt(part / (1 - part)))], -1)

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        y = self._inside(y)
        m, n, precision = p["mean"], p["complement"], p["precision"]
        divergence = deviance(m, y) + deviance(n, 1 - y)
        norm = 0.5 * (jnp.log(m) + jnp.log(n) + jnp.log(precision)) - HALF_LOG_2PI
        rest = stirling_error(precision) - stirling_error(m * precision) - stirling_error(n * precision)
        return norm + rest - precision * divergence - jnp.log(y) - jnp.log1p(-y)

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        inside = self._inside(y)
        m, n, precision, inside = jnp.broadcast_arrays(p["mean"], p["complement"], p["precision"], inside)
        large = is_large(jnp.minimum(m, n) * precision)
        a, b = (jnp.where(large, 1, part * precision) for part in (m, n))
        small = jnp.clip(betainc(a, b, inside), 0, 1)
        at = jnp.where(large, inside, m)
        off, spread = (at - m) / (m * n), jnp.sqrt(m * n * precision)
        divergence = precision * (deviance(m, at) + deviance(n, 1 - at))
        above = upper_tail(divergence, off * spread, (n - m) / (3 * spread), is_near(off))
        return jnp.where(y <= 0, 0, jnp.where(y >= 1, 1, jnp.where(large, 1 - above, small)))

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        a, b = p["mean"] * p["precision"], p["complement"] * p["precision"]
        return self._inside(random.beta(key, a, b, shape + a.shape, a.dtype))

    def mean(self, p: Parameters) -> Float[Array, "... target"]:
        return p["mean"]

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        return p["mean"] * p["complement"] / (1 + p["precision"])

    @staticmethod
    def _inside(y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return jnp.clip(y, np.finfo(y.dtype).tiny, 1 - np.finfo(y.dtype).epsneg)
