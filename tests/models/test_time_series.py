"""Structural time series: the Kalman filter and smoother against the dense normal distribution, and the Nile."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr

from credo.calibration.fits import fits, judge
from credo.calibration.simulator import Simulator
from credo.data.nile import FLOW, Nile
from credo.diagnostics.loo import require_refits
from credo.errors import ConfigError
from credo.experiment.parts import make_inference
from credo.inference.point.batches import require_rows
from credo.models.dependent import Chain
from credo.models.kalman import Series
from credo.models.problem import Problem
from credo.models.time_series import TimeSeries, coefficients
from registry import compose

PRIORS = {
    "sigma": dist.HalfNormal(1.0),
    "sigma_level": dist.HalfNormal(0.5),
    "sigma_slope": dist.HalfNormal(0.1),
    "sigma_seasonal": dist.HalfNormal(0.1),
    "sigma_ar": dist.HalfNormal(0.5),
    "partial": dist.Uniform(-1.0, 1.0),
}
LATENTS = {"sigma": 0.7, "sigma_level": 0.4, "sigma_slope": 0.1, "sigma_seasonal": 0.3, "sigma_ar": 0.5}
KINDS = {
    "local": {},
    "trend": {"level": "trend"},
    "seasons": {"period": 4},
    "ar": {"level": "none", "ar": 2},
    "all": {"level": "trend", "period": 3, "ar": 1},
}


def series(level="local", period=None, ar=0, initial=2.0, horizon=5):
    return TimeSeries(PRIORS, level, period, ar, initial, horizon)


def latents(model):
    found = {name: jnp.asarray(value) for name, value in LATENTS.items()}
    return found | ({"partial": jnp.array([0.5, -0.3])[: model.ar]} if model.ar else {})


def rows(places=range(9), seed=0):
    places = np.array(list(places), float)
    y = np.random.default_rng(seed).normal(size=len(places)).cumsum()
    return xr.Dataset({"y": ("obs", y), "x": (("obs", "feature"), 1900 + 0.5 * places[:, None])})


def dense(system, times):
    """The covariance of the observations at all times, by the states' own."""
    transition, seen, variances, covariance, noise = map(np.asarray, system)
    every = np.zeros((times, times))
    for t in range(times):
        across = covariance @ seen
        for s in range(t, times):
            every[t, s] = every[s, t] = seen @ across
            across = transition @ across
        every[t, t] += noise
        covariance = transition @ covariance @ transition.T + np.diag(variances)
    return every


@pytest.mark.parametrize("kind", KINDS)
def test_the_filter_and_the_smoother_are_the_dense_normal_distribution(kind):
    """Of rows with gaps: one step ahead, each given all others, and forecasts, to 1e-8."""
    data = rows([0, 1, 2, 4, 5, 8, 9])
    model = series(**KINDS[kind]).fitted(data)
    at, index = latents(model), np.array([0, 1, 2, 4, 5, 8, 9])
    y, times = jnp.asarray(data["y"].to_numpy()), 15
    every = dense(model.system(at), times)
    spread, location = float(model.learned.spread), float(model.learned.location)
    exact = Chain(jnp.full(7, location), spread * jnp.linalg.cholesky(every[np.ix_(index, index)]))
    fn = Problem(model, data).bound.at(at)["y"]["fn"]
    ahead, others = jax.jit(lambda fn, y: (fn.log_prob(y), fn.given_others(y)))(fn, y)
    np.testing.assert_allclose(ahead, exact.log_prob(y), atol=1e-8)
    np.testing.assert_allclose(others, exact.given_others(y), atol=1e-8)
    new = np.array([3, 6, 10, 14])
    found = eqx.filter_jit(model.conditional)(at, jnp.asarray(1900 + 0.5 * new[:, None]))
    gain = np.linalg.solve(every[np.ix_(index, index)], every[np.ix_(index, new)])
    mean = location + gain.T @ (data["y"].to_numpy() - location)
    variance = np.diag(every)[new] - (gain * every[np.ix_(index, new)]).sum(0)
    np.testing.assert_allclose(found.mean[:, 0], mean, atol=1e-8)
    np.testing.assert_allclose(found.variance[:, 0], spread**2 * variance, atol=1e-8)


def test_draws_have_the_covariance_of_the_series():
    model = series(ar=1)
    system = model.system(latents(model))
    fn = Series(system, jnp.arange(4), jnp.ones(4, bool), 1.0, 2.0)
    draws = jax.jit(partial(fn.sample, sample_shape=(20_000,)))(jax.random.PRNGKey(0))
    np.testing.assert_allclose(np.cov(draws.T), 4 * dense(system, 4), rtol=0.05, atol=0.5)


def test_the_likelihood_of_the_nile_is_that_of_durbin_and_koopman():
    """Their maximum, 15,099 and 1,469.1 (2012, section 2.10.3), is higher than its neighbours."""
    assert np.mean(FLOW) == pytest.approx(919.35)
    data = Nile(0.0).load(None, 0)
    model = series(initial=1000.0).fitted(data)
    problem = Problem(model, data)

    @jax.jit
    def log_likelihood(noise, level):
        spread = model.learned.spread
        at = {"sigma": jnp.sqrt(noise) / spread, "sigma_level": jnp.sqrt(level) / spread}
        return problem.bound.at(at)["y"]["fn"].log_prob(jnp.asarray(data["y"].to_numpy())).sum()

    slope = jax.grad(lambda logs: log_likelihood(*jnp.exp(logs)))(jnp.log(jnp.array([15098.5, 1469.1])))
    np.testing.assert_allclose(slope, 0.0, atol=2e-3)
    diffuse = float(log_likelihood(15098.5, 1469.1) + np.log(1000.0 * model.learned.spread) + 0.5 * np.log(2 * np.pi))
    assert diffuse == pytest.approx(-632.5456, abs=2e-3)


def test_partial_autocorrelations_make_stationary_coefficients():
    for seed in range(20):
        phi = np.asarray(coefficients(jnp.asarray(np.random.default_rng(seed).uniform(-1, 1, 4))))
        assert abs(np.roots([1.0, *-phi])).max() < 1.0


def test_held_out_years_are_forecast_and_what_lies_too_far_is_refused():
    data = rows(range(12))
    train, test = data.isel(obs=slice(0, 9)), data.isel(obs=slice(9, 12))
    model = series().fitted(train)
    found = Problem(model, train, test).bound_test.at(latents(model))["y"]["fn"]
    expected = model.conditional(latents(model), jnp.asarray(test["x"].to_numpy()))
    np.testing.assert_allclose(found.mean, expected.mean[:, 0])
    with pytest.raises(ConfigError, match=r"expected 1900 to 1906\.5; set model\.horizon"):
        model.require_rows(np.array([[1910.0]]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"level": "flat"}, "level: expected one of local, trend, none, but got 'flat'"),
        ({"level": "none"}, "level: none leaves a series without parts"),
        ({"period": 1}, "period: expected at least 2 steps of time"),
    ],
)
def test_what_a_series_cannot_be_is_refused(settings, words):
    with pytest.raises(ConfigError) as refused:
        series(**settings)
    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    ("places", "words"),
    [([0, 2, 1], "the time to increase, but row 3 is not later"), ([0, 1, 2.5], "expected times at whole steps")],
)
def test_times_that_are_no_series_are_refused(places, words):
    with pytest.raises(ConfigError, match=words):
        series().fitted(rows(places))


def test_rows_that_depend_on_each_other_are_neither_batched_nor_left_out():
    data = rows()
    problem = Problem(series().fitted(data), data)
    with pytest.raises(ConfigError, match=r"inference\.batch_size: the rows of model=time_series depend"):
        require_rows(problem, 3)
    with pytest.raises(ConfigError, match=r"refit: the rows of model=time_series depend on each other"):
        require_refits(problem, make_inference(compose("inference=nuts")))


@pytest.mark.slow
def test_the_calibration_of_a_series_raises_no_alarm():
    """200 replications raise no alarm, whose rate is 1 %; that they would miss a small bias is no alarm."""
    data = rows(range(20))
    problem = Problem(series(ar=1).fitted(data), data)
    method = make_inference(compose("inference=nuts", "inference.draws=250", "inference.warmup=250"))
    found = pd.concat(fits(Simulator(problem), method, 0, range(200), lambda: None), ignore_index=True)
    judged = judge(found)
    assert judged.status != "not calibrated", judged.sentence
    assert judged.sentence.startswith("No alarm") or judged.status == "calibrated"
