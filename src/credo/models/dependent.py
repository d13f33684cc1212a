"""Rows that depend on each other: normal with a covariance, and what each row is given others."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Float, PRNGKeyArray
from numpyro.distributions import constraints

LOG_2PI = 1.8378770664093453


class Chain(dist.Distribution):
    """y ~ N(mean, L L^T), whose log density is that of each row given the rows before it.

    The densities of the rows add up to that of all of them together.

    Example:
        >>> both = Chain(jnp.zeros(2), jnp.linalg.cholesky(jnp.array([[1.0, 0.5], [0.5, 1.0]])))
        >>> both.log_prob(jnp.array([0.3, -0.2])).round(3).tolist()
        [-0.964, -0.857]

    Args:
        loc: the means.
        factor: L, the lower Cholesky factor of the covariance.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.real
    pytree_data_fields = ("loc", "factor")

    def __init__(self, loc: Float[Array, "row"], factor: Float[Array, "row row"]) -> None:
        self.loc, self.factor = loc, factor
        super().__init__(jnp.shape(loc), validate_args=False)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draw all rows."""
        noise = jax.random.normal(key, (*sample_shape, *self.batch_shape), self.loc.dtype)
        return self.loc + jnp.einsum("ij,...j->...i", self.factor, noise)

    def log_prob(self, value: Float[Array, "row"]) -> Float[Array, "row"]:
        """Of each row given those before it."""
        noise = solve_triangular(self.factor, value - self.loc, lower=True)
        return -0.5 * (noise**2 + LOG_2PI) - jnp.log(jnp.diagonal(self.factor))

    def given_others(self, value: Float[Array, "row"]) -> Float[Array, "row"]:
        """The log density of each row given all others (Rasmussen & Williams 2006, equations 5.10 to 5.12)."""
        inverse = cho_solve((self.factor, True), jnp.eye(len(value), dtype=self.loc.dtype))
        precision = jnp.diagonal(inverse)
        off = (inverse @ (value - self.loc)) / precision
        return 0.5 * (jnp.log(precision) - precision * off**2 - LOG_2PI)

    @property
    def mean(self) -> Float[Array, "row"]:
        """Of each row."""
        return self.loc

    @property
    def variance(self) -> Float[Array, "row"]:
        """Of each row."""
        return (self.factor**2).sum(1)
