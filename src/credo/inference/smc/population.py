"""A population of particles between two temperatures: how far it can go, its weights, and which particles go on."""

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.special import logsumexp
from jaxtyping import Bool, Float, Int, PRNGKeyArray

_HALVINGS = 60
"""Of the interval of the exponent, in which the next temperature is sought."""

_FINEST = 200.0
"""Powers of two by which a step may be smaller than what is left."""


_LEAST_VARIANCE = 1e-30
"""Of a scalar that is the same in all particles."""


def effective(log_weight: Float[Array, "particle"]) -> Float[Array, ""]:
    """The effective number of particles (Kong 1992): 1 / sum of squared weights."""
    return jnp.exp(2 * logsumexp(log_weight) - logsumexp(2 * log_weight))


def next_beta(
    log_likelihood: Float[Array, "particle"], beta: Float[Array, ""], share: Float[Array, ""]
) -> Float[Array, ""]:
    """The largest beta up to 1 at which this share of the particles with a likelihood is effective.

    It is found by bisection (Jasra et al. 2011, "Inference for Levy-driven stochastic volatility models via adaptive
    sequential Monte Carlo", Scandinavian Journal of Statistics 38).
    """
    least = share * jnp.sum(log_likelihood > -jnp.inf)
    left = 1 - beta

    def enough(exponent: Float[Array, ""]) -> Bool[Array, ""]:
        return effective(left * 2.0**-exponent * log_likelihood) >= least

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        good = enough(middle)
        return jnp.where(good, low, middle), jnp.where(good, middle, high)

    zero = jnp.zeros_like(beta)
    _, exponent = lax.fori_loop(0, _HALVINGS, halve, (zero, zero + _FINEST))
    return jnp.where(enough(zero), 1.0, beta + left * 2.0**-exponent)


def resampled(log_weight: Float[Array, "particle"], key: PRNGKeyArray) -> Int[Array, "particle"]:
    """The numbers of the particles that go on, by systematic resampling (Carpenter, Clifford and Fearnhead 1999)."""
    count = len(log_weight)
    ends = jnp.cumsum(jax.nn.softmax(log_weight))
    places = (jnp.arange(count) + jax.random.uniform(key, dtype=ends.dtype)) / count
    return jnp.clip(jnp.searchsorted(ends / ends[-1], places, side="right"), 0, count - 1)


def spread(z: Float[Array, "particle dim"], log_weight: Float[Array, "particle"]) -> Float[Array, "dim dim"]:
    """A root of the particles' weighted covariance, shrunk towards its diagonal where they are few.

    It is the diagonal alone where the particles lie in a subspace.
    """
    weight = jax.nn.softmax(log_weight)
    centred = z - weight @ z
    covariance = (weight[:, None] * centred).T @ centred
    return root_of(covariance, effective(log_weight))


def root_of(covariance: Float[Array, "dim dim"], count: Float[Array, ""]) -> Float[Array, "dim dim"]:
    """A root of a covariance of so many independent points; see `spread`."""
    variance = jnp.maximum(jnp.diag(covariance), _LEAST_VARIANCE)
    trust = count / (count + len(variance))
    root = jnp.linalg.cholesky(trust * covariance + (1 - trust) * jnp.diag(variance))
    return jnp.where(jnp.isfinite(root).all(), root, jnp.diag(jnp.sqrt(variance)))


def founders(ancestor: Int[Array, "particle"]) -> Float[Array, ""]:
    """How many draws of the prior the particles descend from, effectively.

    Its inverse estimates the relative variance of the evidence (Lee and Whiteley 2018, "Variance estimation in the
    particle filter", Biometrika 105(3)).
    """
    count = len(ancestor)
    share = jnp.zeros(count).at[ancestor].add(1 / count)
    return 1 / jnp.sum(share**2)
