"""The steps of variational inference: Adam on the ELBO, and the average of the iterates."""

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from credo.inference.density import Program, Values
from credo.inference.point import batches
from credo.inference.point.derivatives import LogDensity
from credo.inference.point.optimiser import StartState
from credo.inference.variational.families import Around, begin
from credo.inference.variational.family import Family
from credo.inference.variational.path import QuasiNewton
from credo.models.binding import BoundModel

_JUDGED = 1000
"""Draws from which the ELBO of what is kept is estimated."""


class Fits(LogDensity, Protocol):
    """What is fitted, and how; see `vi`."""

    family: str
    batch_size: int | None
    elbo_draws: int

    @property
    def rate(self) -> Any:
        """The learning rate at first."""
        ...


class Fit(NamedTuple):
    """One start.

    - **place** - the normal distribution around which it fits.
    - **inner** - the family's numbers.
    - **average** - their mean over the steps of this stage.
    - **averaged** - how many these are.
    - **adam** - optax's state.
    - **rng_key** - for the draws.
    """

    place: QuasiNewton
    inner: Family
    average: Family
    averaged: Array
    adam: Any
    rng_key: Array


@jax.jit
def first(method: Fits, states: StartState) -> Fit:
    """Every start at what Pathfinder found."""

    def one(state: StartState) -> Fit:
        family = begin(method.family, state.optimiser.best, state.rng_key)
        adam = optax.adam(1.0).init(family.inner)
        fit = Fit(family.place, family.inner, family.inner, jnp.array(0), adam, jax.random.fold_in(state.rng_key, 2))
        return jax.tree.map(lambda a: lax.convert_element_type(a, a.dtype), fit)

    return jax.vmap(one)(states)


@partial(jax.jit, static_argnums=1)
def advance(
    method: Fits,
    rows: tuple[str, ...],
    program: BoundModel,
    z: Values,
    fits: Fit,
    rates: Float[Array, "start"],
    anew: Bool[Array, "start"],
    count: int | Int[Array, ""],
) -> tuple[Fit, Float[Array, "start"]]:
    """Some steps of every start, and the mean ELBO of each on the way.

    Args:
        method: what is fitted.
        rows: the arrays of the program that have a row per observation.
        program: the model with its data.
        z: latents by site, whatever their values.
        fits: of all starts.
        rates: shares of the learning rate; 0 where a start has ended and stays.
        anew: where the average of the iterates begins again.
        count: how many steps.
    """
    unravel = ravel_pytree(z)[1]

    def one(fit: Fit, rate: Array, anew: Array) -> tuple[Fit, Array]:
        optimiser = optax.adam(rate * method.rate)

        def step(_: Array, carry: tuple[Fit, Array]) -> tuple[Fit, Array]:
            fit, total = carry
            key, batch_key, draw_key = jax.random.split(fit.rng_key, 3)
            seen = batches.draw(method.batch_size, rows, program, batch_key)

            def loss(inner: Family) -> Array:
                return -_elbo(method, seen, unravel, Around(fit.place, inner), draw_key, method.elbo_draws)

            value, slope = jax.value_and_grad(loss)(fit.inner)
            updates, adam = optimiser.update(slope, fit.adam)
            good = jnp.isfinite(value) & jnp.isfinite(optax.tree.norm(slope))
            moved = jax.tree.map(
                partial(jnp.where, good), (optax.apply_updates(fit.inner, updates), adam), (fit.inner, fit.adam)
            )
            averaged = fit.averaged + 1
            average = jax.tree.map(lambda mean, new: mean + (new - mean) / averaged, fit.average, moved[0])
            return Fit(fit.place, moved[0], average, averaged, moved[1], key), total - jnp.where(good, value, jnp.inf)

        fresh = fit._replace(averaged=jnp.where(anew, 0, fit.averaged))
        steps = jnp.where(rate > 0, count, 0)
        fit, total = lax.fori_loop(0, steps, step, (fresh, jnp.zeros_like(rate)))
        return fit, jnp.where(steps > 0, total / steps, jnp.nan)

    return jax.vmap(one)(fits, rates, anew)


@jax.jit
def judge(method: Fits, program: BoundModel, z: Values, families: Around, key: PRNGKeyArray) -> Float[Array, "start"]:
    """The ELBO of what each start found."""
    unravel = ravel_pytree(z)[1]
    return jax.vmap(lambda one: _elbo(method, program, unravel, one, key, _JUDGED))(families)


def _elbo(method: Fits, program: Program, unravel: Any, family: Family, key: PRNGKeyArray, draws: int) -> Array:
    """The mean of log p - log q over draws.

    The gradient is only that through the draws: its noise vanishes where q becomes p (Roeder, Wu and Duvenaud 2017,
    "Sticking the landing", NeurIPS).
    """
    held = jax.tree.map(lax.stop_gradient, family)
    dim = held.place.mean.shape

    def ratio(noise: Array) -> Array:
        drawn = family.draw(noise)[0]
        return method.log_density(program, unravel(drawn)) - held.log_density(drawn)

    return jnp.mean(jax.vmap(ratio)(jax.random.normal(key, (draws, *dim), held.place.mean.dtype)))
