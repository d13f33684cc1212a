"""The pure core of simulation-based calibration; each test states its rate of false alarms."""

import numpy as np
import pytest
from scipy import stats

from credo.diagnostics.sbc.ranks import rank
from credo.diagnostics.sbc.uniform import ALARMS, POWER, RATIO, SHIFT, alarms, enough, judged
from credo.diagnostics.sbc.verdict import verdict


def exact(generator, replications, scalars, bias=0.0, width=1.0):
    """Ranks of posteriors that are moved by `bias` standard deviations and `width` times as wide."""
    return stats.norm.cdf((generator.normal(size=(replications, scalars)) - bias) / width)


def test_the_rank_among_independent_draws_is_uniform():
    generator = np.random.default_rng(0)
    u = [rank(generator.normal(size=4), generator.normal(size=(4, 2, 20)), generator).u for _ in range(300)]
    assert stats.kstest(np.ravel(u), "uniform").pvalue > 1e-4


def test_ties_are_broken_at_random():
    generator = np.random.default_rng(1)
    u = [
        rank(generator.integers(0, 3, 2).astype(float), generator.integers(0, 3, (2, 1, 30)).astype(float), generator).u
        for _ in range(500)
    ]
    assert stats.kstest(np.ravel(u), "uniform").pvalue > 1e-4


def test_autocorrelated_draws_are_thinned_so_that_ranks_are_uniform():
    generator = np.random.default_rng(2)
    u, kept = [], []
    for _ in range(300):
        noise = generator.normal(size=(1, 2, 400))
        chains = noise.copy()
        for t in range(1, 400):
            chains[..., t] = 0.9 * chains[..., t - 1] + np.sqrt(1 - 0.81) * noise[..., t]
        found = rank(generator.normal(size=1), chains, generator)
        u.append(found.u[0])
        kept.append(found.kept[0])
    assert np.median(kept) < 100
    assert stats.kstest(u, "uniform").pvalue > 1e-4


def test_a_scalar_with_a_draw_that_is_not_finite_has_no_rank():
    draws = np.array([[[0.0, np.nan, 1.0, 2.0]], [[0.0, 1.0, 3.0, 2.0]]])
    u = rank(np.zeros(2), draws, np.random.default_rng(0)).u
    assert np.isnan(u[0])
    assert 0 < u[1] < 1


@pytest.mark.slow
def test_all_scalars_together_alarm_in_at_most_one_percent_of_right_pairs():
    # 2,000 right pairs of 12 scalars: more than 1.7 % alarms has a chance of 0.2 % at the rate of 1 %.
    generator = np.random.default_rng(3)
    found = np.mean([alarms(judged(exact(generator, 300, 12))).any() for _ in range(2000)])
    assert found <= 0.017


@pytest.mark.slow
@pytest.mark.parametrize(("bias", "width"), [(SHIFT, 1.0), (-SHIFT, 1.0), (0.0, RATIO), (0.0, 1 / RATIO)])
def test_enough_replications_find_a_fault_as_often_as_they_promise(bias, width):
    # 400 pairs, one scalar of which is wrong: fewer than 85 % found has a chance below 0.1 % at 90 %.
    generator, scalars = np.random.default_rng(4), 8
    count = enough(scalars)
    hits = []
    for _ in range(400):
        u = exact(generator, count, scalars)
        u[:, :1] = exact(generator, count, 1, bias, width)
        hits.append(alarms(judged(u))[0].any())
    assert np.mean(hits) >= POWER - 0.05


def test_a_quick_look_at_the_rate_of_alarms_and_at_power():
    # 200 right pairs of 12 scalars: more than 8 alarms have a chance of 0.02 % at the rate of 1 %.
    generator = np.random.default_rng(8)
    assert sum(alarms(judged(exact(generator, 100, 12))).any() for _ in range(200)) <= 8
    assert all(alarms(judged(exact(generator, 500, 1, bias=0.4))).any() for _ in range(20))


@pytest.mark.slow
def test_dependent_scalars_do_not_raise_the_rate_of_alarms():
    generator = np.random.default_rng(5)
    u = [np.repeat(exact(generator, 200, 1), 10, axis=1) for _ in range(1000)]
    assert np.mean([alarms(judged(one)).any() for one in u]) <= 2.2 * ALARMS


def test_the_verdict_names_what_is_wrong_and_by_how_much():
    generator = np.random.default_rng(6)
    u = np.concatenate([exact(generator, 500, 2), exact(generator, 500, 1, bias=0.5)], axis=1)
    found = verdict(["a", "b", "c"], u, stats.norm.ppf(u), 0)
    assert found.status == "not calibrated"
    assert "c (draws 0." in found.sentence
    assert "sd too high" in found.sentence
    assert "a (" not in found.sentence


def test_the_verdict_tells_too_few_replications_from_calibrated():
    generator = np.random.default_rng(7)
    u = exact(generator, 500, 3)
    assert verdict(["a", "b", "c"], u, u, 0).status == "calibrated"
    assert verdict(["a", "b", "c"], u[:100], u[:100], 0).status == "too few replications"
    assert verdict(["a", "b", "c"], u, u, 50).status == "too few replications"
    assert verdict(["a", "b", "c"], u[:0], u[:0], 9).status == "too few replications"
