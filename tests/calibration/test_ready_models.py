"""Simulation-based calibration of the ready models and of priors of many coefficients, by the command line.

Every latent has an alarm of at most 1 %, all together (see `diagnostics.sbc`); priors are proper and moderate.
"""

import json
import shlex
from pathlib import Path

import pytest

from console import QUIET, credo

ROWS = "[-1.9,0.3,1.1,2.4,-0.8,0.9,1.7,-2.2,0.1,1.3,2.0,-1.1,0.6,1.5,-0.4,2.8,-1.5,0.2,1.9,0.8]"
STATES = "[0,1,2,1,0,0,2,2,1,0,1,1,2,0,1,2,2,0,0,1,0,2,1,1,0,2,0,1,2,1]"
REGRESSION = "data=synthetic data.features=4 data.rows=25 model=regression model.prior.intercept.scale=1"
FAMILY = f"{REGRESSION} data.features=2 model.prior.beta.scale=0.5 model.family"
LINES = {
    "mixture": f"data=inline data.values={ROWS} model=mixture model.autoscale=false model.prior.loc.scale=2 "
    "model.prior.weights.concentration=2",
    "markov_chain": f"data=inline data.values={STATES} model=markov_chain",
    "horseshoe": f"{REGRESSION} prior@model.prior.beta=horseshoe model.prior.beta.scale=0.5",
    "regularised_horseshoe": f"{REGRESSION} prior@model.prior.beta=regularised_horseshoe model.prior.beta.scale=0.5",
    "r2d2": f"{REGRESSION} prior@model.prior.beta=r2d2",
    "mixture_prior": f"data=inline data.values={ROWS} model=gaussian prior@model.prior.loc=mixture "
    "model.prior.loc.second.loc=3",
    "gaussian_process": "data=synthetic data.features=1 data.rows=15 model=gaussian_process model.standardise=false",
    "negative_binomial": f"{FAMILY}=negative_binomial prior@model.prior.concentration=gamma "
    "model.prior.concentration.concentration=4 model.prior.concentration.rate=2",
    "student_t": f"{FAMILY}=student_t model.prior.sigma.scale=1",
    "gamma": f"{FAMILY}=gamma prior@model.prior.shape=gamma model.prior.shape.concentration=4",
    "groups_of_the_scale": "data=csv data.path=wards.csv model=regression model.formula='y ~ 1 + (1 | ward)' "
    "model.formula_sigma='(1 | ward)' model.autoscale=false model.prior.intercept.scale=1 model.prior.sd.scale=0.5 "
    "model.prior.sigma_intercept.scale=0.5 model.prior.sigma_sd.scale=0.5",
    "truncated_prior": f"data=inline data.values={ROWS} model=gaussian model.sigma=null "
    "prior@model.prior.sigma=truncated_normal model.prior.sigma.low=0.5 model.prior.sigma.high=3",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_it_is_calibrated(name: str, tmp_path: Path) -> None:
    how = ("inference.chains=2", "inference.warmup=300", "inference.draws=250", "inference.target_accept=0.95")
    words = ("calibrate", *shlex.split(LINES[name]), *how, "calibrate.replications=500", "hydra.run.dir=done", *QUIET)
    (tmp_path / "wards.csv").write_text("y,ward\n" + "".join(f"{i % 7},{'abcdef'[i % 6]}\n" for i in range(30)))
    said = credo(*words, cwd=tmp_path)
    verdict = json.loads((tmp_path / "done" / "verdict.json").read_text())
    assert said.code == 0, said.err
    assert verdict["status"] == "calibrated", verdict
