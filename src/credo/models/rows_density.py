"""How likely new rows are under a model of one target, all draws together."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import logsumexp
from jaxtyping import Float, Shaped

from credo.models.base import Model
from credo.models.messages import innermost
from credo.models.new_rows import Draws, batches, likelihood


def log_density(model: Model, draws: Draws, y: Shaped[np.ndarray, "row"]) -> Float[np.ndarray, "row part"]:
    """Log E[p(y, part)], the mean over draws, of each part of a mixture; of one part where the target is none.

    Summed over the parts, this is the posterior predictive density of y; as shares of that sum, the parts are the
    posterior probabilities of where the row comes from.

    Args:
        model: fitted, without inputs.
        draws: of its latents, by site.
        y: the rows' targets.
    """
    count, found = len(next(iter(draws.values()))), []
    for rows, size in batches(len(y), count):
        found.append(np.asarray(_batch(model, dict(draws), jnp.asarray(y[rows])))[:size])
    return np.concatenate(found)


@eqx.filter_jit
def _batch(model: Model, draws: dict[str, Any], y: Shaped[Array, "row"]) -> Float[Array, "row part"]:
    def one(latents: dict[str, Any]) -> Float[Array, "row part"]:
        of_rows = likelihood(model, latents, {model.observes[0]: y})
        inside = of_rows.support(y)
        if model.part:
            return jnp.where(inside[:, None], innermost(of_rows).component_log_probs(y), -jnp.inf)
        return jnp.where(inside, of_rows.log_prob(y), -jnp.inf)[:, None]

    return logsumexp(jax.vmap(one)(draws), axis=0) - jnp.log(len(next(iter(draws.values()))))
