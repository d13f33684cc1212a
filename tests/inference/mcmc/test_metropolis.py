"""Laws of random-walk Metropolis-Hastings: its accept step, its acceptance rate, and what it converges to."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import stats

from credo.inference.mcmc.kernels.mh import accept
from credo.inference.result import Result
from credo.models.problem import Problem
from credo.models.program import Program

pytestmark = pytest.mark.slow  # `make proofs` runs them

Infer = Callable[..., Result]
Z = Callable[..., np.ndarray]


def standard_normal() -> None:
    numpyro.sample("x", dist.Normal(0.0, 1.0))


def half_of_a_normal() -> None:
    x = numpyro.sample("x", dist.Normal(0.0, 1.0))
    numpyro.factor("positive", jnp.where(x > 0, 0.0, jnp.nan))


def discrete() -> None:
    numpyro.sample("category", dist.Categorical(jnp.array([0.2, 0.5, 0.3])))
    numpyro.sample("count", dist.Poisson(1.5))
    numpyro.sample("successes", dist.Binomial(3, 0.4))
    with numpyro.plate("coin", 2):
        numpyro.sample("heads", dist.Bernoulli(jnp.array([0.1, 0.7])))


def mixed() -> None:
    """A mixture: x given k is normal, so that the marginals of both are known."""
    k = numpyro.sample("k", dist.Categorical(jnp.array([0.3, 0.7])))
    numpyro.sample("x", dist.Normal(jnp.array([-1.0, 1.0])[k], 1.0))


def program(function: Callable[[], None]) -> Problem:
    return Problem(Program(f"{__name__}:{function.__name__}", {}), xr.Dataset())


def test_accept_keeps_detailed_balance() -> None:
    """Three states, each proposing one of the others: pi_i P_ij = pi_j P_ji and pi P = pi."""
    pi = np.array([0.6, 0.3, 0.1])
    ratio = np.log(pi[None, :] / pi[:, None])
    probability = np.vectorize(lambda r: float(accept(jax.random.PRNGKey(0), jnp.asarray(r))[1]))(ratio)
    transition = probability / 2
    np.fill_diagonal(transition, 0.0)
    np.fill_diagonal(transition, 1 - transition.sum(axis=1))
    flow = pi[:, None] * transition
    assert np.max(np.abs(flow - flow.T)) < 1e-12
    assert np.max(np.abs(pi @ transition - pi)) < 1e-12


def test_accept_accepts_as_often_as_it_says() -> None:
    keys = jax.random.split(jax.random.PRNGKey(1), 100_000)
    accepted, probability = jax.vmap(accept, in_axes=(0, None))(keys, jnp.log(0.3))
    assert np.allclose(probability, 0.3)
    assert abs(np.mean(accepted) - 0.3) < 4 * np.sqrt(0.3 * 0.7 / len(keys))  # four standard errors


@pytest.mark.parametrize(("log_ratio", "probability"), [(np.nan, 0.0), (-np.inf, 0.0), (0.0, 1.0), (np.inf, 1.0)])
def test_accept_at_the_ends(log_ratio: float, probability: float) -> None:
    keys = jax.random.split(jax.random.PRNGKey(2), 100)
    accepted, found = jax.vmap(accept, in_axes=(0, None))(keys, jnp.asarray(log_ratio))
    assert np.all(np.asarray(found) == probability)
    assert np.all(np.asarray(accepted) == bool(probability))


# Three errors each: with new seeds, a false alarm once in 120 times.
@pytest.mark.parametrize("scale", [1.0, 2.38, pytest.param(5.0, marks=pytest.mark.slow)])
def test_acceptance_rate_on_a_normal(scale: float, infer: Infer, z_score: Z) -> None:
    """A proposal N(x, s) is accepted on N(0, 1) with the mean probability 2 / pi arctan(2 / s)."""
    settings = {"warmup": 200, "draws": 10_000, "block": 10_000, "thinning": 1, "adapt": False}
    tree = infer(program(standard_normal), "mh", scale=scale, **settings).tree
    stats_ = tree["sample_stats"]
    assert np.abs(z_score(stats_["acceptance_rate"], 2 / np.pi * np.arctan(2 / scale))) < 3
    assert np.all(stats_["step_size"].to_numpy() == pytest.approx(scale))
    assert np.all(stats_["n_steps"].to_numpy() == 1)
    assert np.abs(z_score(tree["posterior"]["x"], 0.0)) < 4
    assert np.abs(z_score(tree["posterior"]["x"], 1.0, "sd")) < 4


def test_adaptation_reaches_its_target_and_ends(infer: Infer) -> None:
    result = infer(program(standard_normal), "mh", warmup=2000, draws=4000, block=4000, thinning=1, target_accept=0.44)
    stats_ = result.tree["sample_stats"]
    step = stats_["step_size"].to_numpy()
    assert np.all(step == step[:, :1])
    # The gain at the end of the warm-up is 0.01, so that the scale still trembles by some per cent.
    assert stats_["acceptance_rate"].mean().item() == pytest.approx(0.44, abs=0.05)


# 15 comparisons: with new seeds, a false alarm once in 1,000 times.
@pytest.mark.slow
def test_law_of_discrete_latents(infer: Infer, z_score: Z) -> None:
    posterior = infer(program(discrete), "mh", warmup=200, draws=1000, thinning=5).tree["posterior"]
    laws = {
        "category": [0.2, 0.5, 0.3],
        "count": stats.poisson(1.5).pmf(range(6)),
        "successes": stats.binom(3, 0.4).pmf(range(4)),
    }
    for name, law in laws.items():
        is_value = posterior[name].to_numpy()[..., None] == np.arange(len(law))
        assert np.max(np.abs(z_score(is_value, law))) < 4, name
    assert np.max(np.abs(z_score(posterior["heads"], [0.1, 0.7]))) < 4
    assert posterior["count"].min() == 0
    assert posterior["count"].dtype.kind == "i"


# Three comparisons.
@pytest.mark.slow
def test_law_of_discrete_and_continuous_latents(infer: Infer, z_score: Z) -> None:
    posterior = infer(program(mixed), "mh", warmup=500, draws=4000).tree["posterior"]
    assert np.abs(z_score(posterior["k"], 0.7)) < 4
    assert np.abs(z_score(posterior["x"], 0.4)) < 4
    assert np.abs(z_score(posterior["x"], np.sqrt(1 + 4 * 0.21), "sd")) < 4


# Two comparisons.
def test_a_nan_density_is_rejected(infer: Infer, z_score: Z) -> None:
    posterior = infer(program(half_of_a_normal), "mh", warmup=500, draws=1000).tree["posterior"]
    assert np.all(posterior["x"] > 0)
    assert np.abs(z_score(posterior["x"], stats.halfnorm().mean())) < 4
    assert np.abs(z_score(posterior["x"], stats.halfnorm().std(), "sd")) < 4
