"""What a regression with a formula says of new rows, all draws together."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from credo.models.binding import BoundModel
from credo.models.effects import Grouping
from credo.models.predict import PROBABILITIES
from credo.models.regression import Regression

_BATCH = 2**22
"""About how many numbers a batch of rows may take."""

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


def predicted(
    model: Regression,
    draws: Mapping[str, Shaped[np.ndarray, "draw ..."]],
    arrays: Mapping[str, Shaped[np.ndarray, "row ..."]],
    key: PRNGKeyArray,
) -> Predicted:
    """Predict rows.

    Args:
        model: fitted.
        draws: of its latents, by site.
        arrays: what the formula makes of the rows; the number of a group that is new is that of the old ones.
        key: for the predictive draws, and the effects of groups that are new.
    """
    count = len(next(iter(draws.values())))
    total = len(next(iter(arrays.values())))
    new_key, key = jax.random.split(key)
    model, draws = with_new_groups(model, draws, arrays, new_key)
    each = max(1, -(-_SAMPLES // count))
    parts = []
    for rows, size in batches(total, count * each):
        part = {name: jnp.asarray(values[rows]) for name, values in arrays.items()}
        found = _batch(model, dict(draws), part, jax.random.fold_in(key, int(rows[0])), each)
        parts.append(jax.tree.map(lambda a, n=size: np.asarray(a)[:n], found))
    mean, sd, quantiles, classes = zip(*parts, strict=True)
    joined = None if classes[0] is None else np.concatenate(classes)
    return Predicted(np.concatenate(mean), np.concatenate(sd), np.concatenate(quantiles), joined)


def batches(total: int, numbers: int) -> Iterator[tuple[Int[np.ndarray, "row"], int]]:
    """The places of rows, as many at a time as fit, and how many of them count; the last batch is filled up.

    Args:
        total: how many rows there are.
        numbers: how many numbers one row takes.
    """
    size = max(1, min(total, _BATCH // numbers))
    for first in range(0, total, size):
        yield np.minimum(np.arange(first, first + size), total - 1), min(size, total - first)


def with_new_groups(
    model: Regression,
    draws: Mapping[str, Shaped[np.ndarray, "draw ..."]],
    arrays: Mapping[str, Shaped[np.ndarray, "row ..."]],
    key: PRNGKeyArray,
) -> tuple[Regression, dict[str, Any]]:
    """The model and its draws with one more level of each factor that has a new one, whose effects are drawn."""
    known, found = model.known, dict[str, Any](draws)
    assert known is not None  # noqa: S101 - for the type checker
    groups = []
    for i, group in enumerate(known.groups):
        if int(arrays[f"group[{group.name}]"].max()) < group.size:
            groups.append(group)
            continue
        groups.append(group._replace(size=group.size + 1))
        name = f"effect[{group.name}]" if model.centred else f"z[{group.name}]"
        old, axis = np.asarray(found[name]), -1 if group.one else -2
        z = jax.random.normal(jax.random.fold_in(key, i), np.take(old, [0], axis).shape)
        new = _unstandardised(z, found, group) if model.centred else z
        found[name] = jnp.concatenate([old, new], axis=axis)
    return dataclasses.replace(model, known=dataclasses.replace(known, groups=tuple(groups))), found


def _unstandardised(z: Float[Array, "..."], draws: Mapping[str, Any], group: Grouping) -> Float[Array, "..."]:
    """Standardised effects of one level with the deviations and correlations of each draw."""
    sd = jnp.asarray(draws[f"sd[{group.name}]"])
    if group.one:
        return z * sd[..., None]
    if f"cholesky[{group.name}]" in draws:
        z = jnp.einsum("...ij,...lj->...li", draws[f"cholesky[{group.name}]"], z)
    return z * sd[..., None, :]


@eqx.filter_jit
def _batch(
    model: Regression, draws: dict[str, Any], arrays: dict[str, Array], key: PRNGKeyArray, each: int
) -> tuple[Any, ...]:
    """Mean, standard deviation, quantiles and class probabilities of some rows."""
    count = len(next(iter(draws.values())))

    def one(latents: dict[str, Any], key: PRNGKeyArray) -> tuple[Any, ...]:
        rows = len(next(iter(arrays.values())))
        y = jnp.ones(rows, int if model.rows is not None and model.rows.classes != "none" else float)
        likelihood = BoundModel(model, {**arrays, "y": y}, ()).at(latents)["y"]["fn"]
        drawn = likelihood.sample(key, (each,))
        if model.known is not None and model.known.classes:
            return drawn, likelihood.enumerate_support(), jnp.exp(likelihood.log_prob(likelihood.enumerate_support()))
        return drawn, likelihood.mean, likelihood.variance

    drawn, first, second = jax.vmap(one)(draws, jax.random.split(key, count))
    flat = drawn.reshape(count * each, -1)
    quantiles = jnp.quantile(flat.astype(float), jnp.array(PROBABILITIES), axis=0).T
    if model.known is not None and model.known.classes:
        classes = second.mean(0).T
        numbers = jnp.arange(classes.shape[1])
        mean = classes @ numbers
        return mean, jnp.sqrt(classes @ numbers**2 - mean**2), quantiles, classes
    mean = first.mean(0)
    sd = jnp.sqrt(second.mean(0) + jnp.mean((first - mean) ** 2, 0))
    return mean, sd, quantiles, None
