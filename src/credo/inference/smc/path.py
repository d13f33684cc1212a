"""The path from the prior to the posterior: p(z) p(data | z)^beta for beta from 0 to 1, in flat unconstrained space."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, PRNGKeyArray
from numpyro import handlers
from numpyro.distributions import biject_to

from credo import memory
from credo.errors import ConfigError
from credo.inference.density import Program, Values, prior_and_likelihood
from credo.models.messages import Message, Padded, mask_of
from credo.models.problem import Problem
from credo.models.sites import traced


class Densities(NamedTuple):
    """Both parts of the log joint density at a point.

    - **log_prior** - with the Jacobian.
    - **log_likelihood** - with the program's factors; minus infinity where either part is not a number.
    """

    log_prior: Float[Array, "..."]
    log_likelihood: Float[Array, "..."]

    def at(self, beta: Float[Array, ""]) -> Float[Array, "..."]:
        """The log density of the path, where beta > 0."""
        return self.log_prior + beta * self.log_likelihood


def draw(program: Program, key: PRNGKeyArray) -> Values:
    """A draw of the prior, unconstrained."""
    prior_key, padding_key = jax.random.split(key)
    messages = handlers.trace(handlers.seed(program, prior_key)).get_trace()
    free = {n: m for n, m in messages.items() if m["type"] == "sample" and not m["is_observed"]}
    return {name: _unconstrained(message, padding_key) for name, message in free.items()}


def flat(program: Program, key: PRNGKeyArray) -> Float[Array, "dim"]:
    """The same as one vector."""
    return ravel_pytree(draw(program, key))[0]


def by_site(program: Program, z: Float[Array, "dim"]) -> Values:
    """The vector's parts by site."""
    shapes = jax.eval_shape(lambda: draw(program, jax.random.PRNGKey(0)))
    values: Values = ravel_pytree(jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes))[1](z)
    return values


def densities(program: Program, z: Float[Array, "dim"]) -> Densities:
    """Both parts of the log joint density."""
    log_prior, log_likelihood = prior_and_likelihood(program, by_site(program, z))
    known = ~jnp.isnan(log_likelihood) & jnp.isfinite(log_prior)
    return Densities(jnp.where(known, log_prior, 0.0), jnp.where(known, log_likelihood, -jnp.inf))


def _unconstrained(message: Message, padding_key: PRNGKeyArray) -> Float[Array, "..."]:
    """The value of a latent; entries that are padding are standard normal."""
    fn = message["fn"]
    z = biject_to(fn.support).inv(message["value"])
    if not isinstance(fn, Padded):
        return z
    mask = jnp.broadcast_to(fn.mask, fn.batch_shape)
    mask = mask.reshape(*mask.shape, *([1] * (z.ndim - mask.ndim)))
    return jnp.where(mask, z, jax.random.normal(padding_key, z.shape, z.dtype))


def require_room(problem: Problem, particles: int, repeats: int) -> None:
    """Raise `ConfigError` where so many particles of each repeat do not fit into memory."""
    scalars = sum(int(np.prod(site.shape)) for site in problem.sites)
    memory.require(f"inference.particles={particles}", 4 * particles * (repeats + scalars))


def require_path(problem: Problem, method: str) -> None:
    """Raise `ConfigError` unless the prior can be drawn from and the likelihood is known."""
    who = f"inference={method}"
    problem.check()
    if problem.training is not None:
        raise ConfigError(
            f"{who} goes from the prior to the posterior, and a network that is trained has none; use inference=map"
        )
    problem.require_priors(method)
    if discrete := [site.name for site in problem.latents if site.discrete and 0 not in site.shape]:
        raise ConfigError(
            f"{who} moves continuous latents only, but {', '.join(discrete)} is discrete; use inference=mh"
        )
    problem.require_normalised(who)
    if problem.improper:
        names = ", ".join(problem.improper)
        raise ConfigError(
            f"{who} begins at draws of the prior, but that of {names} is improper; give it a proper one, or use "
            "inference=nuts"
        )
    if partial := _partial(problem):
        raise ConfigError(
            f"{who} begins at draws of the prior, but that of {', '.join(partial)} is masked or scaled, so that its "
            "density is not that of its draws; use inference=nuts"
        )


def _partial(problem: Problem) -> list[str]:
    """The latents whose density is not that of their draws."""
    names: list[str] = []

    def look(messages: dict[str, Message]) -> None:
        for name, message in messages.items():
            if message["type"] == "sample" and not message["is_observed"] and _is_partial(message):
                names.append(name)

    traced(problem.bound, look)
    return names


def _is_partial(message: dict[str, Any]) -> bool:
    return message["scale"] is not None or (
        not isinstance(message["fn"], Padded) and mask_of(message["fn"]) is not None
    )
