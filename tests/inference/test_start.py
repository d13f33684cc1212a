"""Where chains begin, and the sentence where they cannot."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.errors import ConfigError, RunError
from credo.inference.start import find
from credo.models import priors
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.program import Program
from credo.result import Result

Infer = Callable[..., Result]
SHORT = {"chains": 2, "warmup": 0, "draws": 1, "block": 1}


@pytest.fixture(scope="module")
def problem() -> Problem:
    prior = {"loc": priors.gaussian(50.0, 0.1), "sigma": priors.gamma(5.0, 1.0)}
    return Problem(Gaussian(prior, None, (0.0, 1.0)), xr.Dataset({"y": ("obs", [49.0, 50.5, 51.0])}))


def begins(problem: Problem, how: str, **values: float) -> list[dict[str, float]]:
    """Loc and log sigma at twenty beginnings."""
    given = {name: np.asarray(value) for name, value in values.items()}
    starts = jax.vmap(lambda key: find(problem.bound, key, how, given).z)(jax.random.split(jax.random.PRNGKey(0), 20))
    return [{name: float(value[i]) for name, value in starts.items()} for i in range(20)]


def test_jitter_is_near_zero_whatever_the_prior(problem: Problem) -> None:
    assert all(abs(value) < 2 for start in begins(problem, "jitter") for value in start.values())


def test_prior_begins_where_the_prior_is(problem: Problem) -> None:
    locs = [start["loc"] for start in begins(problem, "prior")]
    assert 49.5 < min(locs) < max(locs) < 50.5
    assert len(set(locs)) == 20


def test_values_are_taken_and_the_rest_is_jitter(problem: Problem) -> None:
    starts = begins(problem, "values", sigma=3.0)
    assert {round(start["sigma"], 12) for start in starts} == {round(np.log(3.0), 12)}
    assert all(abs(start["loc"]) < 2 for start in starts)


def test_map_begins_at_the_mode(problem: Problem) -> None:
    """Of the density in unconstrained space, where its gradient is zero."""
    from credo.inference.density import potential

    for start in begins(problem, "map"):
        gradient = jax.grad(potential(problem.bound))(start)
        assert max(abs(float(slope)) for slope in gradient.values()) < 1e-4


@pytest.mark.parametrize("word", ["nuts", "hmc", "mh"])
def test_chains_begin_there(word: str, problem: Problem, infer: Infer) -> None:
    settings = SHORT | ({"scale": 1e-9} if word == "mh" else {"step_size": 1e-9})
    if word == "hmc":
        settings["trajectory_length"] = 1e-9
    given = {"loc": 50.0, "sigma": 2.0}
    draws = infer(problem, word, **settings, start="values", start_values=given).tree["posterior"]
    assert np.allclose(draws["loc"], 50.0, atol=1e-5)
    assert np.allclose(draws["sigma"], 2.0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"start": "here"}, r"^start: expected one of auto, jitter, prior, map, values, but got 'here'"),
        ({"start_values": {"loc": 1.0}}, r"^start_values: they are read with start=values, but start is auto"),
        (
            {"start": "values", "start_values": {"mu": 1.0}},
            r"^start_values: expected latents among loc, sigma, but got 'mu'",
        ),
        (
            {"start": "values", "start_values": {"loc": [1.0, 2.0]}},
            r"^start_values\.loc: expected the shape \(\), but got \(2,\)",
        ),
        (
            {"start": "values", "start_values": {"sigma": -1.0}},
            r"^start_values\.sigma: sigma must be a positive number, but got -1\.0",
        ),
    ],
)
def test_impossible_beginnings_are_named(settings: dict[str, Any], said: str, problem: Problem, infer: Infer) -> None:
    with pytest.raises(ConfigError, match=said):
        infer(problem, "nuts", **SHORT, **settings)


def wrong_density(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    numpyro.factor("never", jnp.where(mu < 100, -jnp.inf, 0.0))
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def wrong_gradient(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    tau = numpyro.sample("tau", dist.Normal(0.0, 1.0))
    numpyro.factor("root", jnp.sqrt(0.0 * tau**2) - mu**2)
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (wrong_density, r"mu = \S+ \(log density \S+\), never \(log density -inf\), y \(.*\); never is to blame"),
        (
            wrong_gradient,
            r"tau = \S+ \(log density \S+, gradient nan\), root \(.*\), y \(log density \S+\); tau is to blame",
        ),
    ],
)
def test_who_is_to_blame_is_said(function: Any, told: str, infer: Infer, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("blamed")
    module.function = function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "blamed", module)
    problem = Problem(Program("blamed:function", {}), xr.Dataset({"y": ("obs", [-1.0, 2.0])}))
    with pytest.raises(RunError, match=told):
        infer(problem, "nuts", **SHORT)
