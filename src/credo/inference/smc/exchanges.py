"""The programs of parallel tempering: all replicas at the prior, a block of exchanges, and what is learned of them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, PRNGKeyArray

from credo.inference.smc.population import root_of
from credo.inference.smc.rungs import Replicas, Seen, advance, begin
from credo.models.binding import BoundModel


class Round(NamedTuple):
    """What is learned between two adaptations.

    - **exchanges** - how many.
    - **mean**, **squares** - of all replicas of a rung: their mean, and the sum of products of deviations from it.
    - **exchange** - by pair of neighbours, the sum of the acceptance probabilities.
    """

    exchanges: Float[Array, ""]
    mean: Float[Array, "rung dim"]
    squares: Float[Array, "rung dim dim"]
    exchange: Float[Array, "pair"]


@jax.jit
def start(method: Any, program: BoundModel, key: PRNGKeyArray, ladder: Float[Array, "rung"]) -> tuple[Replicas, Round]:
    """All replicas, of which nothing is known yet."""
    replicas = begin(program, key, method.chains, ladder)
    rungs, _, dim = replicas.z.shape
    zero = jnp.zeros((), replicas.z.dtype)
    return replicas, Round(
        zero, zero + jnp.zeros((rungs, dim)), zero + jnp.zeros((rungs, dim, dim)), zero + jnp.zeros(rungs - 1)
    )


@jax.jit
def block(
    method: Any,
    program: BoundModel,
    replicas: Replicas,
    learned: Round,
    adapts: Bool[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Replicas, Round, Seen]:
    """A block of exchanges."""

    def step(carry: tuple[Replicas, Round], key: PRNGKeyArray) -> tuple[tuple[Replicas, Round], Seen]:
        now, seen = advance(method.mutation, method.moves, program, adapts, carry[0], key)
        return (now, _learned(carry[1], now, seen)), seen

    (replicas, learned), seen = lax.scan(step, (replicas, learned), jax.random.split(key, method.block))
    return replicas, learned, seen


def _learned(before: Round, now: Replicas, seen: Seen) -> Round:
    """With one more state of all replicas (Chan, Golub and LeVeque 1983)."""
    chains = now.z.shape[1]
    mean = now.z.mean(1)
    centred = now.z - mean[:, None]
    gap = mean - before.mean
    count = before.exchanges + 1
    squares = jnp.einsum("rci,rcj->rij", centred, centred)
    between = jnp.einsum("ri,rj->rij", gap, gap) * chains * before.exchanges / count
    return Round(count, before.mean + gap / count, before.squares + squares + between, before.exchange + seen.exchange)


@jax.jit
def adapted(replicas: Replicas, learned: Round, ladder: Float[Array, "rung"]) -> Replicas:
    """With a new ladder, and the metrics that were learned."""
    total = learned.exchanges * replicas.z.shape[1]
    roots = jax.vmap(lambda squares: root_of(squares / total, total / 10))(learned.squares)
    return replicas._replace(ladder=ladder.astype(replicas.z.dtype), root=roots)


def forgotten(learned: Round) -> Round:
    """Nothing is known."""
    return jax.tree.map(jnp.zeros_like, learned)
