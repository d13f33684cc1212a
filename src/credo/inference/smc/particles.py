"""The programs of sequential Monte Carlo: all repeats at the prior, and one temperature further."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.special import logsumexp
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from credo.inference.density import Program
from credo.inference.smc.mutation import Mutated, mutate
from credo.inference.smc.path import Densities, by_site, densities, flat
from credo.inference.smc.population import effective, next_beta, resampled, spread
from credo.models.binding import BoundModel

_FIRST_STEP = 0.5
"""The step size at the first temperature, in the metric of the particles."""


class Population(NamedTuple):
    """All that one repeat is between two temperatures.

    - **z** - the particles, unconstrained.
    - **densities** - of each.
    - **beta** - the inverse temperature: 0 at the prior, 1 at the posterior.
    - **log_evidence** - of the path so far.
    - **ancestor** - of each particle, the number of the draw of the prior from which it descends.
    - **step** - the step size of the moves.
    - **evaluations** - of the density so far, per particle.
    - **key** - for what is to come.
    """

    z: Float[Array, "particle dim"]
    densities: Densities
    beta: Float[Array, ""]
    log_evidence: Float[Array, ""]
    ancestor: Int[Array, "particle"]
    step: Float[Array, ""]
    evaluations: Int[Array, ""]
    key: PRNGKeyArray


class Rung(NamedTuple):
    """What is reported of one temperature of one repeat.

    - **beta** - the inverse temperature.
    - **effective** - the share of the particles that is effective before they are resampled.
    - **acceptance** - the mean acceptance probability of the last move.
    - **transitions** - how many moves were made.
    """

    beta: Float[Array, "..."]
    effective: Float[Array, "..."]
    acceptance: Float[Array, "..."]
    transitions: Int[Array, "..."]


@jax.jit
def start(method: Any, program: BoundModel, keys: Shaped[Array, "repeat ..."]) -> Population:
    """Every repeat's own draws of the prior."""

    def one(key: PRNGKeyArray) -> Population:
        key, own = jax.random.split(key)
        z = jax.vmap(partial(flat, program))(jax.random.split(own, method.particles))
        finite = jnp.isfinite(z).all(-1)
        z = jnp.where(finite[:, None], z, 0.0)
        found = jax.vmap(partial(densities, program))(z)
        found = found._replace(log_likelihood=jnp.where(finite, found.log_likelihood, -jnp.inf))
        zero = jnp.zeros((), z.dtype)
        number = jnp.arange(method.particles)
        return Population(z, found, zero, zero, number, zero + _FIRST_STEP, jnp.ones((), int), key)

    return lax.map(one, keys)


@jax.jit
def advance(method: Any, program: BoundModel, populations: Population) -> tuple[Population, Rung]:
    """One temperature of every repeat; one that is at the posterior stays."""

    def stay(now: Population) -> tuple[Population, Rung]:
        nothing = jnp.full_like(now.beta, jnp.nan)
        return now, Rung(nothing, nothing, nothing, jnp.zeros((), int))

    def one(now: Population) -> tuple[Population, Rung]:
        return lax.cond(now.beta >= 1, stay, partial(_tempered, method, program), now)

    return lax.map(one, populations)


def _tempered(method: Any, program: Program, now: Population) -> tuple[Population, Rung]:
    """One temperature of one repeat."""
    key, resample_key, mutate_key = jax.random.split(now.key, 3)
    count = method.particles
    beta = next_beta(now.densities.log_likelihood, now.beta, jnp.asarray(method.ess))
    log_weight = (beta - now.beta) * now.densities.log_likelihood
    chosen = resampled(log_weight, resample_key)
    here: tuple[Array, Densities] = jax.tree.map(lambda a: a[chosen], (now.z, now.densities))
    zero = jnp.zeros_like(beta)
    begin = Mutated(*here, now.step, zero, jnp.zeros((), int), now.evaluations)
    root = spread(now.z, log_weight)
    moved = mutate(method.mutation, program, beta, begin, root, method.transitions, mutate_key)
    log_evidence = now.log_evidence + logsumexp(log_weight) - jnp.log(jnp.asarray(count, beta.dtype))
    then = Population(
        moved.z, moved.densities, beta, log_evidence, now.ancestor[chosen], moved.step, moved.evaluations, key
    )
    return then, Rung(beta, effective(log_weight) / count, moved.acceptance, moved.transitions)


@jax.jit
def answer(program: BoundModel, populations: Population) -> tuple[Any, dict[str, Float[Array, "repeat particle"]]]:
    """The particles by site, and the log joint density of each."""
    lp = populations.densities.log_prior + populations.densities.log_likelihood
    return jax.vmap(jax.vmap(partial(by_site, program)))(populations.z), {"lp": lp}
