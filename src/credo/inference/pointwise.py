"""What is kept of very many observations: their log likelihood by draw for some, and moments over the draws for all.

The moments of two sets of draws make those of both: Chan, Golub and LeVeque (1983), "Algorithms for computing the
sample variance", The American Statistician 37(3).
"""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jax.scipy.special import logsumexp
from jaxtyping import Bool, Float, Int

GROUP = "pointwise"
"""The group of a result that has moments of the log likelihood of each observation."""

TOTAL = "total_log_likelihood"
"""The group of a result that has the log likelihood of all observations of a site by draw."""

MOMENTS = ("log_mean", "mean", "variance", "draws")
"""Over the draws: the log of the mean likelihood, the mean of the log likelihood, its variance, and how many."""

PLACE = "_place"
"""Behind the name of a dim: the coordinate that says which observations of the site were drawn."""

BY_ROW = ("log_likelihood", "posterior_predictive")
"""The groups that have some rows."""

Groups = dict[str, dict[str, Array]]


def of_some(groups: Groups, kept: Mapping[str, Int[Array, "row"]], valid: Bool[Array, "draw"]) -> Groups:
    """What was derived from draws, of the rows that are kept; and moments of all.

    Args:
        groups: arrays [draw, ...] by group and site.
        kept: rows by site.
        valid: which draws count; the others only fill the batch.

    Returns:
        The groups with `GROUP`, arrays [moment, row], and `TOTAL`, [draw].
    """
    found = {group: dict(sites) for group, sites in groups.items()}
    every = found.get("log_likelihood", {})
    found[GROUP] = {name: _moments(every[name], valid) for name in kept if name in every}
    found[TOTAL] = {name: every[name].sum(axis=1) for name in kept if name in every}
    for group in BY_ROW:
        for name in kept:
            if name in found.get(group, {}):
                found[group][name] = found[group][name][:, kept[name]]
    return found


def _moments(each: Float[Array, "draw row"], valid: Bool[Array, "draw"]) -> Float[Array, "moment row"]:
    count = valid.sum()
    weight = (valid / count)[:, None]
    mean = (weight * each).sum(axis=0)
    variance = (weight * (each - mean) ** 2).sum(axis=0)
    log_mean = logsumexp(each, axis=0, b=weight)
    return jnp.stack([log_mean, mean, variance, jnp.full_like(mean, count)])


def joined(parts: Sequence[Float[np.ndarray, "moment row"]]) -> Float[np.ndarray, "moment row"]:
    """The moments of all draws from those of some each."""
    whole, *rest = (np.array(part, float) for part in parts)
    for part in rest:
        before, more = whole[3], part[3]
        share = more / (before + more)
        apart = part[1] - whole[1]
        log_mean = np.logaddexp(whole[0] + np.log1p(-share), part[0] + np.log(share))
        variance = (1 - share) * whole[2] + share * part[2] + share * (1 - share) * apart**2
        whole = np.stack([log_mean, whole[1] + share * apart, variance, before + more])
    return whole


def merged(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """The moments of all draws from the groups of several chains."""
    whole = {name: joined([one[name].to_numpy() for one in parts]) for name in parts[0]}
    return parts[0].assign({name: parts[0][name].copy(data=values) for name, values in whole.items()})


def places(variable: xr.DataArray) -> Int[np.ndarray, "row"] | None:
    """Which observations of a site a variable has; `None` where it has all."""
    names = [f"{dim}{PLACE}" for dim in variable.dims]
    return next((variable.coords[name].values for name in names if name in variable.coords), None)


def of_same_rows(observed: xr.DataArray, derived: xr.DataArray) -> xr.DataArray:
    """The observations that belong to what was derived of them."""
    rows = places(derived)
    if rows is None:
        return observed
    own = next(dim for dim in derived.dims if dim not in ("chain", "draw"))
    return observed.isel({observed.dims[0]: rows}).rename({observed.dims[0]: own})


def total(tree: xr.DataTree) -> Float[np.ndarray, "chain draw"] | None:
    """The log likelihood of all observations by draw; `None` where it is not known."""
    if "log_likelihood" not in tree.children:
        return None
    whole = tree[TOTAL].to_dataset() if TOTAL in tree.children else xr.Dataset()
    each = tree["log_likelihood"].to_dataset()
    parts = [whole.get(str(name), variable) for name, variable in each.data_vars.items()]
    flat = [part.transpose("chain", "draw", ...).to_numpy().astype(float) for part in parts]
    sums = [values.reshape(*values.shape[:2], -1).sum(axis=2) for values in flat]
    return np.sum(sums, axis=0) if sums else None
