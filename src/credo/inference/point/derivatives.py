"""What is computed at a mode, in one program: derivatives of the log density and of the sites, and a look around."""

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float

from credo.inference.density import Program, Values, constrain
from credo.inference.point.edges import Outlook, look_around
from credo.inference.point.profile import falls
from credo.models.binding import BoundModel
from credo.models.problem import Problem


class LogDensity(Protocol):
    """What was maximised: a pytree whose numbers are arguments of the compiled program."""

    def log_density(self, program: Program, z: Values) -> Float[Array, ""]:
        """The log density of the unconstrained latents."""
        ...


class Derivatives(NamedTuple):
    """At a mode, with respect to the unconstrained latents in a row.

    - **height**, **gradient** [dim], **hessian** [dim, dim] - of the log density.
    - **values** - of the sites, in their own space.
    - **jacobian** - of the sites, by site [scalars, dim].
    - **outlook** - see `edges`.
    """

    height: Any
    gradient: Any
    hessian: Any
    values: Any
    jacobian: Any
    outlook: Outlook


def differentiate(method: LogDensity, problem: Problem, z: Values) -> tuple[Derivatives, bool]:
    """The derivatives, and whether forward mode gave them.

    Some functions have a derivative in reverse mode only (`jax.custom_vjp`, as `odeint` has); there the second
    derivatives are reverse over reverse.

    Raises:
        Exception: the density has no second derivatives.
    """
    sites = shown(problem)
    try:
        return _derivatives(method, sites, True, problem.bound, z), True
    except Exception:  # noqa: BLE001 - JAX has no type of its own for it
        return _derivatives(method, sites, False, problem.bound, z), False


def shown(problem: Problem) -> tuple[str, ...]:
    """The deterministic sites that have standard errors; with discrete latents they depend on what is summed out."""
    return () if any(s.discrete for s in problem.latents) else tuple(s.name for s in problem.named("deterministic"))


@partial(jax.jit, static_argnums=(0, 1))
def jacobian(deterministic: tuple[str, ...], forward: bool, program: BoundModel, z: Values) -> Values:
    """The derivatives of the sites with respect to the unconstrained latents in a row, by site [scalars, dim]."""
    flat, unravel = ravel_pytree(z)
    derive = jax.jacfwd if forward else jax.jacrev
    slopes = derive(lambda flat: _sites(deterministic, program, unravel(flat)))(flat)
    return jax.tree.map(lambda a: a.reshape(-1, flat.size), slopes)


@jax.jit
def fallen(
    method: LogDensity,
    program: BoundModel,
    z: Values,
    directions: Float[Array, "direction dim"],
    covariance: Float[Array, "dim dim"],
    bounded: Bool[Array, "dim"],
) -> Float[Array, "direction 2"]:
    """See `profile.falls`."""
    flat, unravel = ravel_pytree(z)
    return falls(lambda at: method.log_density(program, unravel(at)), flat, directions, covariance, bounded)


@partial(jax.jit, static_argnums=(1, 2))
def _derivatives(
    method: LogDensity, deterministic: tuple[str, ...], forward: bool, program: BoundModel, z: Values
) -> Derivatives:
    flat, unravel = ravel_pytree(z)

    def value(flat: Array) -> Array:
        return method.log_density(program, unravel(flat))

    def latents(flat: Array) -> Array:
        x = constrain(program, unravel(flat))
        return jnp.concatenate([jnp.ravel(x[name]) for name in z])

    height, gradient = jax.value_and_grad(value)(flat)
    return Derivatives(
        height=height,
        gradient=gradient,
        hessian=(jax.jacfwd if forward else jax.jacrev)(jax.jacrev(value))(flat),
        values=jax.tree.map(jnp.asarray, _sites(deterministic, program, z)),
        jacobian=jacobian(deterministic, forward, program, z),
        outlook=look_around(value, latents, flat),
    )


def _sites(deterministic: tuple[str, ...], program: BoundModel, z: Values) -> Values:
    latents = constrain(program, z)
    if not deterministic:
        return latents
    messages = program.at(latents)
    return {**latents, **{name: messages[name]["value"] for name in deterministic}}
