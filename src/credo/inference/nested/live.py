"""The programs of nested sampling: all repeats at the prior, and one batch of points further."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.special import logsumexp
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped

from credo.inference.density import Program
from credo.inference.nested.slices import Level, Points, chosen, move, order
from credo.inference.smc.mutation import REMEMBERED, chance, memory
from credo.inference.smc.path import by_site, densities, flat
from credo.inference.smc.population import spread
from credo.models.binding import BoundModel

MOST_DRAWS = 1000
"""How often a draw of the prior that has no likelihood is drawn again."""


class Live(NamedTuple):
    """All that one repeat is between two batches.

    - **points** - the live points.
    - **log_share** - the log of the share of the prior's draws that have a likelihood.
    - **log_volume** - the log of the share of the prior that is above the level of the last batch.
    - **log_evidence** - of what is below it.
    - **evaluations** - of the density so far.
    - **key** - for what is to come.
    """

    points: Points
    log_share: Float[Array, ""]
    log_volume: Float[Array, ""]
    log_evidence: Float[Array, ""]
    evaluations: Int[Array, ""]
    key: PRNGKeyArray


class Batch(NamedTuple):
    """What a batch leaves behind.

    - **dead** - the points that were replaced, the lowest first.
    - **remaining** - the share of the evidence that is in the live points after it.
    - **at_most** - the same, were all live points as high as the highest.
    - **insertion** - the sum of the ranks of the new points among the live ones, in standard errors from its mean.
    - **moves** - of each new point.
    """

    dead: Points
    remaining: Float[Array, "..."]
    at_most: Float[Array, "..."]
    insertion: Float[Array, "..."]
    moves: Int[Array, "..."]


@jax.jit
def start(method: Any, program: BoundModel, keys: Shaped[Array, "repeat ..."]) -> Live:
    """Every repeat's own draws of the prior that have a likelihood, and how many draws that took.

    Of n draws that were found in t the share (n - 1)/(t - 1) is unbiased (Haldane 1945, Biometrika 33(3)).
    """

    def one(key: PRNGKeyArray) -> Live:
        key, own, label_key = jax.random.split(key, 3)
        points, tries = _drawn(program, method.particles, own)
        label = 1 - jax.random.uniform(label_key, points.label.shape, points.z.dtype)
        log_share = jnp.log(jnp.asarray(method.particles - 1, label.dtype) / (tries - 1))
        return Live(points._replace(label=label), log_share, log_share, jnp.full_like(log_share, -jnp.inf), tries, key)

    return lax.map(one, keys)


def _drawn(program: Program, count: int, key: PRNGKeyArray) -> tuple[Points, Int[Array, ""]]:
    """Draws of the prior; one without a likelihood is drawn again, so often that hardly any prior has none."""

    def draw(number: Int[Array, ""] | int) -> Points:
        z = jax.vmap(partial(flat, program))(jax.random.split(jax.random.fold_in(key, number), count))
        finite = jnp.isfinite(z).all(-1)
        z = jnp.where(finite[:, None], z, 0.0)
        log_prior, log_likelihood = jax.vmap(partial(densities, program))(z)
        log_likelihood = jnp.where(finite, log_likelihood, -jnp.inf)
        return Points(z, log_prior, log_likelihood, jnp.zeros_like(log_prior), jnp.arange(count))

    def lacks(points: Points) -> Bool[Array, "point"]:
        return points.log_likelihood == -jnp.inf

    def again(now: tuple[Points, Array, Array]) -> tuple[Points, Array, Array]:
        points, number, tries = now
        lacking = lacks(points)
        return chosen(lacking, draw(number), points), number + 1, tries + lacking.sum()

    begin = draw(0), jnp.ones((), int), jnp.asarray(count, int)
    points, _, tries = lax.while_loop(lambda now: lacks(now[0]).any() & (now[1] < MOST_DRAWS), again, begin)
    return points, tries


@jax.jit
def advance(method: Any, program: BoundModel, live: Live) -> tuple[Live, Batch]:
    """One batch of every repeat."""
    return lax.map(partial(_replaced, method, program), live)


def _replaced(method: Any, program: Program, now: Live) -> tuple[Live, Batch]:
    """The lowest points of one repeat are dead; new ones take their places."""
    key, parent_key, move_key = jax.random.split(now.key, 3)
    count, gone = method.particles, method.gone
    points = jax.tree.map(lambda a: a[order(now.points)], now.points)
    dead, survivors = jax.tree.map(lambda a: a[:gone], points), jax.tree.map(lambda a: a[gone:], points)
    level = Level(dead.log_likelihood[-1], dead.label[-1])
    parents = jax.random.permutation(parent_key, count - gone)[jnp.arange(gone) % (count - gone)]
    begin = jax.tree.map(lambda a: a[parents], survivors)
    root = spread(survivors.z, jnp.zeros(count - gone, points.z.dtype))
    new, moves, evaluations = _moved(program, level, root, begin, method.moves, move_key)
    then = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), survivors, new)
    each = now.log_volume - jnp.log(jnp.asarray(count, level.label.dtype))
    log_evidence = jnp.logaddexp(now.log_evidence, each + logsumexp(dead.log_likelihood))
    log_volume = now.log_volume + jnp.log1p(-jnp.asarray(gone / count, each.dtype))
    inside = log_volume + logsumexp(then.log_likelihood) - jnp.log(jnp.asarray(count, each.dtype))
    total = jnp.logaddexp(log_evidence, inside)
    batch = Batch(
        dead,
        jnp.exp(inside - total),
        jnp.minimum(jnp.exp(log_volume + then.log_likelihood.max() - total), 1.0),
        _insertion(then, gone),
        moves,
    )
    return Live(then, now.log_share, log_volume, log_evidence, now.evaluations + gone * evaluations, key), batch


def _moved(
    program: Program, level: Level, root: Float[Array, "dim dim"], begin: Points, most: Any, key: PRNGKeyArray
) -> tuple[Points, Int[Array, ""], Int[Array, ""]]:
    """Move points until no scalar remembers where it began, at most so often."""
    bound = REMEMBERED + chance(*begin.z.shape)
    before = _looked_at(begin)

    def goes_on(now: tuple[Points, Array, Array]) -> Bool[Array, ""]:
        return (now[1] < most) & (memory(before, _looked_at(now[0])) > bound)

    def once(now: tuple[Points, Array, Array]) -> tuple[Points, Array, Array]:
        points, moves, evaluations = now
        points, tries = move(program, level, root, points, jax.random.fold_in(key, moves))
        return points, moves + 1, evaluations + tries

    zero = jnp.zeros((), int)
    return lax.while_loop(goes_on, once, (begin, zero, zero))


def _looked_at(points: Points) -> Float[Array, "point scalar"]:
    """All scalars of the points and their places in the order, centred."""
    scalars = jnp.concatenate([points.z, _places(points)[:, None]], axis=1)
    return scalars - scalars.mean(0)


def _places(points: Points) -> Float[Array, "point"]:
    """Of each point, how many are below it."""
    count = len(points.label)
    return jnp.zeros_like(points.label).at[order(points)].set(jnp.arange(count, dtype=points.label.dtype))


def _insertion(points: Points, new: int) -> Float[Array, ""]:
    """The rank sum of the last points (Mann and Whitney 1947), in standard errors from what it is without a trend."""
    count = len(points.label)
    mean, variance = new * (count - 1) / 2, new * (count - new) * (count + 1) / 12
    return (_places(points)[-new:].sum() - mean) / variance**0.5


@jax.jit
def answer(program: BoundModel, z: Float[Array, "repeat draw dim"]) -> Any:
    """The draws by site."""
    return jax.vmap(jax.vmap(partial(by_site, program)))(z)
