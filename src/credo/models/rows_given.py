"""The log density of each row given all others, where rows depend on each other: what leaving one out needs."""

from functools import partial
from typing import Any

import jax
import numpy as np
import xarray as xr
from jax import Array
from jaxtyping import Float

from credo.models.base import Found
from credo.models.binding import BoundModel

GROUP = "given_others"
"""Of a result: as `log_likelihood`, but each row given all others rather than those before it."""

_AT_ONCE = 2**24
"""Numbers of the rows' covariances that there are at once."""


def add_given_others[R: Found](problem: Any, result: R) -> R:
    """The result with the densities of the training rows by draw, of a model whose y has them."""
    if "posterior" not in result.tree.children or "log_likelihood" not in result.tree.children:
        return result
    posterior = result.tree["posterior"].to_dataset()
    names = {site.name: problem.names.variable(site.name) for site in problem.latents}
    if any(name not in posterior for name in names.values()):
        return result
    draws = {site: posterior[name].to_numpy() for site, name in names.items()}
    chains = next(iter(draws.values())).shape[:2]
    flat = {site: values.reshape(-1, *values.shape[2:]) for site, values in draws.items()}
    size = max(1, _AT_ONCE // len(problem.data["y"]) ** 2)
    found = np.asarray(_densities(problem.bound, flat, min(size, 64)))
    likelihood = result.tree["log_likelihood"].to_dataset()["y"]
    values = xr.DataArray(found.reshape(*chains, -1), coords=likelihood.coords, dims=likelihood.dims)
    result.tree[GROUP] = xr.DataTree(xr.Dataset({"y": values}))
    return result


@partial(jax.jit, static_argnames="size")
def _densities(program: BoundModel, draws: dict[str, Array], size: int) -> Float[Array, "draw row"]:
    def one(draw: dict[str, Array]) -> Float[Array, "row"]:
        message = program.at(draw)["y"]
        return message["fn"].given_others(message["value"])

    return jax.lax.map(one, draws, batch_size=size)
