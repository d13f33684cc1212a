"""Priors that NumPyro's own classes do not say as well; any other is the `_target_` of a file in `conf/prior`.

`uniform` refuses an empty interval, and `pareto` an `alpha` that is not positive, by the key that was typed, where
NumPyro names another; `flat` is made of a word. Any prior stands at any latent:
`prior@model.prior.loc=uniform model.prior.loc.low=-2 model.prior.loc.high=2`.
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


def uniform(low: float, high: float) -> dist.Distribution:
    """U(low, high).

    Example:
        >>> float(uniform(low=0.0, high=3.0).mean)
        1.5
    """
    if not low < high:
        raise ConfigError(f"high: expected a number above low = {low}, but got {high}")
    return dist.Uniform(low, high)


def pareto(scale: float, alpha: Positive) -> dist.Distribution:
    """Pareto on (scale, inf) with density proportional to x^-(alpha + 1).

    Example:
        >>> float(pareto(scale=1.0, alpha=3.0).mean)
        1.5
    """
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
        >>> is_discrete(dist.BernoulliProbs(probs=0.5)), is_discrete(uniform(low=0.0, high=1.0))
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
