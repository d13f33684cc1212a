"""Warm-ups that end when they have settled, targets that rise, and the beginnings of all chains together."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.errors import ConfigError
from credo.inference.base import Inference
from credo.inference.mcmc import metric as metrics
from credo.inference.mcmc import metric_fit
from credo.inference.mcmc.metric import Dense, Diagonal, LowRank, Metric
from credo.inference.mcmc.warmup import Told, settled
from credo.inference.result import Result
from credo.models.gaussian import Gaussian
from credo.models.hierarchical import Hierarchical
from credo.models.problem import Problem
from interruptions import Cut, Memory

Method = Callable[..., Inference]
Infer = Callable[..., Result]

SHORT = {"warmup": "auto", "warmup_max": 400, "draws": 60, "block": 40}
Y, SIGMA = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]


@pytest.fixture(scope="module")
def plain() -> Problem:
    prior = {"loc": dist.Normal(0.0, 2.0), "sigma": dist.HalfNormal(1.0)}
    return Problem(Gaussian(prior, None, (0.0, 1.0)), xr.Dataset({"y": ("row", [1.2, 0.7, -0.3, 0.4, 0.9])}))


@pytest.fixture(scope="module")
def funnel() -> Problem:
    prior = {"mu": dist.Normal(0.0, 5.0), "tau": dist.HalfCauchy(5.0), "sigma": dist.HalfCauchy(5.0)}
    data = xr.Dataset({"y": ("obs", Y), "sigma": ("obs", SIGMA)})
    return Problem(Hierarchical(prior, True), data)


def told(seed: int = 0, **other: Any) -> Told:
    """Of 57 draws of four chains that have arrived."""
    rng, shape = np.random.default_rng(seed), (4, 57)
    lp, rate, energy = rng.normal(size=shape), rng.uniform(0.9, 1.0, shape), rng.normal(size=shape)
    return Told(lp, rate, energy, np.zeros(shape))._replace(**other)


def test_a_warm_up_has_settled_where_nothing_is_left_to_learn() -> None:
    assert settled(told(), 113, 9, 0.95, in_use=0.2, learned=0.15)
    assert not settled(told(), 75, 9, 0.95, in_use=0.2, learned=0.15)  # too few draws
    assert not settled(told(), 113, 57, 0.95, in_use=0.2, learned=0.15)  # for so many latents
    assert not settled(told(), 113, 9, 0.95, in_use=0.3, learned=0.15)  # another metric is better
    assert not settled(told(), 113, 9, 0.95, in_use=1.1, learned=1.1)  # none is good
    assert not settled(told(), 113, 9, 0.8, in_use=0.2, learned=0.15)  # the step size is too small
    assert not settled(told(lp=told().lp + np.array([[0], [0], [0], [3]])), 113, 9, 0.95, 0.2, 0.15)  # chains are apart
    assert not settled(told(lp=told().lp + np.linspace(0, 4, 57)), 113, 9, 0.95, 0.2, 0.15)  # and on their way
    for unknown in (np.nan, np.inf):
        assert not settled(told(), 113, 9, 0.95, in_use=unknown, learned=0.1)
    assert not settled(told(lp=np.full((4, 57), np.nan)), 113, 9, 0.95, 0.2, 0.15)


def test_a_trial_fails_by_one_divergence_or_slow_energies() -> None:
    assert not told().has_failed
    one = np.zeros((4, 57))
    one[2, 5] = 1
    assert told(diverging=one).has_failed
    slow = told().energy.copy()
    slow[1] = np.cumsum(slow[1])
    assert told(energy=slow).has_failed
    assert not told(energy=np.full((4, 57), np.nan)).has_failed  # of a kernel that has none


def test_it_ends_early_and_goes_on_to_the_same_bits_wherever_it_is_cut(plain: Problem, method: Method) -> None:
    """In a window, in the last stretch, in the trial of a step size, and while chains are made longer."""
    chosen, key, listener, kept = method("nuts", **SHORT, target_accept="auto"), jax.random.PRNGKey(1), Cut(), Memory()
    whole = chosen.run(plain, key, listener, kept)
    made = whole.tree["sample_stats"].attrs
    assert 113 <= made["warmup"] <= 400
    assert made["target_accept"] in (0.8, 0.95, 0.99)
    phases = [(phase, done, total) for phase, done, total, _ in listener.heard]
    assert ("warmup", 640, 640) in phases
    assert len(phases) < 20
    for cut in range(len(phases)):
        memory, again = Memory(), Cut()
        with pytest.raises(KeyboardInterrupt):
            chosen.run(plain, key, Cut(cut), memory)
        result = chosen.run(plain, key, again, Memory(memory.kept))
        xr.testing.assert_identical(result.tree["posterior"].to_dataset(), whole.tree["posterior"].to_dataset())
        assert result.tree["sample_stats"].attrs == made
        assert again.heard == listener.heard
        assert result.cost.gradients == whole.cost.gradients
    long = method("nuts", **SHORT | {"draws": 100}, target_accept="auto")
    longer, fresh = (long.run(plain, key, Cut(), Memory(one)) for one in (kept.kept, None))
    xr.testing.assert_identical(longer.tree["posterior"].to_dataset(), fresh.tree["posterior"].to_dataset())
    assert kept.kept is not None
    assert kept.kept.numbers["done"] - kept.kept.numbers["longest"] == 60


def test_a_funnel_does_not_settle_and_its_target_rises(funnel: Problem, infer: Infer) -> None:
    result = infer(funnel, "nuts", **SHORT, target_accept="auto")
    made = result.tree["sample_stats"].attrs
    assert made["warmup"] > 400
    assert made["target_accept"] > 0.8


@pytest.mark.parametrize(("rows", "target"), [(19_999, 0.95), (20_000, 0.8)])
def test_of_many_rows_the_target_is_lower(rows: int, target: float, infer: Infer) -> None:
    """Their posterior is close to a normal one, and their gradients are dear."""
    y = np.random.default_rng(0).normal(size=rows)
    model = Gaussian({"loc": dist.Normal(0.0, 10.0), "sigma": dist.HalfNormal(5.0)}, None, (0.0, 1.0))
    result = infer(Problem(model, xr.Dataset({"y": ("obs", y)})), "nuts", **SHORT)
    assert result.tree["sample_stats"].attrs["target_accept"] == target


def test_what_cannot_settle_or_rise_is_refused(plain: Problem, method: Method, unchecked: None) -> None:
    for name in ("mh", "chees", "mams"):
        with pytest.raises(ConfigError, match=rf"inference\.warmup=auto: inference={name} learns more"):
            method(name, warmup="auto").check(plain)
    with pytest.raises(ConfigError, match="warmup: expected a whole number of at least 0, or auto, but got 'soon'"):
        method("nuts", warmup="soon")
    with pytest.raises(ConfigError, match="target_accept: expected a number between 0 and 1, or auto, but got 'high'"):
        method("nuts", target_accept="high")
    with pytest.raises(ConfigError, match="target_accept: expected a number between 0 and 1, but got 'auto'"):
        method("mams", target_accept="auto")


def random(kind: type[Metric], rng: np.random.Generator, dim: int = 7) -> Metric:
    vectors = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    scale = np.exp(rng.normal(size=dim))
    if kind is Diagonal:
        return Diagonal(jnp.asarray(scale))
    if kind is Dense:
        return Dense(jnp.asarray(np.linalg.cholesky(vectors * scale @ vectors.T)))
    return LowRank(jnp.asarray(scale), jnp.asarray(vectors[:, :3]), jnp.asarray(scale[:3]))


@pytest.mark.parametrize("kind", metrics.KINDS.values())
def test_the_host_sees_draws_in_the_coordinates_of_the_sampler(kind: type[Metric]) -> None:
    rng = np.random.default_rng(0)
    metric, z, g = random(kind, rng), rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    y, slope = metric.on_host(z, g)
    np.testing.assert_allclose(y, np.stack([metric.backward(jnp.asarray(one)) for one in z]), rtol=1e-9)
    np.testing.assert_allclose(slope, np.stack([metric.pull(jnp.asarray(one)) for one in g]), rtol=1e-9)


def test_the_divergence_is_nothing_of_a_perfect_metric_and_endless_of_no_draws() -> None:
    rng = np.random.default_rng(0)
    metric = random(Dense, rng)
    factor = np.asarray(metric.factor)  # type: ignore[attr-defined]
    y = rng.normal(size=(4, 50, 7))
    z, g = y @ factor.T, y @ np.linalg.inv(factor)
    assert metric_fit.divergence(metric, z, g) == pytest.approx(0, abs=1e-20)
    double = Dense(2 * metric.factor)  # type: ignore[attr-defined]
    expected = (2 - 1 / 2) ** 2 * np.mean((y[:, 25:] - y[:, 25:].mean(1, keepdims=True)) ** 2)
    assert metric_fit.divergence(double, z, g) == pytest.approx(expected)
    assert metric_fit.divergence(metric, z, g * np.nan) == np.inf


def test_one_chain_near_a_flat_place_or_far_out_does_not_spoil_the_first_guess() -> None:
    gradients = np.abs(np.random.default_rng(0).normal(size=(4, 60)))
    gradients[0, 0], gradients[1, 1:] = 1e-9, 1e60
    for name in ("dense", "low_rank", "diagonal"):
        own = jax.vmap(lambda gradient, name=name: metrics.from_gradient(name, gradient))(jnp.asarray(gradients))
        assert np.ptp(np.log(metrics.shared(name, own).scales)) < np.log(10)
        assert np.ptp(np.log(np.asarray(own.scales[0]))) > np.log(1000)


def test_the_first_trees_are_shallow(infer: Infer) -> None:
    data = xr.Dataset({"y": ("obs", Y * 10), "sigma": ("obs", SIGMA * 10)})
    prior = {"mu": dist.Normal(0.0, 5.0), "tau": dist.HalfCauchy(5.0), "sigma": dist.HalfCauchy(5.0)}
    result = infer(Problem(Hierarchical(prior, True), data), "nuts", warmup=20, draws=1)
    made = int(result.tree["sample_stats"]["n_steps"].sum())
    assert result.cost.gradients - made <= 4 * 20 * 63
