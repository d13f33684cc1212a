import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma, expit, polygamma
from scipy.stats import beta, norm

from credo.inference.variational.importance import effective, resample, weigh

RNG = np.random.default_rng(0)


def test_the_mean_ratio_is_the_normaliser_within_three_errors():
    q = stats.norm(0, 1.2)
    draws = q.rvs(4000, random_state=1)
    found = weigh(stats.norm(0, 1).logpdf(draws) + 5.0 - q.logpdf(draws))
    assert found.usable
    assert abs(found.log_mean - 5.0) < 3 * found.error < 0.05


def test_a_tail_that_the_approximation_lacks_has_a_large_k():
    q = stats.norm(0, 1)
    draws = q.rvs(4000, random_state=1)
    found = weigh(stats.t(2, scale=3).logpdf(draws) - q.logpdf(draws))
    assert found.pareto_k > 0.7
    assert not found.usable


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_ratio_that_is_no_number_leaves_k_unknown(bad):
    ratio = RNG.normal(size=1000)
    ratio[3] = bad
    found = weigh(ratio)
    assert np.isnan(found.pareto_k)
    assert not found.usable


def test_draws_where_the_posterior_is_zero_get_no_weight():
    ratio = 0.3 * np.random.default_rng(1).normal(size=1000)
    ratio[:100] = -np.inf
    found = weigh(ratio)
    assert found.usable
    assert np.exp(found.log_weight[:100]).sum() == 0
    assert found.log_mean == pytest.approx(np.log(np.exp(ratio).mean()), abs=0.01)


def test_weights_of_two_sizes_have_no_tail():
    """As where an approximation has two modes and gives them the wrong shares."""
    ratio = np.repeat([0.0, 1.0], 2000) + 1e-4 * np.random.default_rng(2).standard_cauchy(size=4000).clip(-100, 100)
    found = weigh(ratio)
    assert found.usable
    assert found.log_mean == pytest.approx(np.log(np.exp(ratio).mean()), abs=1e-3)


def test_too_few_draws_leave_k_unknown():
    assert np.isnan(weigh(np.zeros(24)).pareto_k)


def test_each_draw_is_taken_as_often_as_its_weight_says():
    weights = RNG.gamma(2.0, size=500)
    weights /= weights.sum()
    chosen, worth = resample(weights, 0.3)
    counts = np.bincount(chosen, minlength=500)
    assert np.all(np.abs(counts - 500 * weights) < 1)
    assert worth < 1 / np.sum(weights**2)


def test_equal_weights_keep_every_draw_and_all_that_they_are_worth():
    chosen, worth = resample(np.full(8, 1 / 8), 0.5)
    assert chosen.tolist() == list(range(8))
    assert worth == pytest.approx(8) == effective(np.full(8, 1 / 8))


def test_an_approximation_that_is_nearly_right_is_usable_though_most_ratios_are_equal():
    """The logit of a Beta(8, 4) number by the normal distribution of its mean and standard deviation; 20 seeds.

    k is 0.43 in the median, and less than 0.7 in 94 % of seeds.
    """
    center, scale = digamma(8) - digamma(4), np.sqrt(polygamma(1, 8) + polygamma(1, 4))
    usable = 0
    for seed in range(20):
        z = center + scale * np.random.default_rng(seed).normal(size=4000)
        log_p = beta.logpdf(expit(z), 8, 4) - z - 2 * np.log1p(np.exp(-z))
        found = weigh(log_p - norm.logpdf(z, center, scale))
        usable += found.usable
        assert abs(found.log_mean) < 0.01
    assert usable >= 15


def test_the_error_of_the_normaliser_covers_it_where_the_ratios_have_no_variance():
    """Normal draws for a Student t target of three dimensions, with k between 0.5 and 0.7: 40 seeds.

    Three errors cover the normaliser in all of those that are usable; by the delta method alone they do in half.
    """
    covered = []
    for seed in range(40):
        z = 0.8 * np.random.default_rng(seed).normal(size=(4000, 3))
        found = weigh((stats.t(4, scale=0.7).logpdf(z) - norm.logpdf(z, scale=0.8)).sum(axis=1))
        if found.usable and found.pareto_k > 0.5:
            covered.append(abs(found.log_mean) < 3 * found.error)
    assert len(covered) >= 10
    assert all(covered)
