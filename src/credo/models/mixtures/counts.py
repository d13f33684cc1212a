"""Families of whole numbers."""

# ruff: noqa: D102 -- `Component` documents the methods

from math import inf
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random
from jax.nn import log_sigmoid, softplus
from jax.scipy.special import gammaincc
from jaxtyping import Float, PRNGKeyArray
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.mixtures.component import Component, Parameters
from credo.models.mixtures.location_scale import Logistic
from credo.models.mixtures.special import (
    HALF_LOG_2PI,
    deviance,
    inverse_softplus,
    is_large,
    is_near,
    stirling_error,
    upper_tail,
)


class DiscretizedLogistic(Logistic):
    """A logistic rounded to whole numbers: P(Y = j) = F(j + 1/2) - F(j - 1/2) (Salimans et al. 2017, section 2.1).

    Between `low` and `high`, these two take all mass below and above. The mass is in log space and exact, by
    sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)).

    Attributes:
        low: The least value, or None with `high` None for all whole numbers.
        high: The largest. Moments and CRPS sum over the range.
    """

    name: ClassVar[str] = "discretized_logistic"

    low: int | None = eqx.field(default=None, static=True)
    high: int | None = eqx.field(default=None, static=True)

    def __check_init__(self) -> None:
        if self.low is None and self.high is None:
            return
        if self.low is None or self.high is None or not self.low < self.high:
            raise ConfigError(
                f"high: expected low < high, or neither for all whole numbers, but got {self.low} and {self.high}"
            )
        if int(self.low) != self.low or int(self.high) != self.high:
            raise ConfigError(f"low, high: expected whole numbers, but got {self.low} and {self.high}")

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest value."""
        return (-inf, inf) if self.low is None or self.high is None else (self.low, self.high)

    @property
    def support(self) -> Any:
        return constraints.integer_interval(*self.ends)

    @property
    def words(self) -> str:
        return "a whole number" + (f" between {self.low} and {self.high}" if self.low is not None else "")

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        low, high = self.ends
        below = log_sigmoid((y + 0.5 - p["loc"]) / p["scale"])
        above = log_sigmoid(-(y - 0.5 - p["loc"]) / p["scale"])
        inner = below + above + jnp.log(-jnp.expm1(-1 / p["scale"]))
        return jnp.where(y <= low, below, jnp.where(y >= high, above, inner))

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        low, high = self.ends
        y = jnp.floor(y)
        return jnp.where(y < low, 0, jnp.where(y >= high, 1, super().cdf(p, y + 0.5)))

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        return jnp.clip(jnp.floor(super().sample(p, key, shape) + 0.5), *self.ends)

    def mean(self, p: Parameters) -> Float[Array, "... target"]:
        return self._moments(p)[0]

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        return self._moments(p)[1]

    def hull(self, p: Parameters) -> tuple[Float[Array, "... target"] | float, Float[Array, "... target"] | float]:
        return self.ends if self.low is not None else (p["loc"] - 30 * p["scale"] - 1, p["loc"] + 30 * p["scale"] + 1)

    def _moments(self, p: Parameters) -> tuple[Float[Array, "... target"], Float[Array, "... target"]]:
        """By sums over the range or, without one, over 80 values on either side.

        A scale above 2 needs more, but leaves no trace of the rounding other than its own variance of 1/12: the next
        term of the Poisson summation is of order exp(-2 pi^2 scale) <= 1e-17.
        """
        low, high = self.ends
        offsets = np.arange(-80, 81) if self.low is None else np.arange(low, high + 1)
        middle = jnp.round(p["loc"]) if self.low is None else jnp.zeros_like(p["loc"])
        values = middle[..., None] + self._like(offsets, p["loc"])
        each = {name: value[..., None] for name, value in p.items()}
        mass = jnp.exp(self.log_density(each, values))
        # Sums about the middle of the values, since their own size would cost digits.
        centre = values[..., values.shape[-1] // 2]
        mean = centre + (mass * (values - centre[..., None])).sum(-1)
        variance = (mass * jnp.square(values - mean[..., None])).sum(-1)
        if self.low is not None:
            return mean, variance
        wide = p["scale"] > 2
        return jnp.where(wide, p["loc"], mean), jnp.where(wide, super().variance(p) + 1 / 12, variance)


class Poisson(Component):
    """Counts with `rate` = (floor * resolution)^2 + unit * softplus(raw): the floor is one of the deviation."""

    name: ClassVar[str] = "poisson"
    names: ClassVar[tuple[str, ...]] = ("rate",)

    @property
    def support(self) -> Any:
        return constraints.nonnegative_integer

    def parameters(self, raw: Float[Array, "*batch size"], targets: int) -> Parameters:
        (rate,) = self._cut(raw, targets)
        return {"rate": jnp.square(self._least(rate)) + self._like(self.unit, raw) * softplus(rate)}

    def initial(
        self,
        at: Float[np.ndarray, "*batch target"],
        spread: Float[np.ndarray, "*batch target"],  # noqa: ARG002 -- a rate has its own
    ) -> Float[np.ndarray, "*batch size"]:
        return inverse_softplus((at - np.square(self.floor * np.asarray(self.resolution))) / np.asarray(self.unit))

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        rate, count = p["rate"], jnp.maximum(y, 1)
        some = -deviance(count, rate) - 0.5 * jnp.log(count) - HALF_LOG_2PI - stirling_error(count)
        return jnp.where(y < 1, -rate, some)

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        count, rate = jnp.broadcast_arrays(jnp.floor(lax.stop_gradient(y)), p["rate"])
        a = jnp.maximum(count, 0) + 1
        large = is_large(a)
        small = gammaincc(jnp.where(large, 1, a), jnp.where(large, 1, rate))
        at = jnp.where(large, rate, a)
        off, root = (at - a) / a, jnp.sqrt(a)
        total = upper_tail(deviance(a, at), off * root, 1 / (3 * root), is_near(off))
        return jnp.where(count < 0, 0, jnp.where(large, total, small))

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        return random.poisson(key, p["rate"], shape + p["rate"].shape).astype(p["rate"].dtype)

    def mean(self, p: Parameters) -> Float[Array, "... target"]:
        return p["rate"]

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        return p["rate"]

    def hull(self, p: Parameters) -> tuple[Float[Array, "... target"] | float, Float[Array, "... target"] | float]:
        away = 10 * jnp.sqrt(p["rate"]) + 20
        return jnp.maximum(p["rate"] - away, 0), p["rate"] + away
