"""A `numpyro.param` is estimated, with its standard error, or sampled as flat where that is asked for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from credo.errors import ConfigError
from credo.inference.result import Result
from credo.models.problem import Problem
from credo.models.program import Program

Infer = Callable[..., Result]

Y = np.random.default_rng(7).normal(3.0, 9.0, size=50)


def normal(params: str | None = None) -> Problem:
    return Problem(Program("programs:with_param", {}, params), xr.Dataset({"y": ("obs", Y)}))


def test_mle_of_a_normal_with_both_parameters(infer: Infer) -> None:
    """The mean, the root of the mean squared deviation, and standard errors s / sqrt(n) and s / sqrt(2 n)."""
    tree = infer(normal(), "mle").tree
    s = Y.std()
    assert tree["posterior"]["mu"].item() == pytest.approx(Y.mean(), abs=1e-4)
    assert tree["posterior"]["sigma"].item() == pytest.approx(s, rel=1e-5)
    assert tree["standard_error"]["mu"].item() == pytest.approx(s / np.sqrt(50), rel=1e-3)
    assert tree["standard_error"]["sigma"].item() == pytest.approx(s / np.sqrt(100), rel=1e-3)


def test_a_module_is_estimated_by_least_squares(infer: Infer) -> None:
    y = np.array([1.0, 2.0, 2.5, 4.0])
    asked = Problem(Program("programs:with_module", {}), xr.Dataset({"y": ("obs", y)}))
    found = infer(asked, "mle").tree["posterior"]["net$params"].to_numpy()[0, 0]
    assert found == pytest.approx(np.polyfit(np.arange(4), y, 1), abs=1e-4)


@pytest.mark.parametrize("word", ["nuts", "mh"])
def test_chains_refuse_a_param(word: str, method: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"sigma is a numpyro\.param, which has no prior.*model\.params=flat.*or map"):
        method(word).check(normal())
    method(word).check(normal("flat"))


# One comparison at 4 standard errors: with another seed, a false alarm once in 16,000 times.
def test_nuts_with_a_flat_param(infer: Infer, z_score: Callable[..., np.ndarray]) -> None:
    """The posterior of sigma by a grid over mu and sigma."""
    mu, sigma = np.meshgrid(np.linspace(-6, 12, 241), np.linspace(4, 20, 321), indexing="ij")
    squares = np.sum((Y[:, None, None] - mu) ** 2, axis=0)
    log_density = -50 * np.log(sigma) - squares / (2 * sigma**2) - mu**2 / 200
    weights = np.exp(log_density - log_density.max())
    exact = float(np.sum(weights * sigma) / np.sum(weights))
    posterior = infer(normal("flat"), "nuts", warmup=300, draws=600).tree["posterior"]
    assert np.abs(z_score(posterior["sigma"], exact)) < 4
