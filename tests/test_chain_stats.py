"""The statistics of all scalars at once are those of ArviZ, which takes one after another."""

from functools import partial

import numpy as np
import pytest

from arviz_arrays import array_stats
from credo import chain_stats
from credo.chain_stats import ess_bulk, ess_mean, ess_quantile, mcse_mean, mcse_quantile, of, r_hat, scores

OURS = {
    "r_hat": r_hat,
    "ess_bulk": ess_bulk,
    "ess_mean": ess_mean,
    "ess_05": partial(ess_quantile, prob=0.05),
    "ess_95": partial(ess_quantile, prob=0.95),
    "mcse_mean": mcse_mean,
    "mcse_05": partial(mcse_quantile, prob=0.05),
    "mcse_50": partial(mcse_quantile, prob=0.5),
}
THEIRS = {
    "r_hat": array_stats.rhat,
    "ess_bulk": array_stats.ess,
    "ess_mean": partial(array_stats.ess, method="mean"),
    "ess_05": partial(array_stats.ess, method="quantile", prob=0.05),
    "ess_95": partial(array_stats.ess, method="quantile", prob=0.95),
    "mcse_mean": array_stats.mcse,
    "mcse_05": partial(array_stats.mcse, method="quantile", prob=0.05),
    "mcse_50": partial(array_stats.mcse, method="quantile", prob=0.5),
}


def autoregression(rho, shape):
    x = np.random.default_rng(1).normal(size=shape)
    for t in range(1, shape[-1]):
        x[..., t] += rho * x[..., t - 1]
    return x


def with_nan():
    draws = np.random.default_rng(2).normal(size=(3, 4, 100))
    draws[1, 2, 3] = np.nan
    return draws


RNG = np.random.default_rng(0)
CASES = {
    **{f"{c} chains of {n}": RNG.normal(size=(5, c, n)) for c in (1, 2, 4, 7) for n in (4, 5, 6, 7, 8, 9, 21, 100)},
    "heavy tails": RNG.standard_cauchy(size=(8, 4, 1000)),
    "slow": autoregression(0.95, (8, 4, 500)),
    "antithetic": autoregression(-0.7, (8, 4, 501)),
    "counts": RNG.poisson(1.0, size=(8, 4, 333)).astype(float),
    "rare events": (RNG.uniform(size=(8, 4, 333)) < 0.01).astype(float),
    "rejections": np.repeat(RNG.normal(size=(8, 4, 100)), 5, axis=2),
    "far from zero": 1e12 + RNG.normal(size=(8, 4, 200)),
    "a NaN": with_nan(),
    "constant": np.ones((2, 4, 100)),
    "many": RNG.normal(size=(400, 4, 250)),
}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore")
def test_they_are_those_of_arviz(case, name):
    draws = CASES[case]
    theirs = np.asarray(THEIRS[name](draws), float)
    if np.isnan(draws).any() and name.startswith("mcse_"):
        theirs = np.where(np.isnan(draws).any(axis=(1, 2)), np.nan, theirs)
    np.testing.assert_allclose(of(draws, OURS[name])[0], theirs, rtol=1e-10, atol=0)


def test_nested_r_hat_is_that_of_arviz():
    draws = RNG.normal(size=(5, 12, 101)) + np.repeat(RNG.normal(size=(5, 3, 1)), 4, axis=1)
    theirs = array_stats.rhat_nested(draws, superchain_ids=np.arange(12) // 4)
    np.testing.assert_allclose(of(draws, partial(r_hat, together=4))[0], theirs, rtol=1e-10)


def test_a_scale_changes_nothing_however_small():
    """ArviZ takes draws that differ by less than 1e-15 for constant, and each of them for an effective one."""
    draws = autoregression(0.95, (3, 4, 500))
    np.testing.assert_allclose(of(1e-20 * draws, *OURS.values())[:3], of(draws, *OURS.values())[:3], rtol=1e-8)
    assert (array_stats.ess(1e-20 * draws, method="mean") == 2000).all()


def test_how_many_scalars_are_worked_on_at_once_changes_nothing(monkeypatch):
    draws = RNG.normal(size=(7, 4, 100))
    whole = of(draws, *OURS.values())
    monkeypatch.setattr(chain_stats, "AT_ONCE", 900)
    assert np.array_equal(of(draws, *OURS.values()), whole)


def test_nothing_is_known_of_few_draws_or_of_no_scalars():
    assert np.isnan(of(RNG.normal(size=(2, 4, 3)), *OURS.values())).all()
    assert np.isnan(of(np.full((2, 4, 100), np.nan), *OURS.values())).all()
    assert of(np.empty((0, 4, 100)), *OURS.values()).shape == (len(OURS), 0)


def test_equal_draws_share_their_mean_rank():
    draws = np.array([[[2.0, 1.0, 2.0, 2.0]], [[4.0, 3.0, 2.0, 1.0]], [[1.0, 1.0, 1.0, 1.0]]])
    found = scores(draws)[:, 0]
    assert found[0, 0] == found[0, 2] == found[0, 3] > 0 > found[0, 1]
    assert found[1].tolist() == (-found[1, ::-1]).tolist()
    assert found[2].tolist() == [0.0] * 4
