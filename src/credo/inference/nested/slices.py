"""Slice sampling of the prior above a level of the likelihood, for all points of a batch at once.

Each point moves along a direction of its own, drawn in the metric of the live points (Yallup, Kroupa and Handley 2025,
"Nested slice sampling"), on an interval of fixed length about it that shrinks towards it (Neal 2003, "Slice sampling",
Annals of Statistics 31(3), figures 3 and 5 without stepping out). Ties of the likelihood are broken by labels, uniform
on (0, 1], which are variables as the latents are (Murray 2007, "Advances in Markov chain Monte Carlo methods", 6.4.1).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from credo.inference.density import Program
from credo.inference.smc.path import densities

_LENGTH = 5.0
"""Of the interval, in standard deviations of the live points; those of a uniform distribution span 3.5."""

_MOST = 100
"""Places that are tried in a move; a point that found none stays."""


class Points(NamedTuple):
    """Points and their place in the order by likelihood.

    - **z** - unconstrained.
    - **log_prior**, **log_likelihood** - as in `smc.path.Densities`.
    - **label** - breaks ties.
    - **founder** - the number of the draw of the prior from which it descends.
    """

    z: Float[Array, "point dim"]
    log_prior: Float[Array, "point"]
    log_likelihood: Float[Array, "point"]
    label: Float[Array, "point"]
    founder: Int[Array, "point"]


class Level(NamedTuple):
    """A place in the order by likelihood."""

    log_likelihood: Float[Array, ""]
    label: Float[Array, ""]


def move(
    program: Program, level: Level, root: Float[Array, "dim dim"], now: Points, key: PRNGKeyArray
) -> tuple[Points, Int[Array, ""]]:
    """Move all points once above a level, along the directions of a root of a covariance.

    Returns:
        The points, and how often the density of all of them was evaluated.
    """
    direction_key, label_key, height_key, place_key, try_key = jax.random.split(key, 5)
    shape, dtype = now.label.shape, now.z.dtype
    normal = jax.random.normal(direction_key, now.z.shape, dtype)
    direction = _LENGTH * (normal / jnp.linalg.norm(normal, axis=-1, keepdims=True)) @ root.T
    least = jnp.where(now.log_likelihood == level.log_likelihood, level.label, 0.0)
    now = now._replace(label=1 - (1 - least) * jax.random.uniform(label_key, shape, dtype))
    height = now.log_prior - jax.random.exponential(height_key, shape, dtype)
    right = jax.random.uniform(place_key, shape, dtype)
    attempt = partial(_tried, program, level, direction, height, now.z, try_key)
    begin = _Search(now, right - 1, right, jnp.zeros(shape, bool), jnp.zeros((), int))
    end = lax.while_loop(lambda search: ~search.found.all() & (search.tries < _MOST), attempt, begin)
    return end.points, end.tries


class _Search(NamedTuple):
    points: Points
    left: Float[Array, "point"]
    right: Float[Array, "point"]
    found: Bool[Array, "point"]
    tries: Int[Array, ""]


def _tried(
    program: Program,
    level: Level,
    direction: Float[Array, "point dim"],
    height: Float[Array, "point"],
    origin: Float[Array, "point dim"],
    key: PRNGKeyArray,
    now: _Search,
) -> _Search:
    """After one more place of each point that has not found its own; where it is no good, the interval ends there."""
    share = jax.random.uniform(jax.random.fold_in(key, now.tries), now.left.shape, now.left.dtype)
    place = now.left + (now.right - now.left) * share
    z = origin + place[:, None] * direction
    there = now.points._replace(z=z, **jax.vmap(partial(densities, program))(z)._asdict())
    good = ~now.found & (there.log_prior > height) & above(there, level)
    return _Search(
        chosen(good, there, now.points),
        jnp.where(place < 0, place, now.left),
        jnp.where(place < 0, now.right, place),
        now.found | good,
        now.tries + 1,
    )


def chosen(which: Bool[Array, "point"], these: Points, others: Points) -> Points:
    """These points where that is said, and the others elsewhere."""
    return jax.tree.map(lambda a, b: jnp.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b), these, others)


def above(points: Points, level: Level) -> Bool[Array, "point"]:
    """Which points are above a level."""
    tied = points.log_likelihood == level.log_likelihood
    return (points.log_likelihood > level.log_likelihood) | (tied & (points.label > level.label))


def order(points: Points) -> Int[Array, "point"]:
    """The numbers of the points, the lowest first."""
    return jnp.lexsort((points.label, points.log_likelihood))
