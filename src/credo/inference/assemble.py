"""Arrays by group and site as a tree in ArviZ's schema, with the data's dims and coords."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Shaped

from credo.inference import pointwise
from credo.inference.lazy import Joined
from credo.models.names import ASIDE, EFFECT, INDICATOR, LINK
from credo.models.plates import labels
from credo.models.problem import Problem
from credo.models.sites import Site

Groups = dict[str, dict[str, np.ndarray]]
"""Arrays [chains, draws, ...] by group and site."""

BY_BLOCK = ("posterior_count", "posterior_mean", "posterior_variance")
"""Groups whose arrays have a value per block of draws."""

CENSORED = "censored"
"""An attribute of observed values that may be bounds."""

OF_DATA = ("observed_data", "constant_data", "truth")
"""Groups of what was given: what the sites observed, all other data, and the truth of synthetic data."""


def assemble(
    problem: Problem, groups: Mapping[str, Mapping[str, np.ndarray | Joined]], missing: Mapping[str, str] | None = None
) -> xr.DataTree:
    """Arrays [chains, draws, ...] by group and site, as a tree with the data's dims and coords.

    Args:
        problem: the model and its data.
        groups: the arrays.
        missing: see `Evaluation.missing`; it becomes an attribute of the tree.
    """
    sites = {site.name: site for site in problem.sites}
    groups = dict(groups)
    by_row = groups.pop(pointwise.GROUP, {})
    tree = {
        group: _dataset(problem, sites, arrays, problem.data if group != "log_likelihood_test" else problem.test, group)
        for group, arrays in groups.items()
        if arrays and group not in problem.left_out
    }
    if not set(OF_DATA) <= set(problem.left_out):
        tree |= {group: dataset for group, dataset in _of_data(problem, sites).items() if dataset.data_vars}
    if by_row:
        tree[pointwise.GROUP] = _by_row(problem, sites, by_row)
    told_missing = {"missing": json.dumps(missing)} if missing else {}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=told_missing), **tree})


def _by_row(problem: Problem, sites: Mapping[str, Site], moments: Mapping[str, np.ndarray | Joined]) -> xr.Dataset:
    """The moments over all draws of each observation, from those of each block; NaN of one that does not count."""
    variables: dict[str, Any] = {}
    coords: dict[str, Any] = {"moment": list(pointwise.MOMENTS)}
    for name, array in moments.items():
        blocks = array.whole() if isinstance(array, Joined) else array
        dim, size = problem.dims(sites[name])[0], blocks.shape[-1]
        seen = problem.observations[name].seen_rows(1)
        values = pointwise.joined(list(blocks[0]))
        values = values if seen is None else np.where(seen, values, np.nan)
        called = problem.names.dim(dim)
        variables[problem.names.variable(name)] = (("moment", called), values, problem.names.attributes(name))
        coords[called] = labels(problem, problem.data, dim, size)
    return xr.Dataset(variables, coords)


def _of_data(problem: Problem, sites: Mapping[str, Site]) -> dict[str, xr.Dataset]:
    names = {str(name) for name, v in problem.data.data_vars.items() if v.attrs.get("role") != "truth"}
    observed, as_given = _observed(problem, sites)
    given = _as_given(problem, names - as_given)
    return dict(
        zip(OF_DATA, (observed, given, _as_given(problem, set(map(str, problem.data.data_vars)) - names)), strict=True)
    )


def _as_given(problem: Problem, names: set[str]) -> xr.Dataset:
    """Some variables of the data."""
    chosen = problem.data.drop_attrs(deep=False)[sorted(names)]
    called = {dim: problem.names.dim(str(dim)) for dim in chosen.dims}
    return chosen.rename({dim: name for dim, name in called.items() if dim != name})


def _observed(problem: Problem, sites: Mapping[str, Site]) -> tuple[xr.Dataset, set[str]]:
    """The observed sites' own values, NaN where one does not count; and which variables of the data are just these."""
    variables, coords, as_given = {}, {}, set()
    for name, observation in problem.observations.items():
        variable = problem.data.data_vars.get(name)
        values = observation.with_gaps
        if variable is not None and np.array_equal(variable.to_numpy(), values):
            as_given.add(name)
            values = variable.to_numpy()
        dims = tuple(map(problem.names.dim, problem.dims(sites[name])))
        attributes = {**problem.names.attributes(name), **({CENSORED: 1} if sites[name].censored else {})}
        attributes |= {LINK: sites[name].link} if sites[name].link else {}
        variables[problem.names.variable(name)] = (dims, values, attributes)
        for dim, own, size in zip(problem.dims(sites[name]), dims, values.shape, strict=True):
            coords[own] = labels(problem, problem.data, dim, size)
    return xr.Dataset({name: variables[name] for name in sorted(variables)}, coords), as_given


def _dataset(
    problem: Problem,
    sites: Mapping[str, Site],
    arrays: Mapping[str, np.ndarray | Joined],
    data: xr.Dataset | None,
    group: str,
) -> xr.Dataset:
    variables: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    first = ("chain",) if group == "start" else ("chain", "block" if group in BY_BLOCK else "draw")
    names = problem.names
    for name, values in arrays.items():
        own = problem.dims(sites[name]) if name in sites else ()
        mask = chosen(problem, group, name, values.ndim - len(first))
        where = dict(zip(own, sites[name].shape, strict=True)) if name in sites else {}
        if mask is not None:
            rest = own[mask.ndim :]
            own = (f"{name}_{own[0]}", *rest)
            axes = [labels(problem, data, dim, size) for dim, size in where.items()]
            coords[names.dim(own[0])] = _labels_of(mask, axes[: mask.ndim])
            if name in problem.kept_rows:
                coords[f"{names.dim(own[0])}{pointwise.PLACE}"] = names.dim(own[0]), problem.kept_rows[name]
        own = own[: values.ndim - len(first)]  # a log likelihood has none of the dims within an event
        dims = (*first, *map(names.dim, own))
        variable = name if group == "sample_stats" else names.variable(name)
        attributes = {} if group == "sample_stats" else {**names.attributes(name), **_marks(sites, group, name)}
        variables[variable] = (dims, values.lazy() if isinstance(values, Joined) else values, attributes)
        for dim, called, size in zip((*first, *own), dims, values.shape, strict=True):
            coords.setdefault(called, labels(problem, data, dim, size))
    return xr.Dataset(variables, coords)


def _marks(sites: Mapping[str, Site], group: str, name: str) -> dict[str, str | int]:
    """What a variable of the posterior says of the effects that it is, or is a parametrisation of, and of its rows."""
    if group != "posterior" or name not in sites:
        return {}
    site = sites[name]
    rows = {dim for other in sites.values() if other.kind == "observed" for dim in other.dims}
    marks: dict[str, str | int] = {EFFECT: site.effect} if site.effect else {}
    marks |= {ASIDE: site.aside} if site.aside else {}
    return marks | ({INDICATOR: 1} if site.kind == "latent" and site.discrete and rows & set(site.dims) else {})


def _labels_of(mask: Bool[np.ndarray, "..."], axes: list[Shaped[np.ndarray, "label"]]) -> Shaped[np.ndarray, "chosen"]:
    """The labels of the chosen elements of an array, several axes in one."""
    places = np.argwhere(mask)
    if len(axes) == 1:
        return axes[0][places[:, 0]]
    return np.array([", ".join(str(along[i]) for along, i in zip(axes, place, strict=True)) for place in places])


def chosen(problem: Problem, group: str, name: str, ndim: int) -> Bool[np.ndarray, "..."] | None:
    """Which elements of a site belong to a group, over the first of its dims; `None` for all.

    Of a log likelihood those that count, of a latent those that are unknowns; where some rows stand for all, these.
    """
    if group in pointwise.BY_ROW and name in problem.kept_rows:
        mask = np.zeros(problem.observations[name].value.shape[0], bool)
        mask[problem.kept_rows[name]] = True
        return mask
    if group.startswith("log_likelihood"):
        every = problem.observations_test if group == "log_likelihood_test" else problem.observations
        return every[name].seen_rows(ndim) if name in every else None
    return problem.unknown.get(name) if group in _UNKNOWNS else None


_UNKNOWNS = ("posterior", "posterior_mean", "posterior_variance")


def selected(problem: Problem, groups: Groups) -> Groups:
    """The sites that belong to each group, in the program's order."""
    shown = [s for s in problem.sites if s.kind in ("latent", "deterministic") and not s.internal]
    order = {group: [s.name for s in shown if s.group == group] for group in ("posterior", "network")}
    order["log_prior"] = [s.name for s in problem.latents if not s.local]
    every = groups | {"network": groups["posterior"]}
    return {
        group: {name: _part(problem, group, name, arrays[name]) for name in order.get(group, arrays) if name in arrays}
        for group, arrays in every.items()
    }


def _part(
    problem: Problem, group: str, name: str, values: Shaped[np.ndarray, "chains draws ..."]
) -> Shaped[np.ndarray, "chains draws ..."]:
    """The elements that belong to the group."""
    mask = None if name in problem.kept_rows else chosen(problem, group, name, values.ndim - 2)
    return values if mask is None else values[:, :, mask]  # of some rows, there are no others
