"""Expected values of a regression's target, and how they change with its predictors, draw by draw."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.models.binding import BoundModel
from credo.models.regression import Regression
from credo.models.rows_predicted import batches, with_new_groups

Draws = Mapping[str, Shaped[np.ndarray, "draw ..."]]
Arrays = Mapping[str, Shaped[np.ndarray, "row ..."]]


def expected(model: Regression, draws: Draws, arrays: Arrays, key: PRNGKeyArray) -> Float[np.ndarray, "draw value"]:
    """The mean over rows of the target's expected value or, of classes, of each one's probability.

    Args:
        model: fitted.
        draws: of its latents, by site.
        arrays: what the formula makes of the rows.
        key: for the effects of groups that are new.
    """
    return _mean(model, draws, arrays, {}, key)


def slope(
    model: Regression, draws: Draws, arrays: Arrays, change: Arrays, key: PRNGKeyArray
) -> Float[np.ndarray, "draw value"]:
    """The mean over rows of the derivative of what `expected` has.

    Args:
        model: fitted.
        draws: of its latents, by site.
        arrays: what the formula makes of the rows.
        change: the derivatives of those arrays that change with a predictor.
        key: for the effects of groups that are new.
    """
    return _mean(model, draws, arrays, change, key)


def _mean(
    model: Regression, draws: Draws, arrays: Arrays, change: Arrays, key: PRNGKeyArray
) -> Float[np.ndarray, "..."]:
    model, draws = with_new_groups(model, draws, arrays, key)
    count, total = len(next(iter(draws.values()))), len(next(iter(arrays.values())))
    parts = []
    for rows, size in batches(total, count):
        part, tangent = ({k: jnp.asarray(v[rows]) for k, v in one.items()} for one in (arrays, change))
        counts = jnp.asarray(np.arange(len(rows)) < size, float)
        parts.append(np.asarray(_sum(model, dict(draws), part, tangent, counts)))
    return np.sum(parts, axis=0) / total


@eqx.filter_jit
def _sum(
    model: Regression,
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


def _of_rows(model: Regression, latents: dict[str, Any], arrays: dict[str, Array]) -> Float[Array, "row value"]:
    likelihood = BoundModel(model, {**arrays, "y": placeholder(model, arrays)}, ()).at(latents)["y"]["fn"]
    if model.known is not None and model.known.classes:
        return jnp.exp(likelihood.log_prob(likelihood.enumerate_support())).T
    return likelihood.mean[:, None]


def placeholder(model: Regression, arrays: Mapping[str, Array]) -> Shaped[Array, "row"]:
    """A target for rows that have none."""
    is_class = model.rows is not None and model.rows.classes != "none"
    return jnp.ones(len(next(iter(arrays.values()))), int if is_class else float)


def sampled(
    model: Regression, draws: Draws, arrays: Arrays, count: int, key: PRNGKeyArray
) -> Shaped[np.ndarray, "sample row"]:
    """Draws of the target; each sample has one draw of the latents for all rows.

    Args:
        model: fitted.
        draws: of its latents, by site; they are taken in turn, evenly spaced.
        arrays: what the formula makes of the rows.
        count: how many samples.
        key: for these, and the effects of groups that are new.
    """
    new_key, key = jax.random.split(key)
    model, draws = with_new_groups(model, draws, arrays, new_key)
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
    model: Regression, draws: dict[str, Any], arrays: dict[str, Array], keys: Shaped[Array, "sample ..."]
) -> Shaped[Array, "sample row"]:
    def one(latents: dict[str, Any], key: PRNGKeyArray) -> Shaped[Array, "row"]:
        bound = BoundModel(model, {**arrays, "y": placeholder(model, arrays)}, ())
        drawn: Array = bound.at(latents)["y"]["fn"].sample(key)
        return drawn

    return jax.vmap(one)(draws, keys)
