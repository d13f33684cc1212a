"""How probable are other values of a discrete latent, given all else? Where they are not, a chain may keep to one.

With d_k = log p(data, z, x_j = k) - log p(data, z, x_j = now), other values have the probability
1 - 1 / sum_k exp(d_k); where the values have no end, k goes a few steps to both sides.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int, Shaped
from numpyro import handlers

from credo.inference.density import Values, discrete_latents, potential, structure
from credo.models.binding import BoundModel

MOST_VALUES = 1000
"""Of a latent with more values than these, the steps of one are looked at."""

STEPS = 10
"""Values to each side where there is no end of them."""


def of_others(
    program: BoundModel, draws: Values, still: dict[str, Bool[np.ndarray, "..."]]
) -> dict[str, Float[np.ndarray, "..."]]:
    """The mean probability of all other values, given all else.

    Args:
        program: the model with its data.
        draws: all latents [draw, ...], continuous ones unconstrained.
        still: by discrete latent, which of its scalars are asked for.

    Returns:
        By latent; NaN where it was not asked for.
    """
    probabilities = {}
    for name, asked in still.items():
        probability = np.full(asked.size, np.nan)
        chosen = np.flatnonzero(asked)
        probability[chosen] = np.asarray(_of_scalars(program, draws, name, chosen)).mean(axis=0)
        probabilities[name] = probability.reshape(asked.shape)
    return probabilities


@partial(jax.jit, static_argnums=2)
def _of_scalars(
    program: BoundModel, draws: Values, name: str, chosen: Int[Array, "scalar"]
) -> Float[Array, "draw scalar"]:
    """[draw, scalar]."""
    messages = structure(program, jax.random.PRNGKey(0))
    latents, fn = discrete_latents(messages), messages[name]["fn"]

    def of_draw(draw: Values) -> Float[Array, "scalar"]:
        discrete = {latent: draw[latent] for latent in latents}
        z = {latent: value for latent, value in draw.items() if latent not in discrete}

        def log_density(j: Int[Array, ""], value: Shaped[Array, ""]) -> Float[Array, ""]:
            now = discrete[name]
            other = now.ravel().at[j].set(value).reshape(now.shape)
            conditioned: Any = handlers.condition(program, data={**discrete, name: other})
            log_density_there = jnp.where(jnp.all(fn.support(other)), -potential(conditioned)(z), -jnp.inf)
            return jnp.where(jnp.isnan(log_density_there), -jnp.inf, log_density_there)

        def of_scalar(j: Int[Array, ""]) -> Float[Array, ""]:
            now = discrete[name].ravel()[j]
            values = _values(fn, now)
            densities = lax.map(partial(log_density, j), values)
            there = jnp.where(values == now, -jnp.inf, densities - log_density(j, now))
            return jax.nn.sigmoid(jax.nn.logsumexp(there))

        return lax.map(of_scalar, chosen)

    return lax.map(of_draw, draws)


def _values(fn: Any, now: Shaped[Array, ""]) -> Shaped[Array, "value"]:
    """All values of a latent, or those near the present one."""
    if fn.has_enumerate_support:
        values: Array = fn.enumerate_support(expand=False).ravel().astype(now.dtype)
        if values.size <= MOST_VALUES:
            return values
    return now + jnp.arange(-STEPS, STEPS + 1).astype(now.dtype)
