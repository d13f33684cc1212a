"""Metrics from planted draws and gradients, and the starts and chains from which nothing can be learned."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import scipy.linalg
import scipy.optimize
import xarray as xr

from credo.inference.mcmc import metric as metrics
from credo.inference.mcmc import metric_fit
from credo.inference.mcmc.descent import HIGHEST, lowered
from credo.inference.mcmc.metric import Dense, Diagonal, LowRank, Metric
from credo.inference.result import Result
from credo.models.problem import Problem
from credo.models.program import Program

pytestmark = pytest.mark.slow  # `make proofs` runs them

WORDS = (*metrics.KINDS, "auto")
CHAINS, DRAWS, DIM = 4, 50, 6


def normal(seed: int, factor: np.ndarray, draws: int = DRAWS) -> tuple[np.ndarray, np.ndarray]:
    """Draws of N(0, L L') and gradients of its potential [chains, draws, dim]."""
    z = np.random.default_rng(seed).normal(size=(CHAINS, draws, len(factor))) @ factor.T
    return z, z @ np.linalg.inv(factor @ factor.T)


def logistic(seed: int, dim: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of independent logistic coordinates."""
    z = np.random.default_rng(seed).logistic(size=(CHAINS, draws, dim))
    return z, np.tanh(z / 2)


def matrix(metric: Metric) -> np.ndarray:
    """T T'."""
    dim = len(metric.factor if isinstance(metric, Dense) else metric.scale)  # type: ignore[attr-defined]
    columns = np.stack([np.asarray(metric.forward(e)) for e in jnp.eye(dim)], axis=1)
    return columns @ columns.T


def stuck(z: np.ndarray, g: np.ndarray) -> None:
    """One chain falls from 1e83, as from starts of `arma11`: products of the two have eigenvalues below zero."""
    z[0], g[0] = np.linspace(0, 1e-3, DRAWS)[:, None] * z[0, :1], 1e83 * g[0, :1] * np.linspace(1, 0.5, DRAWS)[:, None]


def constant(z: np.ndarray, g: np.ndarray) -> None:
    z[..., 0], g[..., 1] = 3.0, 0.0


def unknown(z: np.ndarray, g: np.ndarray) -> None:
    g[0, 3], g[1, 5, 2], z[2, 7, 1] = np.nan, np.inf, np.nan


def far_apart(z: np.ndarray, g: np.ndarray) -> None:
    z *= np.logspace(-15, 6, DIM)
    g /= np.logspace(-15, 6, DIM)


def alike(z: np.ndarray, g: np.ndarray) -> None:
    z[..., 1:], g[..., 1:] = z[..., :1] * (1 + 1e-14 * z[..., 1:]), 1e9 * g[..., :1]


@pytest.mark.parametrize("plant", [stuck, constant, unknown, far_apart, alike])
@pytest.mark.parametrize("word", WORDS)
def test_no_draws_break_a_metric(word: str, plant: Callable[..., None]) -> None:
    z, g = normal(0, np.eye(DIM))
    plant(z, g)
    metric = metric_fit.fit(word, z, g)
    assert metric is not None
    y = jnp.arange(1.0, DIM + 1)
    assert np.asarray(metric.backward(metric.forward(y))) == pytest.approx(np.asarray(y), rel=1e-4)
    assert np.isfinite(metric.push(metric.pull(y))).all()


@pytest.mark.parametrize("word", WORDS)
def test_gradients_without_squares_break_nothing(word: str) -> None:
    z, g = normal(0, np.eye(DIM))
    metric = metric_fit.fit(word, z, 1e200 * g)
    assert metric is None or metric.is_sound()


def test_few_unknown_draws_change_little() -> None:
    """A chain of 50 with one gradient that is no number still counts."""
    factor = np.linalg.cholesky(0.9 + 0.1 * np.eye(DIM))
    z, g = normal(1, factor)
    g[:, 10] = np.nan
    assert matrix(metric_fit.fit("dense", z, g)) == pytest.approx(factor @ factor.T, rel=1e-3)  # type: ignore[arg-type]


def test_nothing_known_is_no_metric() -> None:
    z, g = normal(0, np.eye(DIM))
    assert metric_fit.fit("auto", z, np.full_like(g, np.nan)) is None
    assert metric_fit.fit("auto", np.zeros_like(z), g) is None
    assert metric_fit.fit("dense", z[:0], g[:0]) is None


@pytest.mark.parametrize("word", WORDS)
def test_tiny_scales_in_single_precision(word: str) -> None:
    """y of order 1e-9 on features of order 1e6: a slope of 1e-15."""
    z, g = (a.astype(np.float32) for a in normal(0, np.diag([1e-15, 1.0])))
    with jax.enable_x64(False):
        metric = metric_fit.fit(word, z, g)
        assert metric is not None
        assert np.asarray(metric.forward(jnp.ones(2))) == pytest.approx([1e-15, 1.0], rel=0.1)


def test_dense_is_the_geometric_mean() -> None:
    """By matrix roots of SciPy; scales and the small addition as the module says."""
    rng = np.random.default_rng(3)
    z, g = rng.normal(size=(2, CHAINS, DRAWS, DIM)) @ rng.normal(size=(2, 1, DIM, DIM))
    flat_z, flat_g = (np.concatenate(a - a.mean(axis=1, keepdims=True)) for a in (z, g))
    scale = (np.mean(flat_z**2, axis=0) / np.mean(flat_g**2, axis=0)) ** 0.25
    count = CHAINS * DRAWS
    first = (flat_z / scale).T @ (flat_z / scale) / count + 1e-5 * np.eye(DIM)
    second = np.linalg.inv((flat_g * scale).T @ (flat_g * scale) / count + 1e-5 * np.eye(DIM))
    root = scipy.linalg.sqrtm(first)
    inverse = np.linalg.inv(root)
    mean = root @ scipy.linalg.sqrtm(inverse @ second @ inverse) @ root
    found = matrix(metric_fit.fit("dense", z, g))  # type: ignore[arg-type]
    assert found == pytest.approx(scale[:, None] * mean * scale, rel=1e-8)


def is_plain(metric: Metric | None) -> bool:
    """Whether a metric has scales alone."""
    if isinstance(metric, LowRank):
        return not np.any(metric.vectors)
    return isinstance(metric, Diagonal) or not np.any(np.tril(metric.factor, -1))  # type: ignore[union-attr]


# Of 1,601 other seeds none chose otherwise in any of the four tests.
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dim", [30, 60])
def test_auto_takes_scales_where_correlations_are_noise(seed: int, dim: int) -> None:
    metric = metric_fit.fit("auto", *logistic(seed, dim, 20))
    assert isinstance(metric, Dense if dim <= metrics.MOST_DENSE else LowRank)
    assert is_plain(metric)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dim", [30, 60])
def test_auto_takes_correlations_where_there_are_some(seed: int, dim: int) -> None:
    factor = np.linalg.cholesky(0.5 + 0.5 * np.eye(dim))
    z, g = logistic(seed, dim, 50)
    assert not is_plain(metric_fit.fit("auto", z @ factor.T, g @ np.linalg.inv(factor)))


def test_auto_is_diagonal_beyond_a_thousand() -> None:
    assert isinstance(metrics.from_gradient("auto", jnp.ones(1001)), Diagonal)


def test_auto_is_as_wide_as_a_direction_that_is_not_normal() -> None:
    """A mixture of N(-5, 1) and N(5, 1) has variance 26 and mean squared gradient 1 nearly; sqrt(26) lies between."""
    rng = np.random.default_rng(0)
    side = rng.choice([-5.0, 5.0], size=(CHAINS, 500, 1))
    z = np.concatenate([side + rng.normal(size=side.shape), rng.normal(size=(CHAINS, 500, 2))], axis=-1)
    g = z - np.concatenate([5 * np.tanh(5 * z[..., :1]), np.zeros((CHAINS, 500, 2))], axis=-1)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    known = metric_fit.fit("dense", z @ turn, g @ turn)
    auto = metric_fit.fit("auto", z @ turn, g @ turn)
    widest = [np.linalg.eigvalsh(matrix(m))[-1] for m in (known, auto)]  # type: ignore[arg-type]
    assert widest == pytest.approx([np.sqrt(26), 26], rel=0.1)


def test_a_flat_start_is_not_stretched() -> None:
    metric = metrics.from_gradient("diagonal", jnp.array([0.0, 4.0, jnp.nan, 1e100]))
    assert np.asarray(metric.forward(jnp.ones(4))) == pytest.approx([1e5, 0.5, 1.0, 1e-50])


def test_a_start_that_is_too_high_is_lowered() -> None:
    def steep(z: jax.Array) -> jax.Array:
        return jnp.sum(z**2) ** 200 + z[0]

    low, high = jnp.array([0.3, 0.9]), jnp.array([1.5, -1.5])
    point, gradient = jax.jit(lambda z: lowered(steep, z))(low)
    assert np.array_equal(point, low)
    assert gradient == pytest.approx(np.asarray(jax.grad(steep)(low)))
    assert steep(high) > 1e100
    point, gradient = jax.jit(lambda z: lowered(steep, z))(high)
    assert steep(point) < HIGHEST
    assert gradient == pytest.approx(np.asarray(jax.grad(steep)(point)))


def arma(y: jax.Array) -> None:
    """Errors are the 200th power of theta times the first, where theta is above one."""
    phi = numpyro.sample("phi", dist.Normal(0, 2))
    theta = numpyro.sample("theta", dist.Normal(0, 2))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))

    def error(before: jax.Array, pair: Any) -> tuple[jax.Array, jax.Array]:
        last, now = pair
        one = now - phi * last - theta * before
        return one, one

    _, errors = jax.lax.scan(error, y[0], (y[:-1], y[1:]))
    numpyro.factor("y", jnp.sum(dist.Normal(0, sigma).log_prob(errors)))


@pytest.mark.slow
def test_chains_come_down_from_starts_of_any_height(infer: Callable[..., Result]) -> None:
    """The posterior of 200 rows is nearly normal around least squares; four chains from (-2, 2) reach it.

    Means are within half a standard error of it, ten times their Monte Carlo error: no false alarms.
    """
    rng = np.random.default_rng(5)
    noise, y = rng.normal(size=201), np.zeros(201)
    for t in range(1, 201):
        y[t] = 0.8 * y[t - 1] + noise[t] + 0.3 * noise[t - 1]
    y = y[1:]

    def residuals(at: np.ndarray) -> np.ndarray:
        errors = [y[0]]
        for last, now in itertools.pairwise(y):
            errors.append(now - at[0] * last - at[1] * errors[-1])
        return np.array(errors[1:])

    fit = scipy.optimize.least_squares(residuals, [0.5, 0.0])
    sd = np.sqrt(np.diag(np.linalg.inv(fit.jac.T @ fit.jac)) * 2 * fit.cost / 197)
    problem = Problem(Program(f"{__name__}:arma", {}), xr.Dataset({"y": ("time", y)}))
    posterior = infer(problem, "nuts", warmup=300, draws=300, seed=1).tree["posterior"]
    for name, best, error in zip(("phi", "theta"), fit.x, sd, strict=True):
        by_chain = posterior[name].to_numpy().mean(axis=1)
        assert by_chain == pytest.approx(np.full(4, best), abs=error / 2)
