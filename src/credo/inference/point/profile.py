"""Is a standard error one? How far the log density has fallen a standard error away from the mode: by about 1/2.

The profile log likelihood of a linear combination a'z of the unconstrained latents goes through the points
z +- S a / sqrt(a' S a), where S is the inverse of the information I (to first order: Murphy & van der Vaart 2000, JASA
95(450), 449-465). With u' I u = 1 there, a quadratic log density has fallen by 1/2. One that flattens by itself, as
that of separated classes, does not fall to one side.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float

_STEPS = 20
"""Steps along a curved ridge, at most."""

_ENOUGH = 0.9
"""A fall of so little is not looked at more closely."""

_FAR = 6.0
"""No latent is multiplied by more than e^6: there a log density may be meaningless, or take for ever."""

_LEAST_STEP = 0.1
"""A standard error of ten times as much is none."""

_TOGETHER = 32
"""So many directions are looked at together."""

LEAST, GREATEST = 0.25, 1.0
"""Nats: see `judge`."""

COARSE = 0.05
"""Nats of rounding beyond which a fall cannot be judged."""

Value = Callable[[Array], Array]


class _Point(NamedTuple):
    """A point on the hyperplane, the log density there, and the next step's length."""

    z: Array
    height: Array
    length: Array
    steps: Array


def falls(
    value: Value,
    mode: Float[Array, "dim"],
    directions: Float[Array, "direction dim"],
    covariance: Float[Array, "dim dim"],
    bounded: Bool[Array, "dim"],
) -> Float[Array, "direction 2"]:
    """By how much the log density falls at `mode - u` and at `mode + u`, in nats.

    Where it falls by too much along the straight line, the other latents follow: see `_follow`. A step that is too long
    on a logarithmic scale is made shorter, by t, and the fall divided by t^2, as that of a quadratic would grow.

    Args:
        value: the log density of the unconstrained latents.
        mode: the mode.
        directions: the steps u, of one standard error.
        covariance: S.
        bounded: the coordinates whose latents have an end, as on a logarithmic scale.
    """
    top = value(mode)

    def fall(u: Float[Array, "dim"]) -> Float[Array, "2"]:
        share = _FAR / jnp.maximum(_FAR, jnp.max(jnp.where(bounded, jnp.abs(u), 0.0)))
        t = jnp.where(share < _LEAST_STEP, 0.0, share)
        heights = jax.vmap(partial(_follow, value, top - _ENOUGH * t**2, covariance, u))(mode + t * jnp.stack([-u, u]))
        fall = jnp.where(jnp.isnan(heights), jnp.inf, top - heights)
        return jnp.where(t > 0, fall / jnp.maximum(t, _LEAST_STEP) ** 2, 0.0)

    return lax.map(fall, directions, batch_size=min(_TOGETHER, len(directions)))


def _follow(
    value: Value,
    enough: Float[Array, ""],
    covariance: Float[Array, "dim dim"],
    u: Float[Array, "dim"],
    z: Float[Array, "dim"],
) -> Float[Array, ""]:
    """The log density at z, or where that is low, a higher one at the same a'z: a curved ridge is no fall.

    The steps (S - u u') g, with the gradient g, are Newton's under the constraint, with the information of the mode;
    they are shortened until the log density rises.
    """

    def step(now: _Point) -> _Point:
        gradient = jax.grad(value)(now.z)
        tried = now.z + now.length * (covariance @ gradient - u * jnp.dot(u, gradient))
        reached = value(tried)
        better = reached > now.height
        return _Point(
            z=jnp.where(better, tried, now.z),
            height=jnp.where(better, reached, now.height),
            length=jnp.where(better, jnp.minimum(1.0, 4 * now.length), now.length / 4),
            steps=now.steps + 1,
        )

    begin = _Point(z, value(z), jnp.ones((), z.dtype), jnp.array(0))
    return lax.while_loop(lambda now: (now.steps < _STEPS) & (now.height < enough), step, begin).height


def judge(
    fall: Float[np.ndarray, "direction 2"], rounding: float, least: float = LEAST, greatest: float = GREATEST
) -> tuple[Bool[np.ndarray, "direction 2"], Bool[np.ndarray, "direction"]]:
    """Where a standard error is none: which sides are open, and along which directions the top is flat.

    A side is open where the log density falls by less than `least`. A top is flatter than a parabola where the
    geometric mean of both falls is above `greatest`. Skewness alone moves that mean little, as it adds to one side what
    it takes from the other: one Poisson event has the falls 0.37 and 0.72 on the log scale (mean 0.51), one Gaussian
    value 0.33 and 0.85 on that of its scale (0.53), a third of a Poisson event 0.31 and 0.98 (0.55).

    Args:
        fall: see `falls`; NaN where there is no direction.
        rounding: how far the log density may be off by rounding, in nats; beyond `COARSE` nothing is judged.
        least: in nats.
        greatest: in nats.

    Returns:
        [direction, 2] and [direction].
    """
    if rounding > COARSE:
        return np.zeros(fall.shape, bool), np.zeros(len(fall), bool)
    with np.errstate(invalid="ignore"):
        low = ~np.isnan(fall) & ~(fall >= least - rounding)
        mean = np.sqrt(np.prod(np.maximum(fall, 0.0), axis=1))
        return low, ~low.any(axis=1) & ~np.isnan(mean) & ~(mean <= greatest + rounding)
