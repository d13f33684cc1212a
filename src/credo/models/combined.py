"""Priors made of other priors: one of two, and one that is moved."""

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions.transforms import AffineTransform

from credo.config.supports import describe, within
from credo.errors import ConfigError
from credo.ranges import Between, Finite


class Mixture(dist.Distribution):
    """A number that comes from the first of two distributions with the probability `weight`, else from the second.

    Args:
        weight: of the first.
        first: a distribution of a number.
        second: another, whose support may be larger or smaller.
    """

    pytree_data_fields = ("weight", "first", "second", "support")
    support: Any = None

    def __init__(self, weight: float | Float[Array, ""], first: Any, second: Any) -> None:
        self.weight, self.first, self.second = weight, first, second
        self.support = second.support if within(first.support, second.support) else first.support
        super().__init__(validate_args=False)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draw."""
        choice, one, other = jax.random.split(key, 3)
        is_first = jax.random.uniform(choice, sample_shape) < self.weight
        return jnp.where(is_first, self.first.sample(one, sample_shape), self.second.sample(other, sample_shape))

    def log_prob(self, value: Shaped[Array, "..."] | float) -> Float[Array, "..."]:
        """Log density."""
        first = jnp.log(self.weight) + _log_density(self.first, value)
        return jnp.logaddexp(first, jnp.log1p(-self.weight) + _log_density(self.second, value))


def _log_density(one: Any, value: Shaped[Array, "..."] | float) -> Float[Array, "..."]:
    """The log density, -inf outside the support, with gradients that are finite there, too."""
    inside = one.support(value)
    return jnp.where(inside, one.log_prob(jnp.where(inside, value, one.support.feasible_like(value))), -jnp.inf)


def mixture(weight: Between, first: dist.Distribution, second: dist.Distribution) -> dist.Distribution:
    """`first` with the probability `weight`, else `second`.

    Example:
        >>> one = mixture(weight=0.25, first=dist.Normal(0.0, 1.0), second=dist.Normal(0.0, 10.0))
        >>> round(float(one.log_prob(0.0)), 4)
        -2.0429
    """
    _require_number(first, "first")
    _require_number(second, "second")
    if not (within(first.support, second.support) or within(second.support, first.support)):
        raise ConfigError(
            f"second: expected a prior on {describe(first.support)} or on a part of it, but got one on "
            f"{describe(second.support)}"
        )
    return Mixture(weight, first, second)


def shifted(by: Finite, base: dist.Distribution) -> dist.Distribution:
    """`base` moved up by `by`.

    Example:
        >>> float(shifted(by=2.0, base=dist.Exponential(1.0)).log_prob(2.5))
        -0.5
    """
    _require_number(base, "base")
    return dist.TransformedDistribution(base, AffineTransform(by, 1.0, domain=base.support))


def _require_number(prior: dist.Distribution, key: str) -> None:
    if prior.event_shape or prior.support.is_discrete or isinstance(prior, dist.ImproperUniform):
        raise ConfigError(f"{key}: expected a prior with a density of one number, but got {type(prior).__name__}")
