"""Discrete latents that kept one value: whether another was probable."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.diagnostics.stuck import Stuck
from credo.diagnostics.summary import summarise
from credo.inference.mcmc.conditional import of_others
from credo.inference.result import Result
from credo.models.problem import Problem
from credo.models.program import Program

pytestmark = pytest.mark.slow  # `make proofs` runs them

Infer = Callable[..., Result]
FEW = {"chains": 2, "warmup": 20, "draws": 40, "block": 20}


def coin(y: Any) -> None:
    """The data say nothing: both values are equally probable, so that every proposal is accepted."""
    z = numpyro.sample("z", dist.Bernoulli(0.5))
    numpyro.sample("y", dist.Normal(0.0 * z, 1.0), obs=y)


def even(y: Any) -> None:
    """Odd numbers are nearly impossible, so that no step of one is accepted."""
    n = numpyro.sample("n", dist.Poisson(20.0))
    numpyro.factor("parity", jnp.where(n % 2 == 0, 0.0, -1e4))
    numpyro.sample("y", dist.Normal(0.0 * n, 1.0), obs=y)


def determined(y: Any) -> None:
    """Y is 10 standard deviations from where z = 0 has it."""
    x = numpyro.sample("x", dist.Normal(0.0, 1e-3))
    with numpyro.plate("two", 2):
        z = numpyro.sample("z", dist.Bernoulli(0.5))
    numpyro.sample("y", dist.Normal(x + 10.0 * z[0] * z[1], 1.0), obs=y)


@pytest.fixture
def problem(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Problem]:
    def make(function: Any, y: float) -> Problem:
        module = ModuleType("discrete")
        module.function = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "discrete", module)
        return Problem(Program("discrete:function", {}), xr.Dataset({"y": y}))

    return make


def judge(result: Result) -> Any:
    return Stuck(0.01)(result, summarise(result))


def test_the_probability_is_exact(problem: Callable[..., Problem]) -> None:
    """P(z0 = 0 | z1 = 1, y) / P(z0 = 1 | z1 = 1, y) = N(y; 0, 1) / N(y; 10, 1) = exp(50 - 10 y)."""
    y = 5.2
    draws = {"x": np.zeros(3), "z": np.array([[1, 1], [1, 1], [1, 0]])}
    found = of_others(problem(determined, y).bound, draws, {"z": np.array([True, True])})["z"]
    other = 1 / (1 + np.exp(10 * y - 50))
    assert found == pytest.approx([(2 * other + 0.5) / 3, (2 * other + (1 - other)) / 3], rel=1e-6)
    asked = of_others(problem(determined, y).bound, draws, {"z": np.array([True, False])})["z"]
    assert np.isnan(asked[1])


@pytest.mark.slow
def test_a_coin_that_thinning_holds_still_fails(problem: Callable[..., Problem], infer: Infer) -> None:
    """It turns at every step, and every second one is kept."""
    for seed in range(10):
        result = infer(problem(coin, 0.3), "mh", seed=seed, **FEW, thinning=2)
        z = result.tree["posterior"]["z"].values
        assert (z == z[:, :1]).all()
        if (z == z[0, 0]).all():
            break
    assert float(result.tree["conditional"]["z"]) == pytest.approx(0.5, abs=1e-9)
    answer = judge(result)
    assert answer.status == "failed"
    assert "z kept one value in all draws, though given all else other values have a probability of up to 0.5" in (
        answer.advice
    )


def test_a_value_that_no_step_reaches_fails(problem: Callable[..., Problem], infer: Infer) -> None:
    result = infer(problem(even, 0.3), "mh", **FEW | {"chains": 1}, thinning=1)
    n = result.tree["posterior"]["n"].values
    assert (n == n[0, 0]).all()
    assert float(result.tree["conditional"]["n"]) > 0.5
    assert judge(result).status == "failed"


@pytest.mark.slow
def test_what_the_data_determine_is_noted(problem: Callable[..., Problem], infer: Infer) -> None:
    result = infer(problem(determined, 10.0), "mh", **FEW | {"draws": 100}, thinning=5)
    assert (result.tree["conditional"]["z"] < 1e-9).all()
    answer = judge(result)
    assert answer.status == "note"
    assert "given all else no other is probable" in answer.advice


def test_what_moves_is_not_asked(problem: Callable[..., Problem], infer: Infer) -> None:
    result = infer(problem(coin, 0.3), "mh", **FEW, thinning=1)
    assert "conditional" not in result.tree.children
