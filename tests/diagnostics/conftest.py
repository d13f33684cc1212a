"""Results built from plain arrays, and the checks as the configuration has them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from credo.config import sources
from credo.diagnostics.base import Diagnostic
from credo.inference.evidence.table import merged
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status

CONF = Path(__file__).parents[2] / "conf"

Arrays = Mapping[str, Any]
"""Arrays by name; an array may come with the names of its dims after chain and draw, as `(dims, array)`."""


def dataset(arrays: Arrays, leading: tuple[str, ...] = ("chain", "draw"), **coords: Any) -> xr.Dataset:
    variables = {}
    for name, given in arrays.items():
        dims, values = given if isinstance(given, tuple) else (None, np.asarray(given))
        own = dims or tuple(f"{name}_dim_{i}" for i in range(values.ndim - len(leading)))
        variables[name] = ((*leading, *own), values)
    found = {dim for dims, _ in variables.values() for dim in dims}
    return xr.Dataset(variables, coords={dim: values for dim, values in coords.items() if dim in found})


STATISTICS = {"nuts": ("diverging", "energy", "reached_max_treedepth"), "hmc": ("diverging", "energy")}
"""What samplers report, by their method."""


def draws_result(
    posterior: Arrays,
    *,
    sampled: tuple[str, ...] | None = None,
    method: str = "nuts",
    status: Status = Status.DONE,
    observed: Arrays | None = None,
    seen: tuple[str, ...] | None = ("y",),
    improper: tuple[str, ...] = (),
    start: Arrays | None = None,
    coords: Mapping[str, Any] | None = None,
    **groups: Arrays,
) -> Result:
    """A result of draws; further groups by keyword, e.g. `sample_stats={"diverging": ...}`.

    Each chain starts at its first draw, unless `start` says otherwise.
    """
    tree = {name: dataset(arrays, **(coords or {})) for name, arrays in {"posterior": posterior, **groups}.items()}
    if observed is not None:
        tree["observed_data"] = dataset(observed, leading=(), **(coords or {}))
    names = tuple(posterior) if sampled is None else sampled
    if start is None:
        start = {name: variable[:, 0].values for name, variable in tree["posterior"].items() if name in names}
    if start:
        tree["start"] = dataset(start, ("chain",), **(coords or {}))
    return Result(
        xr.DataTree.from_dict(tree),
        status,
        Cost({}),
        method,
        Kind.CHAINS,
        names,
        seen,
        improper,
        STATISTICS.get(method, ()),
    )


def point_result(
    estimate: Arrays,
    errors: Arrays,
    *,
    status: Status = Status.DONE,
    boundary: tuple[str, ...] = (),
    flat: tuple[str, ...] = (),
    latents: tuple[str, ...] = ("mu", "mu"),
    grows: tuple[bool, ...] = (True, True),
    method: str = "map",
    attrs: Mapping[str, Any] | None = None,
    **optimisation: Any,
) -> Result:
    """A point estimate; what the optimiser recorded by keyword, e.g. `objective=[-3.0, -3.0]`."""
    recorded = {
        "objective": [-3.0, -3.0, -3.0],
        "gradient_norm": [1e-6, 1e-6, 1e-6],
        "distance": [0.0, 1e-4, 1e-4],
        "hessian_eigenvalues": [0.5, 1.5],
        "fall": [[0.5, 0.5], [0.5, 0.5]],
    } | optimisation
    dims = {"hessian_eigenvalues": "eigenvalue", "fall": ("direction", "side")}
    variables = {
        name: (dims.get(name, "start"), np.asarray(values, float))
        for name, values in recorded.items()
        if values is not None
    }
    along = {"latent": ("direction", list(latents)), "grows": ("direction", list(grows))}
    names = {"boundary": json.dumps(boundary), "flat": json.dumps(flat)} | dict(attrs or {})
    tree = {
        "posterior": dataset({name: np.asarray(value, float)[None, None] for name, value in estimate.items()}),
        "standard_error": dataset({name: np.asarray(value, float) for name, value in errors.items()}, leading=()),
        "optimisation": xr.Dataset(variables, along, attrs=names),
    }
    return Result(xr.DataTree.from_dict(tree), status, Cost({}), method, Kind.POINT, tuple(estimate), ("y",))


def good_draws(seed: int = 0, chains: int = 4, draws: int = 1000) -> Result:
    """Independent draws of a model with all groups, about which there is nothing to complain."""
    rng = np.random.default_rng(seed)
    shape = (chains, draws)
    y = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    mu = rng.normal(0.0, 1 / np.sqrt(len(y)), shape)
    result = draws_result(
        {"mu": mu, "twice": 2 * mu},
        sampled=("mu",),
        sample_stats={
            "diverging": np.zeros(shape, bool),
            "energy": rng.normal(size=shape),
            "reached_max_treedepth": np.zeros(shape, bool),
        },
        log_likelihood={"y": -0.5 * (y - mu[..., None]) ** 2 - 0.5 * np.log(2 * np.pi)},
        log_prior={"mu": -0.5 * (mu / 10) ** 2},
        posterior_predictive={"y": (("obs",), mu[..., None] + rng.normal(size=(*shape, len(y))))},
        observed={"y": (("obs",), y)},
    )
    columns = {name: ("scalar", [value]) for name, value in {"value": 2.0, "error": 0.01}.items()}
    result.tree["gain"] = xr.DataTree(xr.Dataset(columns, {"scalar": ["mu"]}))
    return result


def good_successor() -> Result:
    """Draws of a model whose prior is an earlier posterior."""
    result = good_draws()
    result.tree["prior_from"] = xr.DataTree(xr.Dataset({"pareto_k": 0.1, "divergence": 0.001}))
    return result


def good_point() -> Result:
    return point_result({"mu": 1.0, "beta": [2.0, 3.0]}, {"mu": 0.1, "beta": [0.2, 0.3]})


def good_approximation(seed: int = 0, draws: int = 1000) -> Result:
    """Draws of an approximation that is right, about which there is nothing to complain."""
    point, mu = point_result({"mu": 0.0}, {}, method="laplace"), np.random.default_rng(seed).normal(size=(1, draws))
    attributes = {"pareto_k": 0.1, "most": 0.667, "effective": 0.9 * draws, "resampled": 1}
    attributes |= {"log_evidence_laplace": -3.0}
    merged(point.tree, {"laplace": (-3.0, 0.01)})
    point.tree["posterior"] = xr.DataTree(dataset({"mu": mu}))
    point.tree["importance"] = xr.DataTree(xr.Dataset(attrs=attributes))
    return replace(point, kind=Kind.INDEPENDENT)


def good_mixture() -> Result:
    """The same with an approximation per start."""
    result = replace(good_approximation(), method="pathfinder")
    del result.tree["optimisation"]
    columns = {"elbo": [-3.0, -3.1], "reached": [1.0, 1.0], "kept": [4.0, 5.0]}
    each = {name: ("start", values) for name, values in columns.items()}
    result.tree["approximations"] = xr.DataTree(xr.Dataset(each, attrs={"alone": 0.0}))
    moves = {name: (("moment", "scalar"), [[size], [size]]) for name, size in (("drift", 0.05), ("error", 0.06))}
    result.tree["drift"] = xr.DataTree(xr.Dataset(moves, {"moment": ["mean", "square"]}))
    return result


def good_particles(repeats: int = 4) -> Result:
    """Independent repeats of particles that agree, about which there is nothing to complain."""
    result = replace(good_draws(chains=repeats), kind=Kind.WEIGHTED, method="smc")
    steps = {"beta": [0.3, 1.0], "effective": [0.6, 0.7], "acceptance": [0.8, 0.8]}
    table = {name: (("repeat", "temperature"), [values] * repeats) for name, values in steps.items()}
    result.tree["temperatures"] = xr.DataTree(xr.Dataset(table))
    return with_founders(with_evidence(result, "smc", repeats))


def good_nested(repeats: int = 4) -> Result:
    """Live points at the highest likelihood, about which there is nothing to complain."""
    result = replace(good_draws(chains=repeats), kind=Kind.WEIGHTED, method="nested")
    volumes, batches = np.linspace(-0.7, -14.0, 20), np.arange(20)
    columns = {
        "log_volume": volumes,
        "log_likelihood": -np.exp(volumes / 2),
        "share": np.exp(-0.5 * ((batches - 6) / 2) ** 2) / 5,
        "remaining": np.linspace(1, 1e-3, 20),
        "at_most": np.linspace(1, 2e-3, 20),
        "moves": np.full(20, 5.0),
    }
    table = {name: (("repeat", "batch"), np.tile(values, (repeats, 1))) for name, values in columns.items()}
    table["insertion"] = (("repeat", "batch"), np.random.default_rng(0).normal(size=(repeats, 20)))
    result.tree["levels"] = xr.DataTree(xr.Dataset(table))
    return with_founders(with_evidence(result, "nested", repeats))


def with_founders(result: Result) -> Result:
    """With many draws of the prior from which each repeat descends."""
    repeats = result.tree["repeats"]["log_evidence"]
    result.tree["repeats"]["founders"] = xr.full_like(repeats, 200.0)
    return result


def good_tempering() -> Result:
    """Chains at the foot of a ladder of temperatures, about which there is nothing to complain."""
    result = replace(good_draws(), method="tempering")
    rungs = {"exchange": (("chain", "pair"), np.full((4, 3), 0.5)), "trips": ("chain", [100] * 4)}
    result.tree["rungs"] = xr.DataTree(xr.Dataset(rungs))
    return with_evidence(result, "tempering", 4)


def with_evidence(result: Result, way: str, repeats: int) -> Result:
    """With log p(data) by repeats, and no peak beside them."""
    values = ("repeat", np.full(repeats, -3.0))
    result.tree["repeats"] = xr.DataTree(xr.Dataset({"log_evidence": values}))
    result.tree["peak"] = xr.DataTree(xr.Dataset({"height": -1.0, "mass": -3.1, "near": 0.5}))
    return replace(result, tree=merged(result.tree, {way: (-3.0, 0.01)}))


def good_climb() -> Result:
    """The answer of the first rung."""
    result = good_approximation()
    climbed = {"rung": ["laplace"], "verdict": ["passed"], "reason": [""]}
    table = xr.Dataset({name: ("rung", values) for name, values in climbed.items()}, attrs={"answer": "laplace"})
    result.tree["climb"] = xr.DataTree(table)
    return result


def good_network(seed: int = 0, rows: int = 400) -> Result:
    """A trained network of two components, about which there is nothing to complain."""
    rng = np.random.default_rng(seed)
    pit, curve = rng.permutation((np.arange(rows) + 0.5) / rows), np.exp(-np.arange(100.0))
    tree = {
        "posterior": dataset({"log_density": rng.normal(size=(1, 2, 5))}),
        "predictive": xr.Dataset(
            {"pit": (("row", "target"), pit[:, None]), "weight": (("row", "component"), np.full((rows, 2), 0.5))},
            attrs={"rows": "test"},
        ),
        "training": xr.Dataset(
            {
                "validation": (("member", "epoch"), np.stack([curve, curve])),
                "best": ("member", [90, 95]),
                "continued": (("member", "rate", "further_epoch"), np.full((2, 1, 3), curve[-1])),
            }
        ),
        "observed_data": dataset({"y": (("obs",), rng.normal(size=rows))}, leading=()),
    }
    return Result(xr.DataTree.from_dict(tree), Status.DONE, Cost({}), "mle", Kind.TRAINED, ("log_density",))


def good_classifier(seed: int = 0, power: float = 1.0, rows: int = 1000) -> Result:
    """A trained network of three classes that come as often as it says; a power of its probabilities does not."""
    rng = np.random.default_rng(seed)
    right = rng.dirichlet(np.ones(3), rows)
    y = (rng.uniform(size=(rows, 1)) > right.cumsum(1)).sum(1).clip(0, 2)
    p = right**power / (right**power).sum(1, keepdims=True)
    result = good_network(seed)
    del result.tree["predictive"]
    variables = {"y": ("row", y), "probability": (("row", "class"), p), "nll": ("row", -np.log(p[np.arange(rows), y]))}
    result.tree["classes"] = xr.DataTree(xr.Dataset(variables, attrs={"rows": "test"}))
    return result


def good_energy() -> Result:
    """A trained energy whose log Z and samples are known, from the exchange algorithm's kind of draws."""
    rng = np.random.default_rng(0)
    result = good_network()
    x = rng.normal(size=(8, 200, 2))
    result.tree["samples"] = xr.DataTree(
        xr.Dataset(
            {"y": (("chain", "draw", "target"), x), "energy": (("chain", "draw"), (x**2).sum(-1))},
            attrs={"sampler": "MALA"},
        )
    )
    log_z = {name: ("member", [value]) for name, value in (("value", 1.0), ("low", 0.95), ("high", 1.05))}
    result.tree["normaliser"] = xr.DataTree(xr.Dataset(log_z, attrs={"how": "ais"}))
    result.tree["replicates"] = xr.DataTree(
        xr.Dataset(
            {"observed": (("row", "number"), x[0]), "replicated": (("state", "number"), x[1])},
            attrs={"paired": 0, "rows": "test", "sampler": "MALA", "adjusted": 1},
        )
    )
    drift = rng.normal(size=(4, 100))
    result.tree["sample_stats"] = xr.DataTree(dataset({"inner_drift": drift - drift.mean()}))
    return result


def good_critic() -> Result:
    """A critic whose mutual information is well below what it could find."""
    result = good_network()
    found = xr.Dataset({"value": ("member", [2.0, 2.1]), "bound": np.log(128.0)}, attrs={"rows": 400})
    result.tree["information"] = xr.DataTree(found)
    return result


def composed(*overrides: str, option: str = "standard") -> DictConfig:
    """The configuration of the diagnostics, as the command line would compose it."""
    sources.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(overrides=[f"+diagnostics={option}", *overrides]).diagnostics


def built(option: str) -> dict[str, Diagnostic]:
    """The checks of an option by name."""
    return {name: instantiate(node) for name, node in composed(option=option).checks.items()}


@pytest.fixture(scope="session")
def checks() -> dict[str, Diagnostic]:
    """The checks of `diagnostics=standard` by name."""
    return built("standard")
