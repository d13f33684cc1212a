"""Cross entropies -E_t[ln p] of targets t and probabilities p, and the entropy of a distribution, in nats.

From logits nothing overflows: ln sigmoid(l) = -softplus(-l), and ln softmax subtracts the largest logit. Of
probabilities, 0 ln 0 is 0, also in its gradient, and what happens although its probability is 0 costs infinitely much.
"""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpy.typing import ArrayLike

from credo.errors import ConfigError
from credo.information.expectation import DRAWS, Estimate, expected, log_density


def binary(
    targets: ArrayLike, *, logits: ArrayLike | None = None, probs: ArrayLike | None = None
) -> Float[Array, "..."]:
    """-t ln p - (1 - t) ln(1 - p) for each target.

    Example:
        Of a certain one and of an uncertain one, where logits of 0 mean a half.

        >>> print(binary([1.0, 0.5], logits=[0.0, 0.0]).round(4))
        [0.6931 0.6931]

    Args:
        targets: t, within 0 and 1.
        logits: ln p - ln(1 - p), of the shape of t.
        probs: p, in place of the logits.

    Raises:
        ConfigError: Where not exactly one of logits and probs is given.
    """
    _check_one(logits, probs)
    t = jnp.asarray(targets)
    if logits is not None:
        return _of(t, -jax.nn.softplus(-jnp.asarray(logits))) + _of(1 - t, -jax.nn.softplus(jnp.asarray(logits)))
    p = jnp.asarray(probs)
    return _weighted_log(t, p) + _weighted_log(1 - t, 1 - p)


def categorical(
    targets: ArrayLike, *, logits: ArrayLike | None = None, probs: ArrayLike | None = None
) -> Float[Array, "*batch"]:
    """-sum_k t_k ln p_k over the last axis.

    Example:
        >>> round(float(categorical(1, probs=[0.25, 0.5, 0.25])), 4)
        0.6931

    Args:
        targets: Whole numbers, the classes, or their probabilities t [..., class].
        logits: ln p + any constant, [..., class].
        probs: p, in place of the logits.

    Raises:
        ConfigError: Where not exactly one of logits and probs is given, and for targets of another shape.
    """
    _check_one(logits, probs)
    scores = jnp.asarray(probs if logits is None else logits)
    t = _soft(jnp.asarray(targets), scores)
    if logits is not None:
        return _of(t, jax.nn.log_softmax(scores, axis=-1)).sum(-1)
    return _weighted_log(t, scores).sum(-1)


def entropy(p: dist.Distribution, *, key: PRNGKeyArray | None = None, draws: int = DRAWS) -> Estimate:
    """-E_p[ln p(x)] [batch]: NumPyro's formula, an exact sum, quadrature in one or two dimensions, or Monte Carlo.

    Example:
        >>> round(float(entropy(dist.Categorical(jnp.ones(4) / 4)).value), 4)
        1.3863

    Args:
        p: The distribution; for a density it can be negative.
        key: Of Monte Carlo.
        draws: Of Monte Carlo.

    Raises:
        ConfigError: Where it takes Monte Carlo and there is no key.
    """
    if not p.has_enumerate_support:
        try:
            value = p.entropy()
        except NotImplementedError:
            pass
        else:
            return Estimate(value, jnp.zeros_like(value))
    return expected(p, lambda x: -log_density(p, x), key=key, draws=draws)


def _of(t: Shaped[Array, "*batch"], log_p: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """-t ln p, 0 where t is 0 whatever p is."""
    there = t > 0
    return jnp.where(there, -t * jnp.where(there, log_p, 0.0), 0.0)


def _weighted_log(t: Shaped[Array, "*batch"], p: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """-t ln p, whose gradient is finite where t is 0."""
    return _of(t, jnp.log(jnp.where(t > 0, p, 1.0)))


def _soft(t: Shaped[Array, "..."], scores: Float[Array, "..."]) -> Float[Array, "..."]:
    """The targets' probabilities [..., class]."""
    if jnp.issubdtype(t.dtype, jnp.integer) and t.shape == scores.shape[:-1]:
        return jax.nn.one_hot(t, scores.shape[-1], dtype=scores.dtype)
    if t.shape != scores.shape:
        raise ConfigError(
            f"cross_entropy.targets: expected classes of shape {scores.shape[:-1]} or probabilities of shape "
            f"{scores.shape}, but got {t.dtype} of shape {t.shape}"
        )
    return t


def _check_one(logits: ArrayLike | None, probs: ArrayLike | None) -> None:
    if (logits is None) == (probs is None):
        raise ConfigError("cross_entropy: expected either logits or probs, but got both or neither; give one of them")
