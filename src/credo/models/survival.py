"""P(Y > t) of a regression's target, draw by draw: how much of a population is without the event at a time."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.models.families import FAMILIES
from credo.models.messages import innermost
from credo.models.new_rows import Arrays, Draws, batches, likelihood
from credo.models.regression import Regression

FAMILIES_WITH_IT = tuple(name for name, one in FAMILIES.items() if one.log_survival is not None)
"""The families whose P(Y > t) has a formula."""


def survival(
    model: Regression,
    draws: Draws,
    arrays: Arrays,
    times: Float[np.ndarray, "time"],
    probabilities: tuple[float, ...],
    key: PRNGKeyArray,
) -> Float[np.ndarray, "row time value"]:
    """The mean over the draws, and the quantiles at these probabilities, of P(Y > t) of each row at each time.

    Args:
        model: fitted, of one of `FAMILIES_WITH_IT`.
        draws: of its latents, by site.
        arrays: what the formula makes of the rows.
        times: in units of the target.
        probabilities: of the quantiles.
        key: for the effects of groups that are new.
    """
    model, draws = model.with_new_levels(draws, arrays, key)
    count, total = len(next(iter(draws.values()))), len(next(iter(arrays.values())))
    parts = []
    for rows, size in batches(total, count * len(times)):
        part = {name: jnp.asarray(values[rows]) for name, values in arrays.items()}
        found = _of_rows(model, dict(draws), part, jnp.asarray(times), jnp.asarray(probabilities))
        parts.append(np.asarray(found)[:size])
    return np.concatenate(parts)


@eqx.filter_jit
def _of_rows(
    model: Regression,
    draws: dict[str, Any],
    arrays: dict[str, Array],
    times: Float[Array, "time"],
    probabilities: Float[Array, "probability"],
) -> Float[Array, "row time value"]:
    log_survival = FAMILIES[model.family].log_survival
    assert log_survival is not None  # noqa: S101 - for the type checker

    def one(latents: dict[str, Any]) -> Float[Array, "time row"]:
        found = innermost(likelihood(model, latents, arrays))
        return jnp.exp(jax.vmap(lambda t: log_survival(found, t))(times))

    each = jax.vmap(one)(draws)
    return jnp.concatenate([each.mean(0)[None], jnp.quantile(each, probabilities, axis=0)]).T
