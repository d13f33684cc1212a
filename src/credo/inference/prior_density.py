"""The marginal prior densities of scalar latents: of each, the mean of its density over draws of those above it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.scipy.special import logsumexp
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro import handlers

from credo.inference.program import compiled
from credo.models.binding import BoundModel
from credo.models.messages import Message, Padded

BATCHES, IN_BATCH = 8, 128
"""Draws of the latents above. Where there are none, each draw gives the same exact density."""


@partial(compiled, static=(1,))
def log_prior_densities(
    program: BoundModel, site_names: tuple[str, ...], points: dict[str, Shaped[Array, "point ..."]], key: PRNGKeyArray
) -> dict[str, Float[Array, "batch point ..."]]:
    """The log density of each element of some sites at some points, by batch of prior draws.

    Args:
        program: the model with its data, whose priors are proper.
        site_names: whose elements are scalars (see `is_elementwise`).
        points: at which, for each element of each site.
        key: of the draws.
    """

    def batch(key: PRNGKeyArray) -> dict[str, Array]:
        logs = jax.vmap(partial(_one, program, site_names, points))(jax.random.split(key, IN_BATCH))
        return {name: logsumexp(values, axis=0) - jnp.log(IN_BATCH) for name, values in logs.items()}

    return jax.lax.map(batch, jax.random.split(key, BATCHES))


def is_elementwise(program: BoundModel, name: str) -> bool:
    """Whether the elements of a site are independent given those above it, so that each has a density of its own."""
    found: list[bool] = []

    def look(key: PRNGKeyArray) -> None:
        found.append(not _elements(_messages(program, key)[name]).event_shape)

    jax.eval_shape(look, jax.random.PRNGKey(0))
    return found[0]


def _one(
    program: BoundModel, site_names: tuple[str, ...], points: dict[str, Array], key: PRNGKeyArray
) -> dict[str, Array]:
    messages = _messages(program, key)
    return {name: _elements(messages[name]).log_prob(points[name]) for name in site_names}


def _messages(program: BoundModel, key: PRNGKeyArray) -> dict[str, Message]:
    with handlers.block():
        messages: dict[str, Message] = handlers.trace(handlers.seed(program, key)).get_trace()
    return messages


def _elements(message: Message) -> Any:
    """The distribution of a site's elements."""
    fn = message["fn"].without_padding() if isinstance(message["fn"], Padded) else message["fn"]
    while isinstance(fn, dist.Independent):
        fn = fn.base_dist
    return fn
