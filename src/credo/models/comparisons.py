"""Expected values of the target of rows, how they change with its predictors, and draws of it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.models.base import Model
from credo.models.new_rows import Arrays, Draws, batches, likelihood


def expected(model: Model, draws: Draws, arrays: Arrays, key: PRNGKeyArray) -> Float[np.ndarray, "draw value"]:
    """The mean over rows of the target's expected value or, of classes, of each one's probability.

    Args:
        model: fitted.
        draws: of its latents, by site.
        arrays: what the program takes of each row.
        key: for the effects of groups that are new.
    """
    return _mean(model, draws, arrays, {}, key)


def slope(
    model: Model, draws: Draws, arrays: Arrays, change: Arrays, key: PRNGKeyArray
) -> Float[np.ndarray, "draw value"]:
    """The mean over rows of the derivative of what `expected` has.

    Args:
        model: fitted.
        draws: of its latents, by site.
        arrays: what the program takes of each row.
        change: the derivatives of those arrays that change with a predictor.
        key: for the effects of groups that are new.
    """
    return _mean(model, draws, arrays, change, key)


def _mean(model: Model, draws: Draws, arrays: Arrays, change: Arrays, key: PRNGKeyArray) -> Float[np.ndarray, "..."]:
    model, draws = model.with_new_levels(draws, arrays, key)
    count, total = len(next(iter(draws.values()))), len(next(iter(arrays.values())))
    parts = []
    for rows, size in batches(total, count):
        part, tangent = ({k: jnp.asarray(v[rows]) for k, v in one.items()} for one in (arrays, change))
        counts = jnp.asarray(np.arange(len(rows)) < size, float)
        parts.append(np.asarray(_sum(model, dict(draws), part, tangent, counts)))
    return np.sum(parts, axis=0) / total


@eqx.filter_jit
def _sum(
    model: Model,
    draws: dict[str, Any],
    arrays: dict[str, Array],
    change: dict[str, Array],
    counts: Float[Array, "row"],
) -> Float[Array, "draw value"]:
    """The sum over rows that count, or its derivative in the direction of a change of the arrays."""

    def one(latents: dict[str, Any]) -> Float[Array, "value"]:
        def of(moved: dict[str, Array]) -> Float[Array, "value"]:
            return counts @ _of_rows(model, latents, arrays | moved)

        if not change:
            return of({})
        return jax.jvp(of, ({name: arrays[name] for name in change},), (change,))[1]

    return jax.vmap(one)(draws)


def _of_rows(model: Model, latents: dict[str, Any], arrays: dict[str, Array]) -> Float[Array, "row value"]:
    found = likelihood(model, latents, arrays)
    return jnp.exp(found.log_prob(found.enumerate_support())).T if model.levels else found.mean[:, None]


def sampled(
    model: Model, draws: Draws, arrays: Arrays, count: int, key: PRNGKeyArray
) -> Shaped[np.ndarray, "sample row"]:
    """Draws of the target; each sample has one draw of the latents for all rows.

    Args:
        model: fitted.
        draws: of its latents, by site; they are taken in turn, evenly spaced.
        arrays: what the program takes of each row.
        count: how many samples.
        key: for these, and the effects of groups that are new.
    """
    new_key, key = jax.random.split(key)
    model, draws = model.with_new_levels(draws, arrays, new_key)
    kept, total = len(next(iter(draws.values()))), len(next(iter(arrays.values())))
    chosen = np.arange(count) * kept // count if count <= kept else np.arange(count) % kept
    drawn = {name: np.asarray(values)[chosen] for name, values in draws.items()}
    parts = []
    for rows, size in batches(total, count):
        part = {name: jnp.asarray(values[rows]) for name, values in arrays.items()}
        found = _sampled(model, drawn, part, jax.random.split(jax.random.fold_in(key, int(rows[0])), count))
        parts.append(np.asarray(found)[:, :size])
    return np.concatenate(parts, axis=1)


@eqx.filter_jit
def _sampled(
    model: Model, draws: dict[str, Any], arrays: dict[str, Array], keys: Shaped[Array, "sample ..."]
) -> Shaped[Array, "sample row"]:
    def one(latents: dict[str, Any], key: PRNGKeyArray) -> Shaped[Array, "row"]:
        drawn: Array = likelihood(model, latents, arrays).sample(key)
        return drawn

    return jax.vmap(one)(draws, keys)
