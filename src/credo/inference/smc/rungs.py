"""Parallel tempering on the path: what happens between two exchanges, and where the temperatures belong.

Neighbours are offered an exchange in even and odd pairs in turn (Okabe et al. 2001), which drives states along the
ladder (Syed, Bouchard-Cote, Deligiannidis and Doucet 2022, "Non-reversible parallel tempering: a scalable highly
parallel MCMC scheme", JRSS B 84(2)). The first rung is the prior, which draws independently.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped

from credo.inference.density import Program
from credo.inference.smc.mutation import Mutated, transition
from credo.inference.smc.path import Densities, densities, flat
from credo.models.binding import BoundModel

_GAIN = 0.3
"""Part of the step's correction that is made after each move of the warm-up."""

_FARTHEST = 1e-8
"""The first inverse temperature above 0 of the first ladder."""


class Replicas(NamedTuple):
    """All chains at all temperatures.

    - **z**, **densities** - of each.
    - **fresh** - whether a state was at the prior after it was last at the posterior.
    - **trips** - by chain, how many fresh states have come to the posterior.
    - **ladder** - the inverse temperatures from 0 to 1.
    - **root** - of the covariance, by rung.
    - **step** - the step size, by rung.
    - **exchanges** - so far, which decides on the pairs.
    - **evaluations** - of the density so far, by rung, per chain.
    """

    z: Float[Array, "rung chain dim"]
    densities: Densities
    fresh: Bool[Array, "rung chain"]
    trips: Int[Array, "chain"]
    ladder: Float[Array, "rung"]
    root: Float[Array, "rung dim dim"]
    step: Float[Array, "rung"]
    exchanges: Int[Array, ""]
    evaluations: Int[Array, "rung"]


class Seen(NamedTuple):
    """What one exchange leaves behind.

    - **z**, **lp** - at the posterior: the draw and its log joint density.
    - **exchange** - of each pair of neighbours, the mean acceptance probability.
    - **bridge** - of each pair, (beta' - beta) log p(data | z), whose mean of exponentials is a part of the evidence.
    """

    z: Float[Array, "... chain dim"]
    lp: Float[Array, "... chain"]
    exchange: Float[Array, "... pair"]
    bridge: Float[Array, "... pair chain"]


def first_ladder(rungs: int) -> Float[np.ndarray, "rung"]:
    """From the prior to the posterior, by equal ratios."""
    return np.concatenate([[0.0], np.geomspace(_FARTHEST, 1.0, rungs - 1)])


def ladder_of(ladder: Float[np.ndarray, "rung"], exchange: Float[np.ndarray, "pair"]) -> Float[np.ndarray, "rung"]:
    """The ladder on which all exchanges are as likely as each other, by interpolation of their rejection rates.

    Example:
        Where all are as likely, the ladder stays.

        >>> ladder_of(np.array([0.0, 0.25, 1.0]), np.array([0.5, 0.5])).tolist()
        [0.0, 0.25, 1.0]
    """
    barrier = np.concatenate([[0.0], np.cumsum(np.maximum(1 - exchange, 1e-3))])
    found = np.interp(np.linspace(0.0, barrier[-1], len(ladder)), barrier, ladder)
    return np.concatenate([[0.0], found[1:-1], [1.0]])


def begin(program: BoundModel, key: PRNGKeyArray, chains: int, ladder: Float[Array, "rung"]) -> Replicas:
    """Every chain at every temperature at a draw of the prior."""
    rungs = len(ladder)
    z = jax.vmap(jax.vmap(partial(flat, program)))(jax.random.split(key, (rungs, chains)))
    finite = jnp.isfinite(z).all(-1)
    z = jnp.where(finite[..., None], z, 0.0)
    found = jax.vmap(jax.vmap(partial(densities, program)))(z)
    centred = z.reshape(-1, z.shape[-1]) - z.mean((0, 1))
    scale = jnp.diag(jnp.sqrt(jnp.mean(centred**2, 0)))
    return Replicas(
        z,
        found._replace(log_likelihood=jnp.where(finite, found.log_likelihood, -jnp.inf)),
        jnp.zeros((rungs, chains), bool),
        jnp.zeros(chains, int),
        ladder.astype(z.dtype),
        jnp.tile(scale, (rungs, 1, 1)),
        jnp.full(rungs, 0.5, z.dtype),
        jnp.zeros((), int),
        jnp.ones(rungs, int),
    )


def advance(
    kernel: str, moves: int, program: Program, adapts: Bool[Array, ""], now: Replicas, key: PRNGKeyArray
) -> tuple[Replicas, Seen]:
    """Move all replicas, and offer neighbours an exchange.

    Args:
        kernel: of `mutation.WORDS`.
        moves: of each replica before the exchange.
        program: the model with its data.
        adapts: whether the step sizes do.
        now: the replicas.
        key: for all of this.
    """
    move_key, prior_key, swap_key = jax.random.split(key, 3)
    now = _drawn(program, _moved(kernel, moves, program, adapts, now, move_key), prior_key)
    log_likelihood = now.densities.log_likelihood
    gap = jnp.diff(now.ladder)[:, None]
    rate = jnp.exp(jnp.minimum(gap * (log_likelihood[:-1] - log_likelihood[1:]), 0.0))
    rate = jnp.where(jnp.isnan(rate), 0.0, rate)
    pair = jnp.arange(len(gap))
    offered = (pair % 2 == now.exchanges % 2)[:, None]
    yes = offered & (jax.random.uniform(swap_key, rate.shape, rate.dtype) < rate)
    then = _exchanged(now, yes)
    lp = then.densities.at(jnp.ones(()))[-1]
    return then, Seen(then.z[-1], lp, rate.mean(1), gap * log_likelihood[:-1])


def _moved(
    kernel: str, moves: int, program: Program, adapts: Bool[Array, ""], now: Replicas, key: PRNGKeyArray
) -> Replicas:
    """All rungs above the prior by moves of their own."""
    z, here, step, counts = jax.tree.map(lambda a: a[1:], (now.z, now.densities, now.step, now.evaluations))
    zero, none = jnp.zeros_like(step), jnp.zeros_like(counts)

    def move(particles: Mutated, key: PRNGKeyArray) -> tuple[Mutated, None]:
        keys = jax.random.split(key, len(step))
        then = jax.vmap(partial(transition, kernel, program))(now.ladder[1:], now.root[1:], particles, keys)
        tuned = particles.step * (then.step / particles.step) ** jnp.where(adapts, _GAIN, 0.0)
        return then._replace(step=tuned), None

    begin = Mutated(z, here, step, zero, none, counts)
    end = lax.scan(move, begin, jax.random.split(key, moves))[0]

    def joined(first: Shaped[Array, "rung ..."], rest: Shaped[Array, "..."]) -> Shaped[Array, "rung ..."]:
        return jnp.concatenate([first[:1], rest])

    return now._replace(
        z=joined(now.z, end.z),
        densities=jax.tree.map(joined, now.densities, end.densities),
        step=joined(now.step, end.step),
        evaluations=joined(now.evaluations, end.evaluations),
    )


def _drawn(program: Program, now: Replicas, key: PRNGKeyArray) -> Replicas:
    """The first rung at new draws of the prior."""
    z = jax.vmap(partial(flat, program))(jax.random.split(key, now.z.shape[1]))
    finite = jnp.isfinite(z).all(-1)
    z = jnp.where(finite[:, None], z, 0.0)
    found = jax.vmap(partial(densities, program))(z)
    found = found._replace(log_likelihood=jnp.where(finite, found.log_likelihood, -jnp.inf))
    return now._replace(
        z=now.z.at[0].set(z),
        densities=jax.tree.map(lambda a, b: a.at[0].set(b), now.densities, found),
        fresh=now.fresh.at[0].set(True),
        evaluations=now.evaluations.at[0].add(1),
    )


def _exchanged(now: Replicas, yes: Bool[Array, "pair chain"]) -> Replicas:
    """Neighbours have changed places where that is said; fresh states that came to the posterior are counted."""
    rungs, chains = now.fresh.shape
    source = jnp.tile(jnp.arange(rungs)[:, None], (1, chains))
    source = source.at[:-1].add(yes.astype(int)).at[1:].add(-yes.astype(int))

    def placed(values: Shaped[Array, "rung chain ..."]) -> Shaped[Array, "rung chain ..."]:
        return values[source, jnp.arange(chains)]

    fresh = placed(now.fresh)
    return now._replace(
        z=placed(now.z),
        densities=jax.tree.map(placed, now.densities),
        fresh=fresh.at[-1].set(False),
        trips=now.trips + fresh[-1],
        exchanges=now.exchanges + 1,
    )
