"""Calibration around observed data: true values are draws of a run's posterior, and the data is fitted with theirs.

Säilynoja, Schmitt, Bürkner and Vehtari (2025), "Posterior SBC: Simulation-based calibration checking conditional on
data". Draws of p(theta | y) take the place of those of the prior, and p(theta | y, y'), the posterior of y and of the
data that were drawn at theta, that of p(theta | y'). Of the run only numbers are read, and nothing in its folder runs.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from credo.calibration.simulator import Values
from credo.errors import ConfigError
from credo.experiment import resume
from credo.inference.convergence import mixing, scalars_first
from credo.models.problem import Problem
from credo.runs import saved
from credo.runs.record import RunRecord
from credo.secrets import masked

ENOUGH = 10
"""So many effective draws the run has for each replication, lest its own Monte Carlo error raise alarms: then the mean
of the ranks' scores has 5 % more variance than it should, where the data weigh as much as those that are simulated.
"""

KEY = "calibrate.around"


def posterior(run: str, problem: Problem, record: RunRecord, replications: int) -> Values:
    """The draws of a run [draw, ...] by latent.

    Args:
        run: its folder, or its id with a tracker.
        problem: the model and its data.
        record: of the calibration.
        replications: how many true values are asked for.

    Raises:
        ConfigError: the run has another model or other data, failed, lacks a latent, or has too few effective
            draws.
    """
    place = resume.folder(run)
    if not saved.exists(place) or not (place / saved.DRAWS).exists():
        raise ConfigError(f"{KEY}={run}: expected a finished run with draws, but {place} is none; give a run's folder")
    if saved.verdict(place).status == "failed":
        raise ConfigError(
            f"{KEY}={run}: the verdict of that run failed, so that its draws need not be those of the posterior; mend "
            "that run first"
        )
    _require_same(run, place, record)
    draws = saved.draws(place)
    if absent := [site.name for site in problem.latents if f"posterior/{site.name}" not in draws]:
        raise ConfigError(
            f"{KEY}={run}: expected draws of every latent, but the run kept none of {absent[0]}; run it anew with all"
        )
    latents = {site.name: draws[f"posterior/{site.name}"] for site in problem.latents}
    _require_enough(run, latents, replications)
    return {name: values.reshape(-1, *values.shape[2:]) for name, values in latents.items()}


def _require_same(run: str, place: Path, record: RunRecord) -> None:
    """Refuse the run of another model, or of other data."""
    before, now = saved.provenance(place), record.provenance
    code = before.get("code")
    model: Any = saved.configuration(place).model
    pairs = {
        "model": (_plain(model), _plain(record.config["model"])),
        "data": (before["data_hash"], now["data_hash"]),
        "code": (code and code["hash"], now["code"]["hash"]),
    }
    if differs := [word for word, (theirs, ours) in pairs.items() if theirs != ours]:
        raise ConfigError(
            f"{KEY}={run}: expected a run of this model and data, but its {differs[0]} is another; type the words of "
            "that run besides"
        )


def _plain(config: Any) -> Any:
    from omegaconf import OmegaConf

    return masked(OmegaConf.to_container(OmegaConf.create(config), resolve=False, enum_to_str=True))


def _require_enough(run: str, latents: Mapping[str, np.ndarray], replications: int) -> None:
    """Refuse a run whose own error would show in the ranks."""
    effective = math.inf
    for values in latents.values():
        found = mixing(scalars_first(values).astype(float), ("ess_bulk",))["ess_bulk"]
        moving = found[~np.isnan(found)]
        effective = min([effective, values.shape[0] * values.shape[1], *moving])
    if effective < ENOUGH * replications:
        raise ConfigError(
            f"{KEY}={run}: expected a run with at least {ENOUGH * replications} effective draws, {ENOUGH} for each of "
            f"{replications} replications, but it has {effective:.0f}; give it more by credo extend {run} --draws N, "
            "or lower calibrate.replications"
        )
