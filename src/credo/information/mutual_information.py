"""InfoNCE, a lower bound of the mutual information of x and y from the scores of pairs (van den Oord et al. 2018)."""

from math import log

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from credo.errors import ConfigError


def infonce(scores: Float[Array, "..."], *, symmetric: bool = False) -> Float[Array, ""]:
    """The bound ln K + mean_i ln(exp f_ii / sum_j exp f_ij), in nats (equation 4).

    It is at most ln K, and its mean over batches of independent pairs at most the mutual information. The best scores
    are f(x, y) = ln p(y | x) - ln p(y), plus any function of x.

    Example:
        Scores that know nothing tell nothing; those that know all pairs tell ln K.

        >>> round(float(infonce(jnp.zeros((4, 4)))), 4), round(float(infonce(100 * jnp.eye(4))), 4)
        (0.0, 1.3863)

    Args:
        scores: f_ij of x_i and y_j, [K, K]; the diagonal holds the pairs.
        symmetric: Whether each y_j also picks its x_i from its column; the mean of both bounds is a bound.

    Raises:
        ConfigError: For scores that are no square.
    """
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or not scores.size:
        raise ConfigError(f"infonce.scores: expected all pairs of K, of shape (K, K), but got {scores.shape}")
    picked = [jax.nn.log_softmax(scores, axis=axis) for axis in ((1, 0) if symmetric else (1,))]
    return log(len(scores)) + jnp.stack([jnp.diagonal(one).mean() for one in picked]).mean()
