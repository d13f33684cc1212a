"""The continuous ranked probability score of mixtures: closed, summed or integrated."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import ndtr
from jaxtyping import Float
from numpy.typing import ArrayLike

from credo.models.mixtures.beta import Beta
from credo.models.mixtures.component import Component, Parameters
from credo.models.mixtures.location_scale import Gaussian
from credo.models.mixtures.mixture import ConditionalMixture, mixture_cdf
from credo.models.mixtures.special import HALF_LOG_2PI


def crps(mixture: ConditionalMixture, y: ArrayLike, *, batch: int = 64) -> Float[Array, "rows target"]:
    """The continuous ranked probability score, the integral of (F(z) - 1{z >= y})^2, of each target.

    Gaussian mixtures have a closed form (Grimit et al. 2006, equation 5); so have the marginals of `gaussian_full`. For
    whole numbers the integral is a sum over all values from the lowest to the highest component, whose cost is that
    distance. Otherwise F is integrated by Gauss-Legendre rules of 10 points between y and each component's mean +- its
    deviation times powers of 2, which leaves an error below 1e-8 of the score in float64, and rounding in float32.

    Example:
        Of a standard normal at its middle it is (sqrt(2) - 1) / sqrt(pi).

        >>> from credo.models.mixtures import make_component, mixture
        >>> raw = jnp.array([[0.0, 0.0, float(np.log(np.expm1(1 - 1e-3)))]])
        >>> round(float(crps(mixture(make_component("gaussian"), "softmax", raw, 1, 1), [[0.0]])[0, 0]), 4)
        0.2337

    Args:
        mixture: Of rows.
        y: Their targets.
        batch: The rows that are computed at a time: memory.
    """
    family, rows = mixture.family, mixture.log_weights.ndim - 1
    score: Callable[..., Array] = _crps_sum if family.support.is_discrete else _crps_integral
    score = _crps_closed if isinstance(family, Gaussian) and not family.support.is_discrete else score
    y = jnp.broadcast_to(jnp.asarray(y, mixture.log_weights.dtype), mixture.shape())
    flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[rows:]), (mixture.log_weights, mixture.parameters, y))
    return lax.map(lambda row: score(family, *row), flat, batch_size=batch).reshape(y.shape)


def _crps_closed(
    family: Any, log_w: Float[Array, "component"], p: Parameters, y: Float[Array, "target"]
) -> Float[Array, "target"]:
    w, (loc, scale) = jnp.exp(log_w)[:, None], family.marginals(p)
    both = jnp.sqrt(jnp.square(scale)[:, None] + jnp.square(scale))
    pairs = w[:, None] * w * _absolute_mean(loc[:, None] - loc, both)
    return (w * _absolute_mean(y - loc, scale)).sum(0) - 0.5 * pairs.sum((0, 1))


def _absolute_mean(loc: Float[Array, "*shape"], scale: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """E|X| for X ~ N(loc, scale^2)."""
    z = loc / scale
    return 2 * scale * jnp.exp(-0.5 * jnp.square(z) - HALF_LOG_2PI) + loc * (2 * ndtr(z) - 1)


def _crps_sum(
    family: Component, log_w: Float[Array, "component"], p: Parameters, y: Float[Array, "target"]
) -> Float[Array, "target"]:
    low, high = family.hull(p)
    least = jnp.floor(jnp.broadcast_to(low, (len(log_w), *y.shape)).min(0)).astype(y.dtype)
    most = jnp.ceil(jnp.broadcast_to(high, (len(log_w), *y.shape)).max(0)).astype(y.dtype)
    steps = jnp.arange(256, dtype=y.dtype)[:, None]

    def more(state: tuple[Array, Array]) -> Array:
        return (least + state[0] < most).any()

    def add(state: tuple[Array, Array]) -> tuple[Array, Array]:
        j = least + state[0] + steps
        gap = jnp.square(mixture_cdf(family, log_w, p, j) - (j >= y))
        return state[0] + 256, state[1] + jnp.where(j < most, gap, 0).sum(0)

    # Outside the hull F is 0 or 1, so that each value up to y costs 1.
    outside = jnp.maximum(least - y, 0) + jnp.maximum(y - most, 0)
    return lax.while_loop(more, add, (jnp.zeros((), y.dtype), outside))[1]


_NODES, _NODE_WEIGHTS = (np.polynomial.legendre.leggauss(10)[0] + 1) / 2, np.polynomial.legendre.leggauss(10)[1] / 2


def _crps_integral(
    family: Component, log_w: Float[Array, "component"], p: Parameters, y: Float[Array, "target"]
) -> Float[Array, "target"]:
    steps = 2.0 ** np.asarray(family.reach)
    around = jnp.asarray(np.concatenate([-steps, [0.0], steps]), y.dtype)[:, None, None]
    ends = family.mean(p) + jnp.sqrt(family.variance(p)) * around
    ends = jnp.concatenate([ends.reshape(-1, y.size), y[None]])
    if isinstance(family, Beta):
        near = 2.0 ** -np.arange(1, 41)
        edges = jnp.asarray(np.concatenate([[0.0, 1.0], near, 1 - near]), y.dtype)
        ends = jnp.concatenate([jnp.clip(ends, 0, 1), jnp.broadcast_to(edges[:, None], (edges.size, y.size))])
    ends = lax.stop_gradient(jnp.sort(ends, 0))
    width = jnp.diff(ends, axis=0)
    z = ends[:-1] + width * jnp.asarray(_NODES, y.dtype)[:, None, None]
    gap = jnp.square(mixture_cdf(family, log_w, p, z) - (z >= y))
    return (jnp.asarray(_NODE_WEIGHTS, y.dtype)[:, None, None] * width * gap).sum((0, 1))
