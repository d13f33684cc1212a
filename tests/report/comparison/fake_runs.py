"""Folders as runs leave them, with draws from known posteriors of a normal mean."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from omegaconf import OmegaConf
from scipy.stats import norm

from credo.diagnostics import collect
from credo.diagnostics import verdict as verdicts
from credo.diagnostics.base import Check, Verdict
from credo.diagnostics.loo import leave_one_out
from credo.diagnostics.summary import summarise
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.runs import netcdf
from credo.runs.job import Job

Y = np.random.default_rng(1).normal(0.5, 1.0, 10)
NUTS = {"_target_": "credo.inference.mcmc.kernels.nuts.Nuts", "draws": 100}


def result(posterior: Mapping[str, np.ndarray], log_likelihood: np.ndarray, site: str = "y", **coords: Any) -> Result:
    """Draws [chain, draw, ...] of variables, the last dim of which is that of the observations if they have one."""
    dims = ("chain", "draw", *(coords or {"obs": None}))
    variables = {name: (dims[: values.ndim], values) for name, values in posterior.items()}
    still = np.zeros(log_likelihood.shape[:2], bool)
    tree = {
        "posterior": xr.Dataset(variables, {dim: at for dim, at in coords.items() if len(dims) == 3}),
        "log_likelihood": xr.Dataset({site: (dims, log_likelihood)}),
        "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), still)}),
    }
    cost = Cost({"sampling": 2.0}, 500, 500, 2)
    return Result(xr.DataTree.from_dict(tree), Status.DONE, cost, "nuts", Kind.CHAINS, tuple(posterior))


def draws(loc_scale: float = 10.0, seed: int = 0, sigma: float = 1.0, y: np.ndarray = Y, site: str = "y") -> Result:
    """The posterior of y_i ~ N(mu, sigma), mu ~ N(0, loc_scale), by independent draws."""
    variance = 1 / (1 / loc_scale**2 + len(y) / sigma**2)
    mu = np.random.default_rng(seed).normal(variance * y.sum() / sigma**2, np.sqrt(variance), (4, 100))
    return result({"mu": mu}, norm.logpdf(y, mu[..., None], sigma), site)


def drawn(whole: Result, rows: np.ndarray, site: str = "y") -> Result:
    """The same of which these observations stand for all."""
    each = whole.tree["log_likelihood"][site].values
    moments = np.stack([np.log(np.exp(each).mean((0, 1))), each.mean((0, 1)), each.var((0, 1)), 400 + 0 * each[0, 0]])
    tree = whole.tree.copy()
    some = xr.Dataset({site: (("chain", "draw", "y_obs"), each[..., rows])}, {"y_obs_place": ("y_obs", rows)})
    tree["log_likelihood"] = xr.DataTree(some.assign_coords(y_obs=rows))
    tree["pointwise"] = xr.DataTree(xr.Dataset({site: (("moment", "obs"), moments)}))
    return replace(whole, tree=tree)


def point() -> Result:
    """The mode of the same."""
    starts = xr.Dataset(
        {"objective": ("start", [-40.0]), "gradient_norm": ("start", [0.0]), "converged": ("start", [1])}
    )
    tree = {
        "posterior": xr.Dataset({"mu": (("chain", "draw"), [[Y.mean()]])}),
        "standard_error": xr.Dataset({"mu": 0.2}),
        "optimisation": starts.assign_attrs(best=0),
    }
    return Result(
        xr.DataTree.from_dict(tree), Status.DONE, Cost({"optimisation": 0.5}, 20, 20), "map", "point", ("mu",)
    )


def config(scale: float = 10.0, seed: int = 0, sigma: float = 1.0, **more: Any) -> dict[str, Any]:
    """A composed configuration."""
    prior = {"loc": {"_target_": "numpyro.distributions.Normal", "loc": 0.0, "scale": scale}}
    model = {"_target_": "credo.models.gaussian.Gaussian", "sigma": sigma, "prior": prior}
    return {"name": None, "seed": seed, "data": {"path": "y.csv"}, "model": model, "inference": NUTS, **more}


def begun(folder: Path, settings: Mapping[str, Any], job: Job | None = None, **choices: str) -> Path:
    """A run that has left nothing but its configuration, and perhaps how it ended."""
    place = folder / ".hydra"
    place.mkdir(parents=True)
    words = {"inference": "nuts", "prior@model.prior.loc": "gaussian/loc", "model": "gaussian", "data": "csv"} | choices
    OmegaConf.save(OmegaConf.create(dict(settings)), place / "config.yaml")
    OmegaConf.save(OmegaConf.create({"hydra": {"runtime": {"choices": words}}}), place / "hydra.yaml")
    if job is not None:
        job.write(folder)
    return folder


def finished(
    folder: Path,
    settings: Mapping[str, Any],
    result: Result,
    data_hash: str = "same",
    failed: tuple[str, ...] = (),
    numbers: Mapping[str, float] | None = None,
    observed: Mapping[str, np.ndarray] | None = None,
    measure: str | None = None,
    **choices: str,
) -> Path:
    """A run with all its files; where it is not said what its sites observed, it is of an earlier version."""
    if observed is not None:
        result.tree["observed_data"] = xr.DataTree(xr.Dataset({site: ("obs", y) for site, y in observed.items()}))
    begun(folder, settings, **choices)
    summary = summarise(result)
    checks = (
        *[Check(name, "failed", 1.2, 1.01, "It did.") for name in failed],
        Check("prior_sensitivity", "note", 0.125, 0.05, "It moves."),
    )
    verdict = Verdict("failed" if failed else "passed", checks)
    netcdf.write(result.tree, folder / "posterior.nc")
    summary.to_csv(folder / "summary.csv", index=False)
    if result.kind is Kind.CHAINS and not (left_out := leave_one_out(result)).empty:
        left_out.to_csv(folder / "loo.csv")
    (folder / "verdict.json").write_text(json.dumps(verdicts.to_json(verdict)))
    (folder / "metrics.json").write_text(json.dumps({**collect.collect(result, summary), **(numbers or {})}))
    provenance = {"seed": settings["seed"], "data_hash": data_hash}
    seen = netcdf.observations(result.tree) if observed is not None else {"y": {"hash": "same"}} if measure else None
    record = {} if seen is None else {"observed": {site: one | {"measure": measure} for site, one in seen.items()}}
    (folder / "provenance.json").write_text(json.dumps(provenance | record))
    return folder
