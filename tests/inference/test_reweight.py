"""Draws of one posterior as those of another: against conjugate answers, and what is said of their precision."""

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.inference import reweight
from credo.inference.convergence import mixing
from credo.inference.variational.importance import resample, weigh
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem

DATA = xr.Dataset({"y": ("row", [1.2, 0.7, -0.3, 2.0])})


def conjugate(scale: float) -> tuple[Problem, float, float]:
    """A mean with a normal prior; its posterior mean and standard deviation."""
    problem = Problem(Gaussian({"loc": dist.Normal(3.0, scale)}, 1.0, (0.0, 1.0)), DATA)
    precision = 1 / scale**2 + 4
    return problem, (3.0 / scale**2 + 3.6) / precision, precision**-0.5


def chains(mean: float, sd: float) -> dict[str, np.ndarray]:
    return {"loc": mean + sd * np.random.default_rng(0).normal(size=(4, 1000))}


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0, 5.0])
def test_the_posterior_of_another_prior(scale: float) -> None:
    old, mean, sd = conjugate(1.0)
    new, expected, spread = conjugate(scale)
    found = reweight.reweighted(old.bound, new.bound, chains(mean, sd))
    loc = found.draws["loc"]
    assert found.weights.pareto_k < reweight.MOST
    error = float(mixing(loc[None], ("mcse_mean",))["mcse_mean"][0])
    assert abs(loc.mean() - expected) < 4 * error
    assert loc.std() == pytest.approx(spread, rel=0.06)


def test_draws_that_cannot_reach_the_other_posterior_say_so() -> None:
    old, mean, sd = conjugate(1.0)
    far = Problem(Gaussian({"loc": dist.Normal(3.0, 1e-8)}, 1.0, (0.0, 1.0)), DATA)
    found = reweight.reweighted(old.bound, far.bound, chains(mean, sd))
    assert not found.weights.pareto_k < reweight.MOST


@pytest.mark.parametrize("autocorrelation", [0.0, 0.7])
def test_the_standard_error_counts_what_weights_lose(autocorrelation: float) -> None:
    """Of 300 sets of chains, the spread of the weighted means over the error that the resampled chains report."""
    rng, errors, claimed = np.random.default_rng(1), [], []
    for _ in range(300):
        draws = _chains(rng, autocorrelation)
        weights = weigh((0.5 * (draws**2 - (draws - 0.7) ** 2)).ravel())
        again = draws.ravel()[resample(np.exp(weights.log_weight), 0.5)[0]].reshape(draws.shape)
        errors.append(again.mean() - 0.7)
        claimed.append(float(mixing(again[None], ("mcse_mean",))["mcse_mean"][0]))
    assert np.sqrt(np.mean(np.square(errors))) < 1.1 * np.sqrt(np.mean(np.square(claimed)))


def _chains(rng: np.random.Generator, autocorrelation: float) -> np.ndarray:
    noise = rng.normal(size=(4, 400))
    draws = noise.copy()
    for i in range(1, 400):
        draws[:, i] = autocorrelation * draws[:, i - 1] + np.sqrt(1 - autocorrelation**2) * noise[:, i]
    return draws
