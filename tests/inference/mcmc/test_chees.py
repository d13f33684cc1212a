"""ChEES-HMC: its law, the length that it learns, and what it refuses."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.diagnostics.summary import summarise
from credo.errors import ConfigError
from credo.inference.base import Inference
from credo.inference.grouping import Grouping
from credo.inference.mcmc.kernels.chees import Chees, halton
from credo.inference.result import Result
from credo.models.problem import Problem
from credo.models.program import Program

Infer = Callable[..., Result]
SCALES = np.linspace(0.1, 10.0, 10)


def scaled() -> None:
    numpyro.sample("x", dist.Normal(0.0, SCALES).to_event(1))


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(Program(f"{__name__}:scaled", {}), xr.Dataset())


# 20 comparisons: with new seeds, a false alarm once in 700 times.
@pytest.mark.slow
def test_many_short_chains_have_the_law_of_their_model(problem: Problem, infer: Infer) -> None:
    result = infer(problem, "chees")
    summary = summarise(result)
    assert result.grouping == Grouping(chains=8)
    assert np.abs(summary["mean"] / summary["mcse_mean"]).max() < 4
    ess = summary["ess_bulk"].to_numpy()
    assert np.abs(summary["sd"].to_numpy() / SCALES - 1).max() < 4 * np.sqrt(1 / ess.min())
    assert summary["r_hat"].max() < 1.01


@pytest.mark.slow
def test_all_chains_go_as_far_and_learn_the_same(problem: Problem, infer: Infer) -> None:
    statistics = infer(problem, "chees", chains=16, metric="diagonal").tree["sample_stats"]
    for name in ("n_steps", "step_size", "trajectory_length"):
        assert np.all(statistics[name] == statistics[name].isel(chain=0))
    length = statistics["trajectory_length"].to_numpy()
    assert np.all(length == length[0, 0])  # adaptation has ended
    assert 1 < length[0, 0] < 12
    assert len(np.unique(statistics["n_steps"])) > 1  # trajectories are of many lengths


def test_chains_begin_together_at_four_to_eight_points(method: Callable[..., Inference]) -> None:
    kernel: Chees = method("chees").kernel  # type: ignore[attr-defined]
    assert [kernel.together(chains) for chains in (1, 2, 4, 8, 12, 20, 64, 11)] == [1, 1, 1, 1, 2, 4, 8, 1]


def test_halton_fills_the_interval_evenly() -> None:
    points = np.sort(np.asarray(jax.vmap(halton)(jnp.arange(1, 1024))))
    assert np.allclose(points, np.arange(1, 1024) / 1024)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"chain_method": "sequential"},
            r"^inference\.chain_method: .* expected vectorized, but got sequential; .* use inference=nuts",
        ),
        ({"chains": 1}, r"^inference\.chains: .* expected at least 2, but got 1; raise it, or use inference=nuts"),
    ],
)
def test_it_refuses_chains_that_cannot_learn_from_each_other(
    settings: dict[str, Any], sentence: str, problem: Problem, method: Callable[..., Inference]
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        method("chees", **settings).check(problem)
