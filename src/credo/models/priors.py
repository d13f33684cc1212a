"""Priors by the field's names: each is a NumPyro distribution.

Any of them stands at any latent: `prior@model.prior.loc=uniform model.prior.loc.low=-2 model.prior.loc.high=2`.
"""

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as dist
from numpyro.distributions import constraints
from numpyro.primitives import Messenger

from credo.errors import ConfigError
from credo.networks.bayesian import is_improper
from credo.ranges import Positive

_SUPPORTS = {
    "real": constraints.real,
    "positive": constraints.positive,
    "unit_interval": constraints.unit_interval,
}

# NumPyro lists the numbers of a distribution in a set's order, which differs between processes: programs that take them
# as arguments would then be missed in the compilation cache.
_fields = dist.Distribution.gather_pytree_data_fields.__func__
dist.Distribution.gather_pytree_data_fields = classmethod(lambda cls: tuple(sorted(_fields(cls))))


def gaussian(loc: float, scale: float) -> dist.Distribution:
    """N(loc, scale), `scale` being the standard deviation.

    Example:
        >>> float(gaussian(loc=1.0, scale=2.0).variance)
        4.0
    """
    return dist.Normal(loc=loc, scale=scale)


def uniform(low: float, high: float) -> dist.Distribution:
    """U(low, high)."""
    if not low < high:
        raise ConfigError(f"high: expected a number above low = {low}, but got {high}")
    return dist.Uniform(low, high)


def bernoulli(probs: float) -> dist.Distribution:
    """1 with probability `probs`, else 0: a discrete latent."""
    return dist.BernoulliProbs(probs=probs)


def beta(concentration1: float, concentration0: float) -> dist.Distribution:
    """Beta(a, b) on (0, 1), `concentration1` being the count of ones.

    Example:
        >>> float(beta(concentration1=3.0, concentration0=1.0).mean)
        0.75
    """
    return dist.Beta(concentration1=concentration1, concentration0=concentration0)


def gamma(concentration: float, rate: float) -> dist.Distribution:
    """Gamma(shape, rate); its mean is shape / rate.

    Example:
        >>> float(gamma(concentration=3.0, rate=2.0).mean)
        1.5
    """
    return dist.Gamma(concentration=concentration, rate=rate)


def inverse_gamma(concentration: float, rate: float) -> dist.Distribution:
    """Inverse gamma; its mean is rate / (concentration - 1)."""
    return dist.InverseGamma(concentration=concentration, rate=rate)


def exponential(rate: float) -> dist.Distribution:
    """Exponential; its mean is 1 / rate."""
    return dist.Exponential(rate=rate)


def half_normal(scale: float) -> dist.Distribution:
    """|N(0, scale)|."""
    return dist.HalfNormal(scale=scale)


def half_cauchy(scale: float) -> dist.Distribution:
    """|Cauchy(0, scale)|."""
    return dist.HalfCauchy(scale=scale)


def student_t(df: float, loc: float, scale: float) -> dist.Distribution:
    """Student's t with `df` degrees of freedom."""
    return dist.StudentT(df=df, loc=loc, scale=scale)


def laplace(loc: float, scale: float) -> dist.Distribution:
    """Laplace (double exponential)."""
    return dist.Laplace(loc=loc, scale=scale)


def pareto(scale: float, alpha: Positive) -> dist.Distribution:
    """Pareto on (scale, inf) with density proportional to x^-(alpha + 1)."""
    return dist.Pareto(scale=scale, alpha=alpha)


def flat(support: str) -> dist.Distribution:
    """The improper prior whose density is 1 on `support`: `real`, `positive` or `unit_interval`.

    Example:
        >>> float(flat("positive").log_prob(3.0))
        0.0
    """
    if support not in _SUPPORTS:
        raise ConfigError(f"support: expected one of {', '.join(_SUPPORTS)}, but got {support!r}")
    prior = dist.ImproperUniform(_SUPPORTS[support], (), ())
    prior.support = _SUPPORTS[support]  # NumPyro wraps it, which hides its bounds
    return prior


def is_discrete(prior: Any) -> bool:
    """Whether a latent with this prior takes countably many values.

    Example:
        >>> is_discrete(bernoulli(probs=0.5)), is_discrete(uniform(low=0.0, high=1.0))
        (True, False)
    """
    return bool(prior.support.is_discrete)


class Placeholders(Messenger):
    """Gives latents with improper priors some value of their support, so that a program can be traced."""

    def process_message(self, msg: dict[str, Any]) -> None:
        """Fill in what cannot be drawn."""
        if msg["type"] == "sample" and msg["value"] is None and is_improper(msg["fn"]):
            transform = dist.biject_to(msg["fn"].support)
            msg["value"] = msg["infer"].get("initial")
            if msg["value"] is None:
                msg["value"] = transform(jnp.zeros(transform.inverse_shape(msg["fn"].shape())))
