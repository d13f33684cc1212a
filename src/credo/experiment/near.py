"""What a finished job of the same sweep gives another one: its draws, reweighted, or where its chains are.

`sweep.reuse=importance` and `sweep.warm_start=true`. Only jobs are asked that the user's own credo ran by the same
data, code and versions, whose verdict has not failed, whose draws are chains of their own, and whose configurations
differ in numbers of priors alone (and, for a warm start, in the seed).
"""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
import xarray as xr
from omegaconf import OmegaConf

from credo.config.messages import refuse
from credo.diagnostics import verdict as verdicts
from credo.diagnostics.summary import summarise
from credo.errors import CredoError
from credo.experiment import parts
from credo.experiment.inferred import Inferred, Watch
from credo.experiment.prepare import Prepared
from credo.inference import reweight
from credo.inference.assemble import assemble
from credo.inference.evaluate import Evaluation
from credo.inference.grouping import APART, Grouping
from credo.inference.mcmc.mcmc import Mcmc
from credo.inference.mcmc.near import Near
from credo.inference.result import Cost, Result, Status
from credo.inference.unconstrained import by_site, latent_draws
from credo.inference.variational import importance
from credo.models.problem import Problem
from credo.report.terminal import run as terminal
from credo.runs import files, provenance, saved, signature
from credo.runs import job as jobs
from credo.runs.record import Fresh
from credo.secrets import masked

PRIOR = "model.prior."
MOST_TRIED = 2
"""Neighbours whose draws are reweighted until one is good enough."""

GATE = ("finite", "stuck", "r_hat", "ess_bulk", "ess_tail", "mcse", "pareto_k")
"""The checks, where the configuration has them, that reweighted draws must pass to be the answer."""

MOST_REMEMBERED, MOST_BYTES = 16, 2**24
"""Answers of this process that are kept in memory, and how large one may be."""

GROUPS = ("posterior", "sample_stats", "start")


@dataclass(frozen=True)
class Neighbour:
    """A finished job.

    Attributes:
        folder: of its run.
        problem: what it was asked.
        groups: `GROUPS` of its answer.
        draws: of its latents by site [chain, draw, ...], unconstrained.
        draws_hash: of its answer.
    """

    folder: Path
    problem: Problem
    groups: Mapping[str, xr.Dataset]
    draws: dict[str, np.ndarray]
    draws_hash: str

    @property
    def step_size(self) -> float:
        """With which its chains ended; 0 where that is not known."""
        stats = self.groups["sample_stats"]
        return float(stats["step_size"][:, -1].mean()) if "step_size" in stats else 0.0


def helped(prepared: Prepared) -> Prepared:
    """The experiment with the answer, or the beginning, that a finished job of its sweep gives it, where one can."""
    request, sweep = prepared.request, prepared.request.sweep
    if sweep is None or not (sweep.reuse or sweep.warm_start):
        return prepared
    if not isinstance(request.start, Fresh) or request.inferred is not None:
        return prepared
    if (why := _unsuited(prepared)) is not None:
        terminal.say_once(f"sweep.{'reuse' if sweep.reuse else 'warm_start'}: {why}, so that it is inferred by itself")
        return prepared
    if sweep.reuse and prepared.parts.evidence is None:
        for neighbour in _first(_neighbours(prepared, seeds=False), MOST_TRIED):
            if (answered := _answered(prepared, neighbour)) is not None:
                return answered
    if sweep.warm_start and cast("Mcmc", prepared.parts.inference).longest:
        for neighbour in _first(_neighbours(prepared, seeds=True), 1):
            return _warm_started(prepared, neighbour)
    return prepared


def _first(found: Iterator[Neighbour], most: int) -> Iterator[Neighbour]:
    yield from (neighbour for neighbour, _ in zip(found, range(most), strict=False))


def _unsuited(prepared: Prepared) -> str | None:
    """Why no other job can help this one."""
    method, problem = prepared.parts.inference, prepared.problem
    if not isinstance(method, Mcmc) or method.grouping(problem) != APART:
        return f"inference={prepared.request.choices['inference']} has no chains of their own"
    if problem.training is not None:
        return "networks are trained"
    if problem.earlier is not None:
        return "its prior is the posterior of an earlier run"
    if any(site.discrete or site.imputed for site in problem.latents):
        return "it has discrete or imputed latents"
    return None


def _neighbours(prepared: Prepared, *, seeds: bool) -> Iterator[Neighbour]:
    """The jobs that can help, the nearest first.

    Args:
        prepared: the experiment.
        seeds: whether they may have other seeds.
    """
    own, sweep = prepared.request, prepared.request.sweep
    typed = _typed(masked(own.overrides))
    distances: dict[Path, float] = {}
    for folder in jobs.folders(Path(sweep.folder)) if sweep is not None else ():
        job = jobs.read(folder) if folder != own.folder else None
        if job is not None and job.state == "FINISHED":
            distances[folder] = _distance(typed, _typed(job.overrides), seeds=seeds)
    for folder in sorted(distances, key=lambda one: distances[one]):
        if math.isfinite(distances[folder]) and (found := _suitable(prepared, folder, seeds=seeds)) is not None:
            yield found


def _typed(overrides: tuple[str, ...]) -> dict[str, str]:
    return {jobs.key_of(word): word.partition("=")[2] for word in overrides}


def _distance(ours: Mapping[str, str], theirs: Mapping[str, str], *, seeds: bool) -> float:
    """How far numbers of priors are apart, in logs where they can be; infinite where something else differs."""
    total = 0.0
    for key in {*ours, *theirs}:
        if ours.get(key) == theirs.get(key) or (seeds and key == "seed"):
            continue
        if not key.startswith(PRIOR) or key not in ours or key not in theirs:
            return math.inf
        try:
            a, b = float(ours[key]), float(theirs[key])
        except ValueError:
            return math.inf
        total += abs(math.log(a / b)) if a > 0 and b > 0 else abs(a - b)
    return total


def _suitable(prepared: Prepared, folder: Path, *, seeds: bool) -> Neighbour | None:
    """The job of a folder, if all is the same but what may differ."""
    if not (folder / saved.DRAWS).exists() or not signature.is_own(folder):
        return None
    try:
        before = saved.provenance(folder)
        now = prepared.record.provenance
        same = ("data_hash", "code", "versions", "device")
        if "reweighted" in before or any(_stable(before.get(key)) != _stable(_plain(now[key])) for key in same):
            return None
        if saved.verdict(folder).status == "failed":
            return None
        found, config = _read(folder, (folder / saved.DRAWS).stat().st_mtime_ns)
    except CredoError:
        return None
    ours = provenance.identity(prepared.record.config)
    allowed = (PRIOR, "seed") if seeds else (PRIOR,)
    differing = list(_differing(ours, provenance.identity(config), ""))
    is_near = all(
        key.startswith(allowed) and all(isinstance(one, int | float) for one in values) for key, *values in differing
    )
    return found if is_near and found is not None else None


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return json.loads(json.dumps(masked(value), default=str))


def _stable(value: Any) -> Any:
    """Without what is measured anew by every run."""
    return {k: v for k, v in value.items() if k != "gradient_seconds"} if isinstance(value, dict) else value


def _differing(ours: Any, theirs: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in {*ours, *theirs}:
            yield from _differing(ours.get(key), theirs.get(key), f"{name}.{key}" if name else str(key))
    elif ours != theirs:
        yield name, ours, theirs


def remember(prepared: Prepared, result: Result) -> None:
    """Spare later jobs of this process to read the answer of this one, which is in its folder."""
    sweep, folder = prepared.request.sweep, prepared.request.folder
    if sweep is None or not (sweep.reuse or sweep.warm_start):
        return
    groups = {name: result.tree[name].to_dataset() for name in GROUPS if name in result.tree.children}
    if sum(one.nbytes for one in groups.values()) > MOST_BYTES:
        return
    groups = {name: one.load() for name, one in groups.items()}  # what is in the checkpoint goes with it
    changed = (folder / saved.DRAWS).stat().st_mtime_ns
    _ENDED[folder] = changed, prepared.problem, groups, _compared(prepared.record.config)
    if len(_ENDED) > MOST_REMEMBERED:
        _ENDED.pop(next(iter(_ENDED)))


_ENDED: dict[Path, tuple[int, Problem, dict[str, xr.Dataset], dict[str, Any]]] = {}
"""Jobs that ended in this process, by their folders: when their draws were written, and what `_read` says of them."""


@lru_cache(maxsize=8)
def _read(folder: Path, changed: int) -> tuple[Neighbour | None, dict[str, Any]]:
    """A job, and its configuration, from its folder; `None` where it lacks draws of a latent."""
    if folder in _ENDED and _ENDED[folder][0] == changed:
        return _neighbour(folder, *_ENDED[folder][1:])
    config = saved.configuration(folder)
    refuse(config)
    problem, _ = parts.build(config).problem(config.seed)
    saved.require_draws(folder)
    with files.tree(folder / saved.DRAWS, saved.AGAIN, *GROUPS) as tree:
        groups = {name: tree[name].to_dataset().load() for name in GROUPS if name in tree.children}
    plain = cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True, enum_to_str=True))
    return _neighbour(folder, problem, groups, _compared(plain))


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as jobs compare theirs."""
    return masked({key: value for key, value in config.items() if key != "hydra"})


def _neighbour(
    folder: Path, problem: Problem, groups: dict[str, xr.Dataset], config: dict[str, Any]
) -> tuple[Neighbour | None, dict[str, Any]]:
    """What `_read` returns."""
    if Grouping.of(groups["posterior"].attrs) != APART or set(GROUPS) - set(groups):
        return None, config
    own = latent_draws(problem, groups["posterior"], "a neighbour")
    draws = {name: np.asarray(values) for name, values in by_site(problem.bound, own).items()}
    if not all(np.isfinite(values).all() for values in draws.values()):
        return None, config
    draws_hash = saved.provenance(folder).get("draws_hash", "")
    return Neighbour(folder, problem, groups, draws, draws_hash), config


def _answered(prepared: Prepared, neighbour: Neighbour) -> Prepared | None:
    """The experiment with the neighbour's draws as its answer; `None` where they are not good enough."""
    request = prepared.request
    began = time.perf_counter()
    found = reweight.reweighted(neighbour.problem.bound, prepared.problem.bound, neighbour.draws)
    if not found.weights.pareto_k < min(reweight.MOST, importance.most(found.log_p.size)):
        return None
    result = _result(prepared, neighbour, found, time.perf_counter() - began)
    checks = {name: check for name, check in prepared.parts.diagnostics.items() if name in GATE}
    if verdicts.judge(checks, result, summarise(result)).status != "passed":
        return None
    attributes = result.tree[reweight.GROUP].attrs
    about = {
        "folder": str(neighbour.folder),
        "draws_hash": neighbour.draws_hash,
        "pareto_k": attributes["pareto_k"],
        "effective": attributes["effective"],
    }
    before = prepared.record.provenance
    other = hashlib.sha256(f"{before['fingerprint']} reweighted {neighbour.draws_hash}".encode()).hexdigest()
    record = replace(prepared.record, provenance={**before, "reweighted": about, "fingerprint": other})
    inferred = Inferred(result, Watch(None), 1)
    return replace(prepared, record=record, request=replace(request, inferred=inferred))


def _result(prepared: Prepared, neighbour: Neighbour, found: reweight.Reweighted, seconds: float) -> Result:
    """The neighbour's draws, reweighted in so many seconds, with all that is derived from them."""
    problem, method = prepared.problem, cast("Mcmc", prepared.parts.inference)
    began = time.perf_counter()
    chains, count = found.log_p.shape
    key = jax.random.split(jax.random.PRNGKey(prepared.request.config.seed))[1]
    evaluation = Evaluation(problem, key, most=chains * min(count, method.block))
    groups: dict[str, Mapping[str, Any]] = {**evaluation(found.draws)}
    stats = {str(name): values.to_numpy() for name, values in neighbour.groups["sample_stats"].data_vars.items()}
    if "lp" in stats:
        stats["lp"] = found.log_p.astype(stats["lp"].dtype)
    tree = assemble(problem, {**groups, "sample_stats": stats}, evaluation.missing)
    tree["start"] = xr.DataTree(neighbour.groups["start"])
    tree[reweight.GROUP] = xr.DataTree(_weights(found.weights, neighbour.folder.name))
    took = {"reweighting": seconds, "evaluation": time.perf_counter() - began}
    return method.result(problem, tree, Status.DONE, Cost(took, density_evaluations=found.evaluations))


def _weights(weights: importance.Weights, source: str) -> xr.Dataset:
    """What is recorded of the weights."""
    attributes = {
        "pareto_k": weights.pareto_k,
        "most": min(reweight.MOST, importance.most(len(weights.log_weight))),
        "effective": importance.effective(np.exp(weights.log_weight)),
        "source": f"job {source}",
    }
    return xr.Dataset({"log_weight": ("proposal", weights.log_weight)}, attrs=attributes)


def _warm_started(prepared: Prepared, neighbour: Neighbour) -> Prepared:
    """The experiment whose chains begin where the neighbour's are."""
    method = cast("Mcmc", prepared.parts.inference).suited(prepared.problem)
    method = method.beside(Near(neighbour.draws, neighbour.step_size))
    about = {
        "folder": str(neighbour.folder),
        "draws_hash": neighbour.draws_hash,
        "warmup": method.longest - method.skipped,
    }
    before = prepared.record.provenance
    other = hashlib.sha256(f"{before['fingerprint']} warm_start {neighbour.draws_hash}".encode()).hexdigest()
    record = replace(prepared.record, provenance={**before, "warm_start": about, "fingerprint": other})
    checkpointer = prepared.checkpointer
    checkpointer = replace(checkpointer, identity={**checkpointer.identity, "warm_start": about})
    return replace(prepared, record=record, checkpointer=checkpointer, parts=replace(prepared.parts, inference=method))
