"""Uniform observations between zero and an unknown upper end."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo.models.base import Model


class Uniform(Model):
    """y_i ~ U(0, theta), theta ~ prior.theta.

    With a Pareto(b, a) prior the posterior of n observations is Pareto(max(b, max y), a + n); the maximum likelihood
    estimate is max y, an edge of the support.
    """

    formula: ClassVar[str] = "y_i ~ U(0, theta)\ntheta ~ prior"
    rows_alike: ClassVar[bool] = True
    supports: ClassVar[dict[str, Any]] = {"theta": (constraints.real,)}

    def __call__(self, y: Shaped[Array, "obs"]) -> None:  # type: ignore[override]
        """Observe y, each above zero."""
        theta = numpyro.sample("theta", Above(self.prior["theta"], jnp.max(y)))
        with numpyro.plate("obs", y.shape[0]):
            numpyro.sample("y", _UniformFromZero(theta), obs=y)


class Above(dist.Distribution):
    """A prior with its own density and draws, whose support is cut to where the likelihood is positive.

    The posterior is unchanged, and the sampler's coordinates do not contain the cliff.

    Attributes:
        prior: a distribution on the reals or a half line or interval.
        bound: the latent lies above it.
    """

    pytree_data_fields = ("prior", "bound")

    def __init__(self, prior: dist.Distribution, bound: Any) -> None:
        self.prior, self.bound = prior, bound
        super().__init__(batch_shape=(), event_shape=())

    @property
    def support(self) -> Any:
        """The part of the prior's support that lies above the bound."""
        own = self.prior.support
        low = getattr(own, "lower_bound", -jnp.inf)
        high = getattr(own, "upper_bound", None)
        bound = jnp.maximum(self.bound, low)
        return constraints.greater_than(bound) if high is None else constraints.interval(bound, high)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Any:
        """Draw from the whole prior."""
        return self.prior.sample(key, sample_shape)

    def log_prob(self, value: Any) -> Any:
        """The prior's log density, not normalised to the cut support."""
        return self.prior.log_prob(value)


class _UniformFromZero(dist.Distribution):
    """U(0, high), with support declared on the positive half line so that its end may be a latent.

    The edges belong to the support, as the maximum of the likelihood lies on one.
    """

    support = constraints.positive
    pytree_data_fields = ("high",)

    def __init__(self, high: Any) -> None:
        self.high = high
        super().__init__(batch_shape=jnp.shape(high), event_shape=())

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Any:
        return self.high * jax.random.uniform(key, sample_shape + self.batch_shape, dtype=jnp.result_type(float))

    @property
    def mean(self) -> Any:
        return self.high / 2

    @property
    def variance(self) -> Any:
        return self.high**2 / 12

    def log_prob(self, value: Any) -> Any:
        # A step of rounding above `high` is still inside: a mode on the edge is represented only up to rounding.
        inside = value <= self.high * (1 + 4 * float(np.finfo(jnp.result_type(float)).eps))
        return jnp.where(inside, -jnp.log(self.high), -jnp.inf)
