"""Where the mode is in its space: on a boundary, or on the way to a density without a bound.

A mode is on the boundary of its space where an unconstrained coordinate can go to infinity, the latents come to an end
(`tau` to 0, `p` to 1, `high` to `low`), and the log density is level. Nothing here depends on units: a probability
of 3e-7 with three events is inside, as the log density falls on the way to 0. A scalar that no coordinate moves (the
corner of a Cholesky factor) has no boundary.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Shaped

_FAR = 12.0
"""So far in unconstrained space a latent has all but come to its end (e^-12 = 6e-6), twice so far even more."""

_ENDED = 1e-3
"""The second step to an end is so much shorter than the first, at most; on the real line both are equally long."""

_LEVEL = 1e-3
"""Nats by which the log density may differ between the end and a mode that is on the boundary."""

_NEAR = 1.0
"""Nats of difference beyond which a mode cannot be on the boundary: it is not asked what is on the other side, where
the log density may be expensive (a differential equation with a huge rate)."""

_FALL = 0.25
"""Nats by which the log density is lower inside; else the data says nothing of the latent, and it is not on an edge."""

_SLOPE = 0.05
"""Nats per unit of an unconstrained coordinate that a density without a bound goes on rising, at least."""


class Outlook(NamedTuple):
    """What is seen along each unconstrained coordinate, to both sides (falling, rising). Changes are from the mode.

    - **ends** - whether all latents come to an end [dim, 2].
    - **end** - the latents there, all scalars in a row [dim, 2, scalars].
    - **out** - the change of the log density on going out by `_FAR` and twice that [dim, 2, 2].
    - **back** - its change on going back by `_FAR`, the lowest and the highest inside; 0 where it was not asked
      [dim, 2, 3].
    """

    ends: Bool[Array, "dim 2"]
    end: Float[Array, "dim 2 scalars"]
    out: Float[Array, "dim 2 2"]
    back: Float[Array, "dim 2 3"]


class Edges(NamedTuple):
    """What was found along each unconstrained coordinate.

    - **side** - towards which side the coordinate runs where it is on the boundary: -1 or 1, else 0 [dim].
    - **unbounded** - towards which side the log density rises without a bound, else 0 [dim].
    - **end** - the latents at the end of that side, all scalars in a row [dim, scalars].
    """

    side: Shaped[np.ndarray, "dim"]
    unbounded: Shaped[np.ndarray, "dim"]
    end: Float[np.ndarray, "dim scalars"]


def look_around(
    value: Callable[[Array], Array], latents: Callable[[Array], Array], mode: Float[Array, "dim"]
) -> Outlook:
    """Look along every coordinate; the log density is only computed where it matters, as it may be expensive.

    Args:
        value: the log density of the unconstrained latents.
        latents: all latents in their own space, in a row.
        mode: the mode.
    """
    here, height = latents(mode), value(mode)

    def look(way: tuple[Array, Array]) -> Outlook:
        number, side = way
        step = jnp.zeros_like(mode).at[number].set(side * _FAR)
        near, end = latents(mode + step), latents(mode + 2 * step)
        ends = jnp.all(jnp.abs(end - near) <= _ENDED * jnp.abs(near - here))

        def outwards() -> Array:
            return lax.map(value, jnp.stack([mode + step, mode + 2 * step])) - height

        def backwards() -> Array:
            points = jnp.stack([mode - step, mode - 2 * step, mode.at[number].set(0.0)])
            change = lax.map(value, points) - height
            heights = jnp.nan_to_num(change, nan=-jnp.inf)
            return jnp.stack([change[0], jnp.min(heights), jnp.max(heights)])

        out = lax.cond(ends, outwards, lambda: jnp.zeros(2, mode.dtype))
        asked = ends & (jnp.all(jnp.abs(out) <= _NEAR) | ~jnp.all(jnp.isfinite(out)))
        return Outlook(ends, end, out, lax.cond(asked, backwards, lambda: jnp.zeros(3, mode.dtype)))

    numbers, sides = jnp.meshgrid(jnp.arange(mode.size), jnp.array([-1.0, 1.0], mode.dtype), indexing="ij")
    looks = lax.map(look, (numbers.ravel(), sides.ravel()))
    return jax.tree.map(lambda a: a.reshape(mode.size, 2, *a.shape[1:]), looks)


def judge(outlook: Outlook, gradient: Float[np.ndarray, "dim"], noise: float) -> Edges:
    """Which coordinates are on the boundary.

    Args:
        outlook: see `look_around`.
        gradient: of the log density at the mode.
        noise: how far the log density may be off by rounding, in nats.
    """
    ends, end, out, back = map(np.asarray, outlook)
    sides = np.array([-1.0, 1.0])
    with np.errstate(invalid="ignore"):
        rises = out[..., 1] - out[..., 0] >= _SLOPE * _FAR
        slope = gradient[:, None] * sides
        steady = (slope >= _SLOPE) & (np.abs(back[..., 0] + _FAR * slope) < 0.1 * _FAR * slope)
        unbounded = ends & (rises | (steady & ~np.isfinite(out).all(-1)))
        level = ends & (np.abs(out).max(-1) <= _LEVEL + noise) & (back[..., 1] < -_FALL - noise)
        level &= back[..., 2] <= _LEVEL + noise  # else the end is where the optimiser got lost
    on_edge = level | unbounded
    chosen = np.argmax(on_edge, axis=1)
    return Edges(
        side=np.where(on_edge.any(1), sides[chosen], 0.0),
        unbounded=np.where(unbounded.any(1), sides[np.argmax(unbounded, axis=1)], 0.0),
        end=end[np.arange(len(end)), np.where(unbounded.any(1), np.argmax(unbounded, axis=1), chosen)],
    )
