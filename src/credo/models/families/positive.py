"""Families of positive numbers: amounts, and times until an event; the mean is the link's, but for lognormal.

The linear predictor of lognormal is the mean of log y; that of weibull is the logarithm of the mean, as Bambi has it.
"""

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.scipy.special import gammainc, gammaincc, gammaln
from jax.scipy.stats import norm
from jaxtyping import Float

from credo.models.families.family import Family, Numbers, mean_of


def _gamma(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    return dist.Gamma(numbers["shape"], numbers["shape"] / mean_of(eta, link))


def _lognormal(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    return dist.LogNormal(mean_of(eta, link), numbers["sigma"])


def _weibull(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    shape = numbers["shape"]
    return dist.Weibull(mean_of(eta, link) * jnp.exp(-gammaln(1 + 1 / shape)), shape)


def _exponential(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:  # noqa: ARG001
    return dist.Exponential(1 / mean_of(eta, link))


def _above_gamma(one: Any, y: Float[Array, "..."]) -> Float[Array, "..."]:
    """Exact in both tails: log(1 - P(Y <= y)) below the median, and a continued fraction eight deviations above.

    What is not chosen stays finite, lest the gradient be no number.
    """
    shape, x = one.concentration, one.rate * y
    beyond = shape + 8 * jnp.sqrt(shape) + 30
    is_beyond = x > beyond
    near = jnp.where(is_beyond, shape, x)
    below = gammainc(shape, near)
    is_low = below < 0.5
    low = jnp.log1p(-jnp.where(is_low, below, 0.5))
    high = jnp.log(jnp.where(is_low, 0.5, gammaincc(shape, near)))
    return jnp.where(is_beyond, _log_upper_gamma(shape, jnp.where(is_beyond, x, beyond)), jnp.where(is_low, low, high))


def _log_upper_gamma(shape: Any, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Log of the regularised upper incomplete gamma function far above its mean (DLMF 8.9.2, its even part)."""
    fraction = x + 2 * _TERMS + 1 - shape
    for n in range(_TERMS, 0, -1):
        fraction = x + 2 * n - 1 - shape - n * (n - shape) / fraction
    return shape * jnp.log(x) - x - gammaln(shape) - jnp.log(fraction)


_TERMS = 10
"""Of the continued fraction: the error is that of rounding, for shapes up to 100,000."""


def _above_lognormal(one: Any, y: Float[Array, "..."]) -> Float[Array, "..."]:
    return norm.logsf((jnp.log(y) - one.loc) / one.scale)


def _above_weibull(one: Any, y: Float[Array, "..."]) -> Float[Array, "..."]:
    return -((y / one.scale) ** one.concentration)


def _above_exponential(one: Any, y: Float[Array, "..."]) -> Float[Array, "..."]:
    return -one.rate * y


_LINKS = ("log", "inverse", "identity")
GAMMA = Family(_LINKS, _gamma, ("shape",), log_survival=_above_gamma)
LOGNORMAL = Family(("identity", "log"), _lognormal, ("sigma",), log_survival=_above_lognormal)
WEIBULL = Family(_LINKS, _weibull, ("shape",), log_survival=_above_weibull)
EXPONENTIAL = Family(_LINKS, _exponential, log_survival=_above_exponential)
