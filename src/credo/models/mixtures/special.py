"""Logarithms, tails and distribution functions in forms that neither overflow nor cancel, in float32 and float64."""

from functools import partial
from math import log, pi
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import betainc, gammaln, ndtr
from jaxtyping import Bool, Float

HALF_LOG_2PI = 0.5 * log(2 * pi)


def inverse_softplus(value: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """What softplus makes `value` of, or 1e-3 where it is less."""
    value = np.maximum(value, 1e-3)
    return value + np.log(-np.expm1(-value))


def stirling_error(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """What log Gamma(x) exceeds (x - 1/2) log x - x + log(2 pi) / 2 by; by its series where the terms would cancel."""
    small = x < 16
    a, b = jnp.where(small, x, 1), jnp.where(small, 16, x)
    s = 1 / jnp.square(b)
    series = (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - s / 1188) * s) * s) * s) / b
    return jnp.where(small, gammaln(a) - (a - 0.5) * jnp.log(a) + a - HALF_LOG_2PI, series)


def deviance(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """The a log(a / b) + b - a of positive numbers, with all its digits also where a is close to b (Loader 2000)."""
    near = jnp.abs(a - b) < 0.1 * (a + b)
    v = jnp.where(near, a - b, 0) / (a + b)
    return jnp.where(near, (a - b) * v + 2 * a * v * _atanh_rest(v), a * (jnp.log(a) - jnp.log(b)) + b - a)


def log1p(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The log(1 + x) of positive numbers; XLA's own has lost half of its digits at 1e-4 in float32."""
    near = x < 0.2
    v = jnp.where(near, x, 0) / (2 + jnp.where(near, x, 0))
    return jnp.where(near, 2 * v * (1 + _atanh_rest(v)), jnp.log1p(x))


def _atanh_rest(v: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The series artanh(v) / v - 1 = v^2 / 3 + v^4 / 5 + ... for |v| <= 0.1."""
    square, total = jnp.square(v), jnp.zeros_like(v)
    for j in range(8, 0, -1):
        total = square * (1 / (2 * j + 1) + total)
    return total


def is_large(size: Float[Array, "*shape"]) -> Bool[Array, "*shape"]:
    """Whether the first terms of `upper_tail` err less than the incomplete beta and gamma functions round."""
    return size > (0.004 / np.finfo(size.dtype).eps) ** 0.4


def is_near(off: Float[Array, "*shape"]) -> Bool[Array, "*shape"]:
    """Whether a relative distance is so small that `upper_tail` would cancel."""
    return jnp.abs(off) < np.finfo(off.dtype).eps ** (1 / 3)


def upper_tail(
    half_square: Float[Array, "*shape"],
    z: Float[Array, "*shape"],
    skew: Float[Array, "..."],
    near: Bool[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """P(Z > z), by Phi(-w) + phi(w) (1/z - 1/w) (Temme 1979, 1982).

    Here w has the sign of z, and half of its square is a deviance. Where z is near 0, w = z (1 - skew z).
    """
    far_z, far = jnp.where(near, 1, z), jnp.where(near, 1, half_square)
    far_w = jnp.sign(far_z) * jnp.sqrt(2 * far)
    w = jnp.where(near, z * (1 - skew * z), far_w)
    gap = jnp.where(near, -skew, 1 / far_z - 1 / far_w)
    return jnp.clip(ndtr(-w) + jnp.exp(-0.5 * jnp.square(w) - HALF_LOG_2PI) * gap, 0, 1)


def student_log_density(z: Float[Array, "..."], df: Float[Array, "..."]) -> Float[Array, "..."]:
    """The log density of Student's t with `df` degrees of freedom at z."""
    half = df / 2
    norm = half * log1p(0.5 / half) - 0.5 + stirling_error(half + 0.5) - stirling_error(half)
    return norm - HALF_LOG_2PI - (half + 0.5) * log1p(jnp.square(z) / df)


@jax.custom_jvp
def student_cdf(z: Float[Array, "*shape"], df: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """P(Z <= z) of Student's t with `df` degrees of freedom, without a derivative by them; both of one shape."""
    square = jnp.square(z)
    near = square < df
    inner = 0.5 * betainc(0.5, df / 2, jnp.where(near, square / (df + square), 0.5))
    outer = 0.5 * betainc(df / 2, 0.5, jnp.where(near, 0.5, df / (df + square)))
    upper = jnp.where(near, 0.5 + inner, 1 - outer)
    return jnp.where(z > 0, upper, jnp.where(near, 0.5 - inner, outer))


@partial(student_cdf.defjvp, symbolic_zeros=True)
def _(primals: Any, tangents: Any) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """The derivative by z is the density, also at 0, where the incomplete beta function has none."""
    z, df = primals
    if not isinstance(tangents[1], jax.custom_derivatives.SymbolicZero):
        raise NotImplementedError("the CDF of student_t has no derivative by its degrees of freedom")
    return student_cdf(z, df), jnp.exp(student_log_density(z, df)) * tangents[0]
