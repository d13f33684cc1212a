"""`inference.groups=8`: chains in groups, each a job of a sweep on a worker of its own, and all of them one answer.

A group has its own part of the chains, learns its metric and step size from them alone, and draws by a key of its own,
so that the draws depend on the number of groups and not on who runs them. Its folder, `groups/NUMBER` in that of the
job, has its checkpoint while it runs and its draws at the end. The job then takes the draws of all groups for its own.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import xarray as xr
from omegaconf import DictConfig

from credo import writing
from credo.config.failure import explained
from credo.diagnostics.answer import Failures
from credo.errors import ConfigError, RunError
from credo.experiment import files, steps
from credo.experiment.earlier import Outcome
from credo.experiment.inferred import Inferred, Watch
from credo.experiment.prepare import Prepared
from credo.experiment.recording import running
from credo.inference import pointwise
from credo.inference.mcmc.mcmc import Mcmc
from credo.inference.result import Cost, Status
from credo.runs import files as run_files
from credo.runs import job as jobs
from credo.runs import netcdf, saved, signature
from credo.tracking.none import NoTracker

FOLDER = "groups"
"""In the folder of a job, those of its groups."""

_COST = "cost.json"
_OF_ONE = ("observed_data", "constant_data", "truth")
"""Groups of an answer that are the same of all chains."""


def number(config: DictConfig) -> int | None:
    """Which group of a job this is; `None` for a job itself."""
    return cast("int | None", config.inference.get("group"))


def divided(prepared: Prepared) -> Prepared:
    """The experiment with the chains of its group alone, where it is one, recorded in its folder alone; else as it is.

    Raises:
        ConfigError: there are no chains, or they cannot be divided so, or nobody does it.
    """
    config, method = prepared.request.config, prepared.parts.inference
    count, own = int(config.inference.get("groups") or 1), number(config)
    if count == 1 and own is None:
        return prepared
    if own is not None and not 0 <= own < count:
        raise ConfigError("inference.group: it is filled in for the jobs of inference.groups; leave it out")
    if not isinstance(method, Mcmc):
        raise ConfigError(
            f"inference.groups: inference={prepared.request.choices['inference']} has no chains to divide; leave it out"
        )
    if method.chains % count:
        raise ConfigError(f"inference.groups: {method.chains} chains cannot be divided into {count} equal groups")
    if prepared.request.sweep is None:
        raise ConfigError(
            "inference.groups: the jobs of a sweep run the groups; add -m, as in credo -m inference.groups="
            f"{count} hydra/launcher=joblib"
        )
    if own is None:
        return _merged(prepared, method, count)
    fewer = dataclasses.replace(method, chains=method.chains // count)
    return replace(prepared, parts=replace(prepared.parts, inference=fewer, tracker=NoTracker()))


def run(prepared: Prepared) -> Outcome:
    """Run the chains of a group, and leave their draws.

    Raises:
        RunError: the inference failed.
        Interrupted: the run was stopped.
    """
    folder, failures = prepared.request.folder, Failures()
    with running(prepared), explained(RunError, "the run ended early, since code that it called"):
        result = steps.infer(prepared)
        files.write_draws(folder, result)
        cost = {**dataclasses.asdict(result.cost), "status": result.status.name}
        writing.write(folder / _COST, json.dumps(cost, indent=2) + "\n")
        signature.complete(folder, own=prepared.request.is_own)
        steps.finish(prepared, failures)
    return Outcome("not checked", None, 0)


def _merged(prepared: Prepared, method: Mcmc, count: int) -> Prepared:
    """The experiment with the draws of all groups for its answer."""
    places = [prepared.request.folder / FOLDER / str(i) for i in range(count)]
    for place in places:
        _require_finished(place, count)
    trees = [_tree(place) for place in places]
    told: list[dict[str, Any]] = [json.loads(run_files.text(place / _COST)) for place in places]
    status = Status[next((one["status"] for one in told if one["status"] != "DONE"), "DONE")]
    cost = sum((_cost(one) for one in told[1:]), _cost(told[0]))
    result = method.result(prepared.problem, _joined(trees), status, cost)
    hashes = [netcdf.draws_hash(tree) for tree in trees]
    record = replace(prepared.record, provenance={**prepared.record.provenance, "groups": hashes})
    request = replace(prepared.request, inferred=Inferred(result, Watch(None), 1))
    return replace(prepared, record=record, request=request)


def _require_finished(place: Path, count: int) -> None:
    job = jobs.read(place)
    if job is None:
        raise ConfigError(
            f"inference.groups: expected the draws of {count} groups in {place.parent}, but there are none of "
            f"{place.name}; type inference.groups={count} on the command line of the sweep, which runs them"
        )
    if job.state != "FINISHED":
        raise RunError(f"group {place.name} of the chains has not finished ({job.reason or job.state.lower()})")
    if not signature.is_own(place):
        raise RunError(f"group {place.name} of the chains was not run by your credo; begin a new sweep")


def _tree(place: Path) -> xr.DataTree:
    with run_files.tree(place / saved.DRAWS, saved.AGAIN_WITHOUT) as tree:
        return tree.load()


def _joined(trees: Sequence[xr.DataTree]) -> xr.DataTree:
    """The chains of all groups one after another; draws that a rule cut off are as many of each as of the fewest."""
    parts: dict[str, xr.Dataset] = {"/": trees[0].to_dataset()}
    draws = min(tree["posterior"].sizes.get("draw", 0) for tree in trees)
    for name, first in trees[0].children.items():
        own = [tree[name].to_dataset() for tree in trees if name in tree.children]
        if name in _OF_ONE:
            parts[str(name)] = first.to_dataset()
        elif name == pointwise.GROUP and len(own) == len(trees):
            parts[str(name)] = pointwise.merged(own)
        elif len(own) == len(trees) and "chain" in first.sizes:
            cut = [one.isel(draw=slice(draws)) if "draw" in one.sizes else one for one in own]
            bare = [one.drop_vars("chain", errors="ignore") for one in cut]
            whole = xr.concat(bare, "chain", data_vars="minimal", coords="minimal", compat="override", join="override")
            parts[str(name)] = whole.assign_coords(chain=np.arange(whole.sizes["chain"]))
    return xr.DataTree.from_dict(parts)


def _cost(told: dict[str, Any]) -> Cost:
    return Cost(**{field.name: told[field.name] for field in dataclasses.fields(Cost)})
