import arviz_stats
import numpy as np
import pytest
from scipy.stats import norm

from credo.diagnostics.base import put
from credo.diagnostics.prior_sensitivity import PriorSensitivity, sensitivity, total
from credo.diagnostics.summary import summarise

from .conftest import draws_result, good_draws, good_point


def conjugate(y, prior_sd=1.0, noise=1.0, prior_mean=0.0):
    """Independent posterior draws of mu ~ N(prior_mean, prior_sd), y ~ N(mu, noise)."""
    y = np.asarray(y, float)
    precision = 1 / prior_sd**2 + len(y) / noise**2
    mean = (prior_mean / prior_sd**2 + y.sum() / noise**2) / precision
    mu = np.random.default_rng(0).normal(mean, 1 / np.sqrt(precision), (4, 1000))
    return draws_result(
        {"mu": mu},
        log_prior={"mu": norm.logpdf(mu, prior_mean, prior_sd)},
        log_likelihood={"y": norm.logpdf(y, mu[..., None], noise)},
        observed={"y": y},
    )


def ask(result, sites=None):
    return put(PriorSensitivity(0.05, sites), result, summarise(result))


@pytest.mark.parametrize("group", ["log_prior", "log_likelihood"])
def test_it_is_that_of_arviz(group):
    result = conjugate([2.0, 3.0])
    ours = sensitivity(result, total(result.tree[group].to_dataset()))
    theirs = arviz_stats.psense(result.tree, group=group.removeprefix("log_"))
    assert ours["mu"] == pytest.approx(float(theirs["mu"]), rel=1e-10)


def test_a_weak_prior_passes():
    answer = ask(conjugate(np.linspace(-1, 1, 20), prior_sd=100.0))
    assert answer.status == "passed"
    assert answer.value < 0.05


def test_prior_and_data_that_disagree_are_noted():
    answer = ask(conjugate([10.0, 10.5, 9.5]))
    assert answer.status == "note"
    assert "prior and data may disagree about mu" in answer.advice


def test_a_strong_prior_is_noted():
    answer = ask(conjugate([0.1], noise=100.0))
    assert answer.status == "note"
    assert "the prior rather than the data decides mu" in answer.advice


def test_a_flat_prior_has_no_influence():
    result = draws_result(
        {"mu": np.random.default_rng(0).normal(size=(4, 500))},
        log_prior={"mu": np.zeros((4, 500))},
        log_likelihood={"y": np.random.default_rng(1).normal(size=(4, 500))},
    )
    answer = ask(result)
    assert answer.status == "passed"
    assert answer.value == pytest.approx(0.0, abs=1e-6)


def test_chosen_sites_alone_are_scaled():
    result = conjugate([10.0, 10.5, 9.5])
    result.tree["log_prior"] = result.tree["log_prior"].to_dataset().assign(flat=lambda d: 0 * d["mu"])
    assert ask(result, ["flat"]).status == "passed"
    assert ask(result, ["mu"]).status == "note"
    answer = ask(result, ["nu"])
    assert answer.status == "not checked"
    assert "nu" in answer.advice


def test_what_cannot_be_computed_is_not_checked():
    x = {"x": np.random.default_rng(0).normal(size=(4, 100))}
    assert ask(draws_result(x, log_likelihood={"y": x["x"]})).status == "not checked"
    assert ask(draws_result(x, log_prior={"x": x["x"]}, observed={"y": [0.0]})).status == "not checked"
    nan = np.full((4, 100), np.nan)
    assert ask(draws_result(x, log_prior={"x": nan}, log_likelihood={"y": x["x"]})).status == "not checked"
    few = {"x": x["x"][:, :6]}
    assert ask(draws_result(few, log_prior=few, log_likelihood=few)).status == "not checked"
    assert ask(draws_result({}, log_prior={"x": x["x"]}, log_likelihood={"y": x["x"]})).status == "not checked"


def test_without_data_it_is_not_asked():
    assert ask(draws_result({"x": np.zeros((4, 10))})) is None
    assert ask(good_point()) is None
    assert ask(good_draws()).status == "passed"


@pytest.mark.parametrize(("y", "far"), [([100.0, 101.0, 99.0], True), ([10.0, 10.5, 9.5], False), ([0.1], False)])
def test_data_on_another_scale_are_told(y, far):
    """A hundred standard deviations of the prior away, its pull on the mean is 25 standard deviations."""
    assert ("data.standardise=true" in ask(conjugate(y)).advice) == far
