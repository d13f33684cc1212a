"""Priors that end at `low`, at `high`, or at both; `null` is no end.

The density within is that of the whole distribution divided by the probability of what is left. They are NumPyro's
truncated distributions, of those which are symmetric about `loc` (its Student-t cannot be drawn from without another
package).
"""

from typing import Any

import jax.numpy as jnp
import numpyro.distributions as dist

from credo.errors import ConfigError
from credo.ranges import Finite, Positive


def truncated_normal(loc: Finite, scale: Positive, low: Finite | None, high: Finite | None) -> dist.Distribution:
    """N(loc, scale) between `low` and `high`.

    Example:
        >>> float(truncated_normal(loc=0.0, scale=1.0, low=-1.0, high=1.0).mean)
        0.0
    """
    return _between(dist.Normal(loc, scale), low, high)


def truncated_cauchy(loc: Finite, scale: Positive, low: Finite | None, high: Finite | None) -> dist.Distribution:
    """Cauchy(loc, scale) between `low` and `high`."""
    return _between(dist.Cauchy(loc, scale), low, high)


def truncated_laplace(loc: Finite, scale: Positive, low: Finite | None, high: Finite | None) -> dist.Distribution:
    """Laplace(loc, scale) between `low` and `high`."""
    return _between(dist.Laplace(loc, scale), low, high)


def truncated_logistic(loc: Finite, scale: Positive, low: Finite | None, high: Finite | None) -> dist.Distribution:
    """Logistic(loc, scale) between `low` and `high`."""
    return _between(dist.Logistic(loc, scale), low, high)


def _between(whole: Any, low: float | None, high: float | None) -> dist.Distribution:
    if low is None and high is None:
        raise ConfigError("low: expected a number at low, at high, or at both, but got null at both")
    if low is not None and high is not None and not low < high:
        raise ConfigError(f"high: expected a number above low = {low}, but got {high}")
    within = dist.TruncatedDistribution(whole, low, high)
    if not jnp.isfinite(within.log_prob(high if low is None else low)):
        raise ConfigError(
            f"low: what is left from {_end(low, '-inf')} to {_end(high, 'inf')} has too small a probability to be "
            "computed; move loc towards it, or widen scale"
        )
    return within


def _end(value: float | None, nothing: str) -> str:
    return nothing if value is None else f"{value:g}"
