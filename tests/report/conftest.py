"""Small results made of numpy draws, and the runs that they might have come from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_results import DRAWS, make

from credo.diagnostics.base import Check, Verdict
from credo.diagnostics.summary import summarise
from credo.inference.kind import Kind
from credo.inference.result import Result, Status
from credo.report.view import Evidence
from credo.runs.record import RunRecord

SCHOOLS = [
    "Choate",
    "Deerfield",
    "Phillips Andover",
    "Phillips Exeter",
    "Hotchkiss",
    "Lawrenceville",
    "St. Paul's",
    "Mt. Hermon",
]


@pytest.fixture(scope="session")
def schools() -> Result:
    """Draws as of the eight schools: 1 + 1 + 8 scalars, 4 chains of 200 draws, three of them divergent."""
    random = np.random.default_rng(1)
    mu, tau = random.normal(4, 3, (4, 200)), random.gamma(2, 2, (4, 200))
    theta = mu[..., None] + tau[..., None] * random.normal(size=(4, 200, 8))
    diverging = np.zeros((4, 200), bool)
    diverging[1, [3, 50, 120]] = True
    coords = {"school": SCHOOLS}
    return make(
        {
            "posterior": xr.Dataset(
                {"mu": (DRAWS, mu), "tau": (DRAWS, tau), "theta": ((*DRAWS, "school"), theta)}, coords
            ),
            "sample_stats": xr.Dataset(
                {"energy": (DRAWS, random.gamma(5, 1, (4, 200))), "diverging": (DRAWS, diverging)}
            ),
            "posterior_predictive": xr.Dataset(
                {"y": ((*DRAWS, "school"), theta + random.normal(0, 10, theta.shape))}, coords
            ),
            "observed_data": xr.Dataset({"y": ("school", [28.0, 8, -3, 7, -1, 1, 18, 12])}, coords),
        }
    )


@pytest.fixture(scope="session")
def binary() -> Result:
    """Draws of a logistic regression whose coefficients are known; no sampler statistics."""
    random = np.random.default_rng(2)
    beta = random.normal(1, 0.2, (2, 100, 3))
    probability = 1 / (1 + np.exp(-beta @ random.normal(size=(3, 90))))
    return make(
        {
            "posterior": xr.Dataset({"beta": ((*DRAWS, "feature"), beta)}, {"feature": ["age", "sex", "bmi"]}),
            "posterior_predictive": xr.Dataset({"y": ((*DRAWS, "obs"), random.binomial(1, probability))}),
            "observed_data": xr.Dataset({"y": ("obs", random.binomial(1, probability[0, 0]))}),
            "truth": xr.Dataset({"beta": ("feature", [1.0, 1.1, 0.9])}, {"feature": ["age", "sex", "bmi"]}),
        },
        method="mh",
    )


@pytest.fixture(scope="session")
def point() -> Result:
    """A point estimate; `sigma` has no standard error, and one start was lost."""
    random = np.random.default_rng(3)
    return make(
        {
            "posterior": xr.Dataset({"sigma": (DRAWS, [[54.2]]), "beta": ((*DRAWS, "feature"), [[[1.5, -2.25]]])}),
            "standard_error": xr.Dataset({"sigma": np.nan, "beta": ("feature", [0.5, 0.25])}),
            "posterior_predictive": xr.Dataset({"y": ((*DRAWS, "obs"), random.normal(size=(1, 1, 60)))}),
            "observed_data": xr.Dataset({"y": ("obs", random.normal(size=60))}),
            "optimisation": xr.Dataset(
                {
                    "objective": ("start", [-10.0, -10.0, -np.inf]),
                    "converged": ("start", [True, True, False]),
                    "hessian_eigenvalues": ("eigenvalue", [0.0, 1.0, 2.0]),
                }
            ),
        },
        method="map",
        kind=Kind.POINT,
        status=Status.NOT_CONVERGED,
    )


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    """A run as it was asked for."""
    gaussian = {"_target_": "numpyro.distributions.Normal", "loc": 0.0, "scale": 5.0}
    return RunRecord(
        name="eight_schools hierarchical nuts",
        config={"model": {"prior": {"mu": gaussian, "sigma": gaussian}}, "seed": 7},
        choices={
            "report": "html",
            "data": "eight_schools",
            "inference": "nuts",
            "prior@model.prior.mu": "gaussian",
            "experiment": "None",
            "hydra/launcher": "basic",
        },
        overrides=("data=eight_schools", "data.path=my data.csv"),
        folder=tmp_path,
        start_folder=tmp_path.parent,
        provenance={
            "seed": 7,
            "data_hash": "5e1f" * 16,
            "started": "2026-11-02T18:02:11+00:00",
            "versions": {"credo": "0.1.0", "mlflow": None},
            "git": {"commit": "c0ffee" * 6, "dirty": True},
        },
        description={
            "model": "y_j ~ N(theta_j, sigma_j)",
            "latents": [
                {"name": "mu", "dims": {}, "distribution": "Normal", "support": "real"},
                {"name": "theta", "dims": {"school": 8}, "distribution": "Normal", "support": "real"},
            ],
            "data": {"unused": ["age"], "test_rows": 3},
        },
        data=xr.Dataset(
            {
                "y": ("school", [28.0, 8, -3, 7, -1, 1, 18, 12]),
                "age": ((), 3.0),
                "mu": ((), 3.0, {"role": "truth"}),
            }
        ),
    )


@pytest.fixture
def verdict() -> Verdict:
    """A failed verdict with a check of each kind."""
    return Verdict(
        "failed",
        (
            Check("chains", "passed", 4, 4, "4 chains started from different points."),
            Check("prior_sensitivity", "note", 0.12, 0.05, "The answer leans on the prior of tau."),
            Check("r_hat", "failed", 1.0432, 1.01, "The chains disagree about tau. Draw more."),
            Check("loo", "not checked", None, None, "Pareto k could not be computed."),
        ),
    )


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    """A result as the plots see it."""

    def look(result: Result, most: int = 12) -> Evidence:
        return Evidence(result, summarise(result), most, {"r_hat": 1.01})

    return look


@pytest.fixture
def summary() -> Callable[[Result], pd.DataFrame]:
    return summarise
