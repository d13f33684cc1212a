"""Expected values of the target of rows, how they change with its predictors, and draws of it."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from credo.models.base import Model
from credo.models.new_rows import Arrays, Draws, batches, likelihood


class Subgroups(NamedTuple):
    """Rows by subgroup, over each of which a mean is taken.

    - **codes** - the number of each row's subgroup.
    - **size** - how many there are.
    """

    codes: Int[np.ndarray, "row"]
    size: int


def expected(
    model: Model, draws: Draws, arrays: Arrays, subgroups: Subgroups, key: PRNGKeyArray
) -> Float[np.ndarray, "draw subgroup value"]:
    """The mean over each subgroup's rows of the target's expected value or, of classes, of each one's probability.

    Args:
        model: fitted.
        draws: of its latents, by site.
        arrays: what the program takes of each row.
        subgroups: of the rows.
        key: for the effects of groups that are new.
    """
    return _mean(model, draws, arrays, {}, subgroups, key)


def slope(
    model: Model, draws: Draws, arrays: Arrays, change: Arrays, subgroups: Subgroups, key: PRNGKeyArray
) -> Float[np.ndarray, "draw subgroup value"]:
    """The mean over each subgroup's rows of the derivative of what `expected` has.

    Args:
        model: fitted.
        draws: of its latents, by site.
        arrays: what the program takes of each row.
        change: the derivatives of those arrays that change with a predictor.
        subgroups: of the rows.
        key: for the effects of groups that are new.
    """
    return _mean(model, draws, arrays, change, subgroups, key)


def _mean(
    model: Model, draws: Draws, arrays: Arrays, change: Arrays, subgroups: Subgroups, key: PRNGKeyArray
) -> Float[np.ndarray, "draw subgroup value"]:
    model, draws = model.with_new_levels(draws, arrays, key)
    count, total = len(next(iter(draws.values()))), len(next(iter(arrays.values())))
    parts = []
    for rows, size in batches(total, count):
        part, tangent = ({k: jnp.asarray(v[rows]) for k, v in one.items()} for one in (arrays, change))
        counts = np.zeros((subgroups.size, len(rows)))
        counts[subgroups.codes[rows[:size]], np.arange(size)] = 1.0
        parts.append(np.asarray(_sum(model, dict(draws), part, tangent, jnp.asarray(counts))))
    sizes = np.bincount(subgroups.codes, minlength=subgroups.size)
    return np.asarray(np.sum(parts, axis=0) / sizes[:, None])


@eqx.filter_jit
def _sum(
    model: Model,
    draws: dict[str, Any],
    arrays: dict[str, Array],
    change: dict[str, Array],
    counts: Float[Array, "subgroup row"],
) -> Float[Array, "draw subgroup value"]:
    """The sum over each subgroup's rows, or its derivative in the direction of a change of the arrays."""

    def one(latents: dict[str, Any]) -> Float[Array, "subgroup value"]:
        def of(moved: dict[str, Array]) -> Float[Array, "subgroup value"]:
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
