"""What a model says of new rows whose target is not known, all draws together."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.models.base import Model
from credo.models.new_rows import Arrays, Draws, batches, likelihood
from credo.models.predict import PROBABILITIES

_SAMPLES = 4000
"""Predictive draws of each row, from which its quantiles are taken."""


class Predicted(NamedTuple):
    """What is said of rows.

    - **mean** - of the target.
    - **sd** - its standard deviation, that of the parameters included.
    - **quantiles** - at `predict.PROBABILITIES`.
    - **classes** - the probability of each class; `None` where there are none.
    """

    mean: Float[np.ndarray, "row"]
    sd: Float[np.ndarray, "row"]
    quantiles: Float[np.ndarray, "row probability"]
    classes: Float[np.ndarray, "row class"] | None


def predicted(model: Model, draws: Draws, arrays: Arrays, key: PRNGKeyArray) -> Predicted:
    """Predict rows.

    Args:
        model: fitted.
        draws: of its latents, by site.
        arrays: what the program takes of each row; the number of a group that is new is that of the old ones.
        key: for the predictive draws, and the effects of groups that are new.
    """
    total = len(next(iter(arrays.values())))
    new_key, key = jax.random.split(key)
    model, draws = model.with_new_levels(draws, arrays, new_key)
    count = len(next(iter(draws.values())))
    each = max(1, -(-_SAMPLES // count))
    parts = []
    for rows, size in batches(total, count * each):
        part = {name: jnp.asarray(values[rows]) for name, values in arrays.items()}
        found = _batch(model, dict(draws), part, jax.random.fold_in(key, int(rows[0])), each)
        parts.append(jax.tree.map(lambda a, n=size: np.asarray(a)[:n], found))
    mean, sd, quantiles, classes = zip(*parts, strict=True)
    joined = None if classes[0] is None else np.concatenate(classes)
    return Predicted(np.concatenate(mean), np.concatenate(sd), np.concatenate(quantiles), joined)


@eqx.filter_jit
def _batch(
    model: Model, draws: dict[str, Any], arrays: dict[str, Array], key: PRNGKeyArray, each: int
) -> tuple[Any, ...]:
    """Mean, standard deviation, quantiles and class probabilities of some rows."""
    count = len(next(iter(draws.values())))

    def one(latents: dict[str, Any], key: PRNGKeyArray) -> tuple[Any, ...]:
        of_rows = likelihood(model, latents, arrays)
        drawn = of_rows.sample(key, (each,))
        if model.levels:
            return drawn, of_rows.enumerate_support(), jnp.exp(of_rows.log_prob(of_rows.enumerate_support()))
        return drawn, of_rows.mean, of_rows.variance

    drawn, first, second = jax.vmap(one)(draws, jax.random.split(key, count))
    flat = drawn.reshape(count * each, -1)
    quantiles = jnp.quantile(flat.astype(float), jnp.array(PROBABILITIES), axis=0).T
    if model.levels:
        classes = second.mean(0).T
        numbers = jnp.arange(classes.shape[1])
        mean = classes @ numbers
        return mean, jnp.sqrt(classes @ numbers**2 - mean**2), quantiles, classes
    mean = first.mean(0)
    sd = jnp.sqrt(second.mean(0) + jnp.mean((first - mean) ** 2, 0))
    return mean, sd, quantiles, None
