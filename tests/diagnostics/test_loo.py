import arviz_stats
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from credo.diagnostics import loo
from credo.diagnostics.base import put
from credo.diagnostics.loo import Loo, leave_one_out, loo_metrics
from credo.diagnostics.summary import summarise

from .conftest import draws_result, good_draws, good_point

Y = np.random.default_rng(3).normal(1.0, 1.0, 20)
PRIOR_VARIANCE = 4.0


def conjugate(y=Y, chains=4, draws=1000, split=0):
    """Independent posterior draws of mu ~ N(0, 4), y ~ N(mu, 1); the last `split` observations as a second site."""
    variance = 1 / (1 / PRIOR_VARIANCE + len(y))
    mu = np.random.default_rng(0).normal(variance * y.sum(), np.sqrt(variance), (chains, draws))
    log_likelihood = norm.logpdf(y, mu[..., None])
    sites = {"y": log_likelihood[..., : len(y) - split]}
    if split:
        sites["z"] = log_likelihood[..., len(y) - split :]
    return draws_result({"mu": mu}, log_likelihood=sites, observed={"y": y})


def ask(result):
    return put(Loo(0.7), result, summarise(result))


def test_it_is_that_of_arviz():
    result = conjugate()
    theirs = arviz_stats.loo(result.tree, pointwise=True)
    ours = loo_metrics(result)
    assert ours["elpd_loo"] == pytest.approx(theirs.elpd, rel=1e-12)
    assert ours["elpd_loo_se"] == pytest.approx(theirs.se, rel=1e-12)
    assert ours["p_loo"] == pytest.approx(theirs.p, rel=1e-10)
    np.testing.assert_allclose(leave_one_out(result)["pareto_k"], theirs.pareto_k, rtol=1e-10)


def test_many_observations_are_worked_on_part_by_part(monkeypatch):
    whole = leave_one_out(conjugate())
    monkeypatch.setattr(loo, "MOST_AT_ONCE", 3 * 4000)
    pd.testing.assert_frame_equal(leave_one_out(conjugate()), whole, check_exact=True)


def test_it_is_the_exact_answer_of_a_conjugate_model():
    variance = 1 / (1 / PRIOR_VARIANCE + len(Y) - 1)
    exact = norm.logpdf(Y, variance * (Y.sum() - Y), np.sqrt(1 + variance)).sum()
    # 4,000 independent draws give each of the 20 terms to about 0.001, and their errors are correlated.
    assert loo_metrics(conjugate())["elpd_loo"] == pytest.approx(exact, abs=0.03)
    assert ask(conjugate()).status == "passed"


def test_several_sites_are_taken_together():
    assert loo_metrics(conjugate(split=8)) == pytest.approx(loo_metrics(conjugate()), rel=1e-12)
    assert list(leave_one_out(conjugate(split=8)).index[-2:]) == ["z[6]", "z[7]"]


def test_an_influential_observation_is_noted_and_named():
    y = np.append(Y[:4], 15.0)
    answer = ask(conjugate(y))
    assert answer.status == "note"
    assert answer.value > answer.threshold
    assert "y[4]" in answer.advice


def test_few_draws_lower_the_bar():
    assert ask(conjugate(chains=2, draws=50)).threshold == pytest.approx(1 - 1 / np.log10(100))


def test_an_observation_that_says_nothing_changes_nothing():
    result = draws_result(
        {"mu": np.random.default_rng(0).normal(size=(4, 100))}, log_likelihood={"y": np.full((4, 100, 2), -1.5)}
    )
    assert loo_metrics(result) == pytest.approx(
        {"elpd_loo": -3.0, "elpd_loo_se": 0.0, "p_loo": 0.0, "pareto_k_max": 0.0}, abs=1e-12
    )


def test_too_few_draws_are_unreliable():
    assert leave_one_out(conjugate(chains=2, draws=5))["pareto_k"].tolist() == [np.inf] * len(Y)
    assert ask(conjugate(chains=2, draws=5)).status == "note"


def test_a_tail_that_cannot_be_fitted_is_unreliable():
    rng = np.random.default_rng(0)
    # The tail of about 189 draws begins with many equal values, for which ArviZ gives k = NaN.
    ratios = rng.permutation(np.concatenate([rng.uniform(-1, 0, 3750), np.full(150, 1.0), np.full(100, 2.0)]))
    result = draws_result(
        {"mu": ratios.reshape(4, 1000)}, log_likelihood={"y": -np.stack([ratios, ratios], -1).reshape(4, 1000, 2)}
    )
    assert leave_one_out(result)["pareto_k"].tolist() == [np.inf, np.inf]
    assert ask(result).status == "note"


def test_a_log_likelihood_that_is_not_finite_is_not_checked():
    log_likelihood = np.zeros((4, 100, 2))
    log_likelihood[0, 0, 0] = -np.inf
    result = draws_result({"mu": np.zeros((4, 100))}, log_likelihood={"y": log_likelihood})
    assert ask(result).status == "not checked"
    assert loo_metrics(result) == {}


def test_the_answer_that_is_kept_is_of_the_same_result():
    first, second = conjugate(), conjugate(Y[:10])
    assert len(leave_one_out(first)) == 20
    assert len(leave_one_out(second)) == 10
    assert len(leave_one_out(first)) == 20


def test_without_a_log_likelihood_it_is_not_checked_and_without_data_not_asked():
    x = {"x": np.random.default_rng(0).normal(size=(4, 10))}
    assert ask(draws_result(x, observed={"y": Y})).status == "not checked"
    assert ask(draws_result(x)) is None
    assert ask(good_point()) is None
    assert loo_metrics(good_point()) == {}
    assert ask(good_draws()).status == "passed"


def test_the_only_observation_is_not_left_out():
    assert ask(conjugate(y=Y[:1])) is None
