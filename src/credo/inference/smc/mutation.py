"""How particles move at one temperature: Hamiltonian or random-walk Metropolis, tuned on the particles themselves.

The metric is the particles' covariance. The step size is steered by the acceptance rate of all particles. Transitions
are made until no scalar remembers where it began (Buchholz, Chopin and Jacob 2021, "Adaptive tuning of Hamiltonian
Monte Carlo within sequential Monte Carlo", Bayesian Analysis 16(3)).
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from credo.inference.density import Program
from credo.inference.smc.path import Densities, densities

WORDS = ("hmc", "random_walk")
"""The kernels."""

_TARGET = {"hmc": 0.8, "random_walk": 0.25}
"""The acceptance rates to which the step size is steered."""

REMEMBERED = 0.02
"""The correlation with where it began, beyond chance, below which a scalar has forgotten that."""

_LONGEST = 64
"""Leapfrog steps of a trajectory, at most; a quarter of an oscillation is the aim."""


_UNEVEN = 1.0
"""The standard deviation of the log of the particles' own step sizes, some of which fit where the density is narrow."""


class Mutated(NamedTuple):
    """Particles and what is known of their moves.

    - **z**, **densities** - of each particle.
    - **step** - the step size, in the metric of the particles' spread.
    - **acceptance** - the mean acceptance probability of the last transition.
    - **transitions** - how many were made.
    - **evaluations** - of the density, per particle.
    """

    z: Float[Array, "particle dim"]
    densities: Densities
    step: Float[Array, ""]
    acceptance: Float[Array, ""]
    transitions: Int[Array, ""]
    evaluations: Int[Array, ""]


def mutate(
    kernel: str,
    program: Program,
    beta: Float[Array, ""],
    start: Mutated,
    root: Float[Array, "dim dim"],
    most: Int[Array, ""] | int,
    key: PRNGKeyArray,
) -> Mutated:
    """Move all particles, at most `most` times.

    Args:
        kernel: of `WORDS`.
        program: the model with its data.
        beta: the inverse temperature.
        start: the particles, with the step size to begin with.
        root: of the particles' covariance.
        most: transitions.
        key: for all of them.
    """
    bound = REMEMBERED + chance(*start.z.shape)
    before = _looked_at(start)

    def goes_on(now: Mutated) -> Bool[Array, ""]:
        return (now.transitions < most) & (memory(before, _looked_at(now)) > bound)

    def move(now: Mutated) -> Mutated:
        return transition(kernel, program, beta, root, now, jax.random.fold_in(key, now.transitions))

    return lax.while_loop(goes_on, move, start)


def transition(
    kernel: str,
    program: Program,
    beta: Float[Array, ""],
    root: Float[Array, "dim dim"],
    now: Mutated,
    key: PRNGKeyArray,
) -> Mutated:
    """Move all particles once; the arguments are those of `mutate`."""
    propose_key, accept_key = jax.random.split(key)
    propose = _hmc if kernel == "hmc" else _random_walk
    z, there, log_ratio, evaluations = propose(program, beta, root, now, propose_key)
    rate = jnp.where(jnp.isnan(log_ratio), 0.0, jnp.exp(jnp.minimum(log_ratio, 0.0)))
    yes = jax.random.uniform(accept_key, rate.shape, rate.dtype) < rate
    acceptance = jnp.mean(rate)
    return Mutated(
        jnp.where(yes[:, None], z, now.z),
        jax.tree.map(partial(jnp.where, yes), there, now.densities),
        now.step * jnp.exp(acceptance - _TARGET[kernel]),
        acceptance,
        now.transitions + 1,
        now.evaluations + evaluations,
    )


def chance(count: int, dim: int) -> float:
    """The largest correlation over particles of their scalars and ranks with others, by chance."""
    return math.sqrt(2 * math.log(dim + 1) / count)


def memory(before: Float[Array, "particle scalar"], now: Float[Array, "particle scalar"]) -> Float[Array, ""]:
    """The largest correlation over the particles of a scalar with what it was; both are centred."""
    scale = jnp.sqrt(jnp.sum(before**2, 0) * jnp.sum(now**2, 0))
    return jnp.max(jnp.where(scale > 0, jnp.sum(before * now, 0) / scale, 1.0))


def _looked_at(particles: Mutated) -> Float[Array, "particle scalar"]:
    """All scalars of the particles and the ranks of their likelihood, centred."""
    order = jnp.argsort(particles.densities.log_likelihood)
    rank = jnp.zeros_like(particles.z[:, 0]).at[order].set(jnp.arange(len(order), dtype=particles.z.dtype))
    scalars = jnp.concatenate([particles.z, rank[:, None]], axis=1)
    return scalars - scalars.mean(0)


def _random_walk(
    program: Program, beta: Float[Array, ""], root: Float[Array, "dim dim"], now: Mutated, key: PRNGKeyArray
) -> tuple[Float[Array, "particle dim"], Densities, Float[Array, "particle"], int]:
    z = now.z + now.step * jax.random.normal(key, now.z.shape, now.z.dtype) @ root.T
    there = jax.vmap(partial(densities, program))(z)
    return z, there, there.at(beta) - now.densities.at(beta), 1


def _hmc(
    program: Program, beta: Float[Array, ""], root: Float[Array, "dim dim"], now: Mutated, key: PRNGKeyArray
) -> tuple[Float[Array, "particle dim"], Densities, Float[Array, "particle"], Int[Array, ""]]:
    length_key, step_key, momentum_key = jax.random.split(key, 3)
    length = jax.random.uniform(length_key, (), now.z.dtype, 0.5, 1.0) * math.pi / 2
    steps = jnp.clip(jnp.ceil(length / now.step), 1, _LONGEST).astype(int)

    step = now.step * jnp.exp(_UNEVEN * jax.random.normal(step_key, (len(now.z), 1), now.z.dtype))

    def density(z: Float[Array, "dim"]) -> tuple[Float[Array, ""], Densities]:
        there = densities(program, z)
        return there.at(beta), there

    look = jax.vmap(jax.value_and_grad(density, has_aux=True))

    def leap(_: int, point: tuple[Array, Array, Array, Densities]) -> tuple[Array, Array, Array, Densities]:
        z, momentum, slope, _there = point
        momentum = momentum + step / 2 * slope @ root
        z = z + step * momentum @ root.T
        (_, there), slope = look(z)
        return z, momentum + step / 2 * slope @ root, slope, there

    momentum = jax.random.normal(momentum_key, now.z.shape, now.z.dtype)
    (_, here), slope = look(now.z)
    z, after, _, there = lax.fori_loop(0, steps, leap, (now.z, momentum, slope, here))
    kinetic = (jnp.sum(momentum**2, -1) - jnp.sum(after**2, -1)) / 2
    return z, there, there.at(beta) - now.densities.at(beta) + kinetic, steps + 1
