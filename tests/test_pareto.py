"""The Pareto tails of all rows at once are those of ArviZ, which takes one after another."""

import numpy as np
import pytest
from scipy.special import logsumexp

from arviz_arrays import array_stats
from credo import pareto
from credo.pareto import fit, length, shape, smooth

RNG = np.random.default_rng(0)
CASES = {
    **{f"normal, {n} draws": RNG.normal(size=(6, n)) for n in (26, 100, 224, 225, 226, 400, 4000)},
    **{f"t, {n} draws": RNG.standard_t(2, size=(6, n)) for n in (26, 225, 4000)},
    "bounded": np.log(RNG.uniform(size=(6, 2000))),
    "exponential": RNG.exponential(size=(6, 2000)),
    "Cauchy": RNG.standard_cauchy(size=(6, 2000)),
    "equal ones": np.round(RNG.normal(size=(6, 1000)), 1),
    "plateau": np.sort(np.concatenate([RNG.uniform(-1, 0, (2, 3750)), np.ones((2, 150)), np.full((2, 100), 2.0)], 1)),
    "all equal": np.zeros((2, 1000)),
    "too few": RNG.normal(size=(2, 24)),
    "weights of zero": np.where(RNG.uniform(size=(3, 1000)) < 0.1, -np.inf, RNG.normal(size=(3, 1000))),
}


def of_arviz(log_ratio, r_eff):
    """Their log weights in order, since which of equal ratios are smoothed is a matter of chance, and the shape."""
    try:
        log_weight, k = array_stats.psislw(-log_ratio, r_eff=r_eff)
    except ValueError:  # no tail
        return np.sort(log_ratio - logsumexp(log_ratio)), np.nan
    return np.sort(log_weight), k


@pytest.mark.parametrize("r_eff", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore")
def test_smoothed_ratios_are_those_of_arviz(case, r_eff):
    log_ratio = CASES[case]
    log_weight, k = smooth(log_ratio, length(log_ratio.shape[1], r_eff))
    theirs = [of_arviz(row, r_eff) for row in log_ratio]
    np.testing.assert_allclose(k, [k for _, k in theirs], rtol=1e-10)
    np.testing.assert_allclose(np.sort(log_weight), [row for row, _ in theirs], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(logsumexp(log_weight, axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("case", ["normal, 4000 draws", "t, 4000 draws", "Cauchy", "bounded"])
def test_the_shape_of_a_tail_is_that_of_arviz(case):
    draws = CASES[case]
    count, tail = draws.shape[1], draws.shape[1] // 7
    r_eff = 9 * count / (tail + 0.5) ** 2
    theirs = [array_stats.pareto_khat(row[None], r_eff=r_eff, tail="right") for row in draws]
    np.testing.assert_allclose(shape(draws, tail), np.array(theirs, float), rtol=1e-10)


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.9])
def test_a_pareto_tail_has_its_shape(k):
    # Of 20,000 excesses the standard error of the shape is (1 + k) / sqrt(20000), at most 0.014; five of them.
    u = np.random.default_rng(3).uniform(size=(4, 20_000))
    found, scale = fit(np.sort(2.0 * np.expm1(-k * np.log(u)) / k, axis=1))
    np.testing.assert_allclose(found, k, atol=0.07)
    np.testing.assert_allclose(scale, 2.0, rtol=0.07)


def test_how_many_rows_are_worked_on_at_once_changes_nothing(monkeypatch):
    log_ratio = CASES["t, 4000 draws"]
    whole = smooth(log_ratio, length(4000))
    monkeypatch.setattr(pareto, "AT_ONCE", 1)
    assert all(np.array_equal(a, b) for a, b in zip(whole, smooth(log_ratio, length(4000)), strict=True))


def test_a_tail_that_is_too_short_or_has_one_value_has_no_shape():
    assert np.isnan(shape(RNG.normal(size=(2, 100)), 4)).all()
    assert np.isnan(shape(np.ones((2, 100)), 20)).all()
    assert np.isnan(smooth(np.zeros((2, 100)), 20).k).all()
