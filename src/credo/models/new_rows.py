"""The distribution of the target of rows that a model has not seen, at one draw of its latents."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Int, Shaped

from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.binding import BoundModel

Draws = Mapping[str, Shaped[np.ndarray, "draw ..."]]
Arrays = Mapping[str, Shaped[np.ndarray, "row ..."]]

_BATCH = 2**22
"""About how many numbers a batch of rows may take."""


def likelihood(model: Model, latents: Mapping[str, Any], arrays: Mapping[str, Shaped[Array, "row ..."]]) -> Any:
    """The distribution of the target [row].

    Args:
        model: fitted.
        latents: one draw of all latents of its program, by site.
        arrays: what the program takes of each row, with or without the target.

    Raises:
        ConfigError: a latent is not among these, so that it would be drawn from its prior.
    """
    variable, site = model.observes
    sites = BoundModel(model, {variable: placeholder(model, arrays), **arrays}, ()).at(latents)
    for name, message in sites.items():
        if message["type"] == "sample" and not message["is_observed"] and name not in latents:
            raise ConfigError(
                f"the model of the run has no draws of {name!r}, which its predictions need; it was written by an "
                "earlier version of credo, so run it again"
            )
    return sites[site]["fn"]


def placeholder(model: Model, arrays: Mapping[str, Shaped[Array, "row ..."]]) -> Shaped[Array, "row"]:
    """A target for rows that have none."""
    is_class = bool(model.levels) or (model.rows is not None and model.rows.classes != "none")
    return jnp.ones(len(next(iter(arrays.values()))), int if is_class else float)


def batches(total: int, numbers: int) -> Iterator[tuple[Int[np.ndarray, "row"], int]]:
    """The places of rows, as many at a time as fit, and how many of them count; the last batch is filled up.

    Args:
        total: how many rows there are.
        numbers: how many numbers one row takes.
    """
    size = max(1, min(total, _BATCH // numbers))
    for first in range(0, total, size):
        yield np.minimum(np.arange(first, first + size), total - 1), min(size, total - first)
