"""Moments that do not exist are not reported, and those that do are."""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from credo.diagnostics.base import put
from credo.diagnostics.collect import collect
from credo.diagnostics.mcse import Mcse
from credo.diagnostics.moments import Moments
from credo.diagnostics.summary import heavy, summarise

from .conftest import draws_result, good_point

REPEATS = 25
"""Results per distribution and autocorrelation in these tests, each with a scalar of 4 x 1,000 draws."""


def chains(distribution, rho=0.0, seed=0):
    """Stationary draws [chain, draw, scalar] whose normal scores are autoregressive."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(4, 1000, REPEATS))
    noise[:, 0] /= np.sqrt(1 - rho**2)
    scores = lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=1)
    return distribution.ppf(stats.norm.cdf(scores))


def summary_of(distribution, rho=0.0):
    return summarise(draws_result({"x": chains(distribution, rho)}))


# In the simulations of `tails`, none of 450 each was noticed by mistake.
@pytest.mark.parametrize("rho", [0.0, 0.8])
@pytest.mark.parametrize(
    "distribution", [stats.norm(), stats.expon(), stats.lognorm(1.0), stats.t(5), stats.t(3)], ids=lambda d: d.dist.name
)
def test_moments_that_exist_are_reported(distribution, rho):
    summary = summary_of(distribution, rho)
    assert not heavy(summary).any()
    assert summary[["mean", "sd", "mcse_mean"]].notna().all(axis=None)


# In the simulations of `tails`, all of 450 were noticed.
@pytest.mark.parametrize("rho", [0.0, 0.8])
@pytest.mark.parametrize("distribution", [stats.cauchy(), stats.halfcauchy()], ids=["cauchy", "halfcauchy"])
def test_moments_that_do_not_exist_are_left_out(distribution, rho):
    summary = summary_of(distribution, rho)
    assert heavy(summary).all()
    assert summary[["mean", "sd", "mcse_mean"]].isna().all(axis=None)
    assert summary["q50"].to_numpy() == pytest.approx(distribution.median(), abs=0.25)


def test_the_left_tail_is_seen_and_the_scale_is_not():
    x = -1e-9 * chains(stats.halfcauchy())
    assert heavy(summarise(draws_result({"x": x}))).all()


def one(distribution, seed=0):
    y = np.random.default_rng(1).normal(size=(4, 1000))
    return draws_result({"x": chains(distribution, seed=seed)[..., :1], "y": y})


def test_they_are_noted_with_what_to_read():
    result = one(stats.halfcauchy())
    answer = put(Moments(), result, summarise(result))
    assert answer.status == "note"
    assert answer.value > 0.7
    assert "means and standard deviations need not exist (x[0])" in answer.advice
    assert "median" in answer.advice


def test_light_tails_pass():
    result = one(stats.norm())
    assert put(Moments(), result, summarise(result)).status == "passed"


def test_metrics_have_no_mean_that_does_not_exist():
    result = one(stats.halfcauchy())
    result.tree["sample_stats"] = result.tree["start"]  # none
    numbers = collect(result, summarise(result))
    assert {name for name in numbers if "x[0]" in name} == {f"posterior/{q}/x[0]" for q in ("q5", "q50", "q95")}
    assert "posterior/mean/y" in numbers


def test_the_error_is_that_of_quantiles_where_there_is_no_mean():
    """Of the half-Cauchy's 95 % quantile it is sqrt(p (1 - p) / n) / density = 0.88, and the interval is 12.6 wide."""
    result = one(stats.halfcauchy())
    answer = put(Mcse(0.01), result, summarise(result))
    assert answer.status == "failed"
    assert answer.value == pytest.approx(0.88 / 12.6, rel=0.3)
    assert put(Mcse(0.1), result, summarise(result)).status == "passed"


def test_few_draws_and_points_are_not_judged():
    short = draws_result({"x": np.random.default_rng(0).normal(size=(4, 10))})
    assert Moments()(short, summarise(short)).status == "not checked"
    assert put(Moments(), good_point(), summarise(good_point())) is None


def test_counts_and_constants_are_not_asked():
    counts = np.random.default_rng(0).geometric(0.01, (4, 1000)) ** 4
    result = draws_result({"n": counts, "one": np.ones((4, 1000))}, sampled=("n",))
    assert summarise(result)["pareto_k"].isna().all()
    assert put(Moments(), result, summarise(result)).status == "passed"
