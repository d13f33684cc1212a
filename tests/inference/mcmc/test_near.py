"""Chains that begin where those of a like problem are: fewer steps, the same bits after a cut, the right posterior."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.inference.mcmc.near import Near, shortened
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from interruptions import Cut, Memory

PROBLEM = Problem(
    Gaussian({"loc": dist.Normal(0.0, 2.0)}, 1.0, (0.0, 1.0)), xr.Dataset({"y": ("row", [1.2, 0.7, -0.3])})
)
DRAWS = {"loc": 0.5 + 0.55 * np.random.default_rng(0).normal(size=(2, 300))}
CHAINS = {"chains": 4, "warmup": 300, "draws": 200, "block": 20}


def test_the_warm_up_is_a_fifth_and_at_least_a_hundred() -> None:
    assert [shortened(warmup) for warmup in (0, 50, 200, 1000)] == [0, 50, 100, 200]


@pytest.mark.parametrize("name", ["nuts", "hmc", "barker"])
def test_fewer_steps_lead_to_the_posterior(name: str, method: Callable[..., Any], quiet: Any) -> None:
    alone = method(name, **CHAINS)
    beside = alone.beside(Near(DRAWS, 0.9))
    results = [one.run(PROBLEM, jax.random.PRNGKey(0), quiet) for one in (alone, beside)]
    assert results[1].history[0]["done"] > 200
    assert results[1].cost.gradients < results[0].cost.gradients
    loc = results[1].tree["posterior/loc"].to_numpy()
    assert loc.shape == (4, 200)
    assert loc.mean() == pytest.approx(1.6 / (3 + 1 / 4), abs=0.15)
    assert len(np.unique(results[1].tree["start/loc"])) == 4


def test_a_kernel_that_needs_its_warm_up_makes_all_of_it(method: Callable[..., Any], quiet: Any) -> None:
    beside = method("mh", chains=2, warmup=150, draws=50, block=50).beside(Near(DRAWS, 0.0))
    assert beside.run(PROBLEM, jax.random.PRNGKey(0), quiet).history[0]["done"] == 50


@pytest.mark.parametrize("at", [0, 2, 7])
def test_a_run_that_was_cut_off_goes_on_to_the_same_bits(at: int, method: Callable[..., Any], quiet: Any) -> None:
    beside = method("nuts", **CHAINS).beside(Near(DRAWS, 0.9))
    whole = beside.run(PROBLEM, jax.random.PRNGKey(1), quiet)
    memory = Memory()
    with pytest.raises(KeyboardInterrupt):
        beside.run(PROBLEM, jax.random.PRNGKey(1), Cut(at), memory)
    again = method("nuts", **CHAINS).run(PROBLEM, jax.random.PRNGKey(1), quiet, Memory(memory.kept))
    xr.testing.assert_identical(again.tree["posterior"].to_dataset(), whole.tree["posterior"].to_dataset())
