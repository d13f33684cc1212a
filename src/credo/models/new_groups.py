"""Levels of a group that a regression has not seen: each gets effects of its own, drawn as those of the others."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.models.effects import Grouping

LEAST = 1000
"""So many effects of a new group are drawn at least: a point estimate has one draw of all else."""


def repeated(draws: Mapping[str, Shaped[np.ndarray, "draw ..."]]) -> dict[str, Any]:
    """The draws, each as often as `LEAST` asks for."""
    times = -(-LEAST // len(next(iter(draws.values()))))
    return {name: np.repeat(values, times, axis=0) for name, values in draws.items()} if times > 1 else dict(draws)


def with_new_groups(
    groups: tuple[Grouping, ...],
    draws: Mapping[str, Shaped[np.ndarray, "draw ..."]],
    arrays: Mapping[str, Shaped[np.ndarray, "row ..."]],
    key: PRNGKeyArray,
    *,
    centred: bool,
) -> tuple[tuple[Grouping, ...], dict[str, Any]]:
    """The groups and the draws with one more level of each factor that has a new one, whose effects are drawn.

    The draws are `repeated` where there are few.

    Args:
        groups: those of the model.
        draws: of its latents, by site.
        arrays: of the rows; the number of a level that is new is that of the old ones.
        key: for the effects.
        centred: whether the effects themselves are latents, rather than their standardised values.
    """
    is_new = [int(arrays[group.called("group")].max()) >= group.size for group in groups]
    found, grown = repeated(draws) if any(is_new) else dict[str, Any](draws), list[Grouping]()
    for i, group in enumerate(groups):
        if not is_new[i]:
            grown.append(group)
            continue
        grown.append(group._replace(size=group.size + 1))
        name = group.called("effect" if centred else "z")
        old, axis = np.asarray(found[name]), -1 if group.one else -2
        z = jax.random.normal(jax.random.fold_in(key, i), np.take(old, [0], axis).shape)
        new = _unstandardised(z, found, group) if centred else z
        found[name] = jnp.concatenate([old, new], axis=axis)
    return tuple(grown), found


def _unstandardised(z: Float[Array, "..."], draws: Mapping[str, Any], group: Grouping) -> Float[Array, "..."]:
    """Standardised effects of one level with the deviations and correlations of each draw."""
    sd = jnp.asarray(draws[group.called("sd")])
    if group.one:
        return z * sd[..., None]
    if group.called("cholesky") in draws:
        z = jnp.einsum("...ij,...lj->...li", draws[group.called("cholesky")], z)
    return z * sd[..., None, :]
