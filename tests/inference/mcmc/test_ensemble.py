"""Ensembles of walkers: their law, what their draws are worth, and what they refuse."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from jax import lax
from jaxtyping import Float

from credo.errors import ConfigError
from credo.inference.base import Inference
from credo.inference.convergence import mixing
from credo.inference.grouping import Grouping
from credo.inference.mcmc.kernels.ensemble import Ensemble
from credo.inference.result import Result
from credo.inference.start import Start
from credo.models.problem import Problem
from credo.models.program import Program

Infer = Callable[..., Result]
DIM, WALKERS = 5, 12
FACTOR = np.tril(np.random.default_rng(0).normal(size=(DIM, DIM))) + np.eye(DIM)
COVARIANCE = FACTOR @ FACTOR.T


def correlated() -> None:
    numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(DIM), COVARIANCE))


def counted() -> None:
    numpyro.sample("count", dist.Poisson(3.0))
    numpyro.sample("x", dist.Normal(0.0, 1.0))


def program(function: Callable[[], None]) -> Problem:
    return Problem(Program(f"{__name__}:{function.__name__}", {}), xr.Dataset())


@partial(jax.jit, static_argnums=(2, 3))
def ensembles(kernel: Ensemble, bound: Any, warmup: int, draws: int, keys: Any) -> Float[jax.Array, "chain draw dim"]:
    """Draws of many ensembles, from starts that are far apart."""

    def one(key: Any) -> Any:
        state = kernel.init(bound, Start({"x": jax.random.uniform(key, (DIM,), minval=-2, maxval=2)}, {}), key, warmup)
        state = lax.fori_loop(0, warmup, lambda _, now: kernel.step(bound, now, warmup)[0], state)

        def next_(now: Any, _: None) -> Any:
            now, _info = kernel.step(bound, now, warmup)
            return now, now.z["x"]

        return lax.scan(next_, state, None, length=draws)[1]

    return jax.vmap(one)(keys)


# The mean square of 200 standard normal numbers is within 0.3 of one in 997 of 1000 times: with new seeds, there is a
# false alarm once in 170 times.
@pytest.mark.slow
@pytest.mark.parametrize("move", ["stretch", "slice"])
def test_the_stated_error_is_that_of_the_means_of_many_runs(move: str) -> None:
    kernel = Ensemble(move=move, walkers=WALKERS, step_size=1.0, target_accept=0.5)
    runs, rounds = 200, 500
    keys = jax.random.split(jax.random.PRNGKey(0), 4 * runs)
    draws = np.asarray(ensembles(kernel, program(correlated).bound, 300 * WALKERS, rounds * WALKERS, keys))
    first = draws[..., 0].reshape(runs, 4, -1)
    stated = mixing(first, ("mcse_mean", "r_hat"), Grouping(walkers=WALKERS))
    z = first.mean(axis=(1, 2)) / stated["mcse_mean"]
    assert 0.7 < np.mean(z**2) < 1.3
    assert np.median(stated["r_hat"]) < 1.01
    by_draw = mixing(first, ("mcse_mean",))["mcse_mean"]
    assert np.mean((first.mean(axis=(1, 2)) / by_draw) ** 2) > 5  # what the order of the draws would hide
    spread = np.sqrt(np.mean(draws**2, axis=(0, 1)) / np.diag(COVARIANCE))
    assert np.abs(spread - 1).max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("move", ["stretch", "slice"])
def test_a_run_has_the_law_of_its_model(move: str, infer: Infer) -> None:
    result = infer(program(correlated), "ensemble", move=move, draws=4000, thinning=10)
    x = np.moveaxis(result.tree["posterior"]["x"].to_numpy(), -1, 0)
    found = mixing(x, grouping=result.grouping)
    assert result.grouping == Grouping(walkers=6)  # of the 12 walkers every second one is seen
    assert np.abs(x.mean(axis=(1, 2)) / found["mcse_mean"]).max() < 4
    assert np.abs(x.std(axis=(1, 2)) / np.sqrt(np.diag(COVARIANCE)) - 1).max() < 0.1
    assert result.cost.gradients == 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"move": "jump"}, r"^inference\.move: expected stretch or slice, but got 'jump'"),
        ({"walkers": 6}, r"^inference\.walkers: expected at least 7, .* but got 6; raise it, or let it be null"),
    ],
)
def test_it_refuses_what_cannot_be(settings: dict[str, Any], sentence: str, method: Callable[..., Inference]) -> None:
    with pytest.raises(ConfigError, match=sentence):
        method("ensemble", **settings).check(program(correlated))


def test_it_refuses_a_discrete_latent_without_an_end(method: Callable[..., Inference]) -> None:
    with pytest.raises(ConfigError, match=r"inference=ensemble sums .* count \(Poisson\) .*; use inference=mh"):
        method("ensemble").check(program(counted))
