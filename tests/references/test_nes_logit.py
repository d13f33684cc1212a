"""The NES logistic regression of posteriordb: 1179 votes on income, exact answers by quadrature."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.inference.result import Result, Status
from credo.models.problem import Problem
from credo.models.regression import Regression

Infer = Callable[..., Result]


@pytest.fixture(scope="module")
def exact(reference: Callable[[str], Any]) -> dict[str, Any]:
    return reference("closed_forms.json")["nes_logit"]


@pytest.fixture(scope="module")
def problem(reference: Callable[[str], Any]) -> Problem:
    data = reference("posteriordb/nes_logit/data.json")
    prior = {"intercept": dist.Normal(0.0, 2.5), "beta": dist.Normal(0.0, 2.5)}
    x = np.array(data["income"], float)[:, None]
    return Problem(
        Regression(prior, "bernoulli"), xr.Dataset({"y": ("obs", data["vote"]), "x": (("obs", "feature"), x)})
    )


def coefficients(dataset: Any) -> np.ndarray:
    """Intercept and slope, [..., 2]."""
    return np.concatenate([dataset["intercept"].to_numpy()[..., None], dataset["beta"].to_numpy()], -1)


def test_mle(problem: Problem, exact: dict[str, Any], infer: Infer) -> None:
    result = infer(problem, "mle")
    log_likelihood = result.tree["log_likelihood"]["y"]
    assert result.status is Status.DONE
    assert coefficients(result.tree["posterior"])[0, 0] == pytest.approx(exact["mle"], abs=1e-5)
    assert coefficients(result.tree["standard_error"]) == pytest.approx(exact["mle_se"], rel=1e-5)
    assert log_likelihood.sum().item() == pytest.approx(exact["loglik_at_mle"], abs=1e-8)
    assert -log_likelihood.mean().item() == pytest.approx(exact["mean_bce_at_mle"], abs=1e-8)
    assert result.tree["optimisation"]["objective"].max().item() == pytest.approx(exact["loglik_at_mle"], abs=1e-8)


def test_map(problem: Problem, exact: dict[str, Any], infer: Infer) -> None:
    result = infer(problem, "map")
    assert result.status is Status.DONE
    assert coefficients(result.tree["posterior"])[0, 0] == pytest.approx(exact["map"], abs=1e-5)


# Four comparisons per sampler: with new seeds, a false alarm once in 2,000 times.
@pytest.mark.slow
@pytest.mark.parametrize("word", ["nuts", "mh"])
def test_draws(
    word: str, problem: Problem, exact: dict[str, Any], infer: Infer, z_score: Callable[..., np.ndarray]
) -> None:
    result = infer(problem, word, warmup=500, draws=500)
    draws = coefficients(result.tree["posterior"])
    assert np.max(np.abs(z_score(draws, exact["post_mean"]))) < 4
    assert np.max(np.abs(z_score(draws, exact["post_sd"], "sd"))) < 4
