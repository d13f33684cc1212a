"""The mutual information of x and y that a critic finds in rows it has not seen (van den Oord et al. 2018)."""

from math import log
from typing import Any

import equinox as eqx
import jax
import numpy as np
import xarray as xr
from jax import Array
from numpyro import handlers

from credo.inference.result import Result
from credo.inference.training.infonce import Infonce
from credo.models.problem import BoundModel, Problem


def add_information(problem: Problem, result: Result) -> Result:
    """The result of `training=infonce` with the group `information`; any other as it is.

    Its variables are in nats, of each member of an ensemble: `value` [member], the mean bound over groups of K held-out
    rows (K = `training.batch_size`, the rows in a random order that is always the same); `error` [member], its standard
    error over the groups, NaN for one group; `bound` [], ln K, which no value can exceed; `group` [member, batch], each
    group's bound; `truth` [], of synthetic data. `value` and `error` are NaN, and there are no groups, where fewer than
    K rows are held out. The attribute `rows` is how many are.
    """
    training, test = problem.training, problem.bound_test
    if not isinstance(training, Infonce) or "network" not in result.tree.children:
        return result
    thetas, rows = _draws(problem, result), 0 if test is None else len(test.arrays["y"])
    found = np.empty((len(thetas), 0))
    if test is not None and rows >= training.batch_size:
        shuffled = test.of_rows(np.random.default_rng(0).permutation(rows), problem.by_row)
        found = np.array([_bounds(training, shuffled, theta) for theta in thetas], float)
    count, unknown = found.shape[1], np.full(len(found), np.nan)
    error = found.std(1, ddof=1) / np.sqrt(count) if count > 1 else unknown
    variables: dict[str, Any] = {
        "value": ("member", found.mean(1) if count else unknown),
        "error": ("member", error),
        "bound": log(training.batch_size),
        "group": (("member", "batch"), found),
    }
    if "mutual_information" in problem.data.attrs:
        variables["truth"] = float(problem.data.attrs["mutual_information"])
    result.tree["information"] = xr.DataTree(xr.Dataset(variables, attrs={"rows": rows}))
    return result


def _draws(problem: Problem, result: Result) -> list[dict[str, np.ndarray]]:
    """The latents of each member by site, in their own space."""
    network = result.tree["network"].to_dataset()
    names = [site.name for site in problem.latents]
    flat = {name: network[name].to_numpy().reshape(-1, *network[name].shape[2:]) for name in names}
    return [{name: values[m] for name, values in flat.items()} for m in range(len(flat[names[0]]))]


@eqx.filter_jit
def _bounds(training: Infonce, program: BoundModel, theta: dict[str, Any]) -> Array:
    seeded = handlers.seed(program, jax.random.PRNGKey(0))
    message = handlers.trace(handlers.substitute(seeded, data=theta)).get_trace()["y"]
    return training.bounds(message["fn"], message["fn"].states(message["value"]))
