"""The draws of a posterior in unconstrained space, and the densities there: of all, and of one observation."""

from functools import partial

import jax
import numpy as np
import xarray as xr
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int, Shaped

from credo.errors import RunError
from credo.inference.density import Values, constrain, potential, unconstrain
from credo.models.binding import BoundModel
from credo.models.problem import Problem

AT_ONCE = 100
"""Points whose densities are computed at once."""


def latent_draws(problem: Problem, posterior: xr.Dataset, who: str) -> dict[str, Shaped[np.ndarray, "chain draw ..."]]:
    """Of all continuous latents, by site, in their own space.

    Raises:
        RunError: those of a latent were not kept.
    """
    draws = {}
    for site in problem.latents:
        if site.discrete:
            continue
        variable = problem.names.variable(site.name)
        if variable not in posterior or posterior[variable].shape[2:] != tuple(site.shape):
            raise RunError(
                f"{who} needs the draws of all latents, but those of {site.name} are not in the result; see "
                "inference.keep"
            )
        draws[site.name] = posterior[variable].to_numpy()
    return draws


@jax.jit
def unconstrained(program: BoundModel, draws: Values) -> Float[Array, "chain draw dim"]:
    """The draws as vectors."""
    return jax.vmap(jax.vmap(lambda x: ravel_pytree(unconstrain(program, x))[0]))(draws)


@jax.jit
def by_site(program: BoundModel, draws: Values) -> dict[str, Float[Array, "chain draw ..."]]:
    """The draws of each latent, unconstrained."""
    return jax.vmap(jax.vmap(lambda x: unconstrain(program, x)))(draws)


@jax.jit
def log_joint(program: BoundModel, one: Values, z: Float[Array, "draw dim"]) -> Float[Array, "draw"]:
    """Log p(data, z) at each draw.

    Args:
        program: the model with its data.
        one: a value of every continuous latent in its own space, for the shapes.
        z: the draws.
    """
    unravel, energy = ravel_pytree(unconstrain(program, one))[1], potential(program)
    return lax.map(lambda at: -energy(unravel(at)), z, batch_size=AT_ONCE)


@partial(jax.jit, static_argnums=0)
def log_likelihood(
    site: str, program: BoundModel, one: Values, z: Float[Array, "draw dim"], place: Int[Array, ""] | int
) -> Float[Array, "draw"]:
    """The log density of one observation of a site at each draw; see `log_joint`.

    Args:
        site: the name of an observed site.
        program: the model with its data.
        one: a value of every continuous latent in its own space, for the shapes.
        z: the draws.
        place: of the observation among the densities of the site, as a flat number.
    """
    unravel = ravel_pytree(unconstrain(program, one))[1]

    def density(at: Float[Array, "dim"]) -> Float[Array, ""]:
        message = program.at(constrain(program, unravel(at)))[site]
        found = message["fn"].log_prob(message["value"]).ravel()[place]
        return found if message["scale"] is None else message["scale"] * found

    return lax.map(density, z, batch_size=AT_ONCE)


def density_shape(site: str, program: BoundModel, one: Values) -> tuple[int, ...]:
    """The shape of the log densities of an observed site; see `log_joint`."""

    def density(x: Values) -> Array:
        message = program.at(x)[site]
        found: Array = message["fn"].log_prob(message["value"])
        return found

    return jax.eval_shape(density, one).shape
