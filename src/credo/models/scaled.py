"""Priors in units of the data, and priors of coefficients that are not all the same."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array
from jax.scipy.special import gammaln
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints


class Scaled(dist.Distribution):
    """Loc + scale X, where X has the prior `base_dist`; a positive X stays positive.

    Example:
        >>> round(float(Scaled(dist.Normal(0.0, 2.5), jnp.array(10.0), jnp.array(2.0)).log_prob(10.0)), 4)
        -2.5284

    Args:
        base_dist: of a number.
        loc: what it is counted from; it is 0 where X is positive.
        scale: its unit.
    """

    pytree_data_fields = ("base_dist", "loc", "scale")

    def __init__(self, base_dist: Any, loc: Float[Array, "..."], scale: Float[Array, "..."]) -> None:
        self.base_dist, self.loc, self.scale = base_dist, loc, scale
        super().__init__(jnp.broadcast_shapes(jnp.shape(loc), jnp.shape(scale)), validate_args=False)

    @property
    def support(self) -> Any:
        """That of X."""
        return self.base_dist.support

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draw."""
        drawn: Array = self.base_dist.sample(key, (*sample_shape, *self.batch_shape))
        return self.loc + self.scale * drawn

    def log_prob(self, value: Shaped[Array, "..."] | float) -> Float[Array, "..."]:
        """Log density."""
        return self.base_dist.log_prob((value - self.loc) / self.scale) - jnp.log(self.scale)


def scaled(prior: Any, loc: Float[Array, "..."] | float, scale: Float[Array, "..."]) -> Any:
    """The prior in these units, where it lies on all numbers or on the positive ones; one with other ends as it is."""
    support = prior.support
    if support is constraints.real:
        return Scaled(prior, jnp.broadcast_to(jnp.asarray(loc, float), jnp.shape(scale)), jnp.asarray(scale, float))
    if support is constraints.positive:
        return Scaled(prior, jnp.zeros(jnp.shape(scale)), jnp.asarray(scale, float))
    return prior.expand(jnp.shape(scale))


class Stacked(dist.Distribution):
    """Independent numbers, whose priors stand one after another along an axis.

    Args:
        parts: the priors, each of an array.
        axis: of the arrays, counted from the end.
    """

    pytree_data_fields = ("parts",)
    pytree_aux_fields = ("axis",)
    support = constraints.real

    def __init__(self, parts: Sequence[Any], axis: int = -1) -> None:
        self.parts, self.axis = tuple(parts), axis
        shape = list(self.parts[0].batch_shape)
        shape[axis] = sum(part.batch_shape[axis] for part in self.parts)
        super().__init__(tuple(shape), validate_args=False)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draw."""
        keys = jax.random.split(key, len(self.parts))
        drawn = [part.sample(one, sample_shape) for one, part in zip(keys, self.parts, strict=True)]
        return jnp.concatenate(drawn, self.axis)

    def log_prob(self, value: Shaped[Array, "..."]) -> Float[Array, "..."]:
        """Log densities."""
        ends = np.cumsum([part.batch_shape[self.axis] for part in self.parts])[:-1]
        values = jnp.split(value, ends, self.axis)
        found = [part.log_prob(one) for part, one in zip(self.parts, values, strict=True)]
        return jnp.concatenate(found, self.axis)


class Sorted(dist.Distribution):
    """Independent draws of one prior, in order: their density is `size!` times the product of theirs.

    Args:
        base_dist: of a real number.
        size: how many.
    """

    pytree_data_fields = ("base_dist",)
    pytree_aux_fields = ("size",)
    support = constraints.ordered_vector

    def __init__(self, base_dist: Any, size: int) -> None:
        self.base_dist, self.size = base_dist, size
        super().__init__((), (size,), validate_args=False)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draw."""
        drawn: Array = jnp.sort(self.base_dist.sample(key, (*sample_shape, self.size)), -1)
        return drawn

    def log_prob(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """Log density."""
        found: Array = self.base_dist.log_prob(value).sum(-1) + gammaln(self.size + 1.0)
        return found


class Censored(dist.Distribution):
    """A distribution of which some values are only known as a bound.

    Args:
        base_dist: of each row.
        status: -1 where the value lies below what is written, 1 where it lies above, 0 where it is known.
        log_survival: log P(Y > y).
    """

    pytree_data_fields = ("base_dist", "status")
    pytree_aux_fields = ("log_survival",)

    def __init__(self, base_dist: Any, status: Shaped[Array, "..."], log_survival: Any) -> None:
        self.base_dist, self.status, self.log_survival = base_dist, status, log_survival
        super().__init__(base_dist.batch_shape, validate_args=False)

    @property
    def support(self) -> Any:
        """That of the values."""
        return self.base_dist.support

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draw values, none of them censored."""
        drawn: Array = self.base_dist.sample(key, sample_shape)
        return drawn

    def log_prob(self, value: Shaped[Array, "..."]) -> Float[Array, "..."]:
        """Log density of a known value, log probability of the rest."""
        above = self.log_survival(self.base_dist, value)
        below = _log_complement(jnp.where(self.status < 0, above, -1.0))
        return jnp.where(self.status == 0, self.base_dist.log_prob(value), jnp.where(self.status > 0, above, below))


def _log_complement(above: Float[Array, "..."]) -> Float[Array, "..."]:
    """Log(1 - exp(above)), exact near both ends; what is not chosen stays finite, lest the gradient be no number."""
    is_near = above > -0.6931  # log(1/2)
    near, far = jnp.where(is_near, above, -1.0), jnp.where(is_near, -1.0, above)
    return jnp.where(is_near, jnp.log(-jnp.expm1(near)), jnp.log1p(-jnp.exp(far)))
