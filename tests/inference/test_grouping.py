"""Draws that belong together are not taken for as many that know nothing of each other."""

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Float

from arviz_arrays import array_stats
from credo.energies.normaliser.bridge import correlation_time
from credo.inference.convergence import by_round, effective, mixing, running
from credo.inference.grouping import Grouping

WALKERS, ROUNDS, RHO = 6, 2000, 0.9


def autoregressions(rho: float, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Stationary autoregressions of variance one along the last axis."""
    x = np.random.default_rng(0).normal(size=shape)
    for t in range(1, shape[-1]):
        x[..., t] = rho * x[..., t - 1] + np.sqrt(1 - rho**2) * x[..., t]
    return x


def walkers() -> Float[np.ndarray, "scalar chain draw"]:
    """Those of walkers that know nothing of each other, each in its turn."""
    return np.moveaxis(autoregressions(RHO, (8, 4, WALKERS, ROUNDS)), 2, 3).reshape(8, 4, -1)


@pytest.mark.parametrize("name", ["ess_bulk", "ess_tail", "mcse_mean"])
def test_walkers_in_turn_are_worth_what_each_is_worth(name: str) -> None:
    """ArviZ has it for one walker; six are worth six times as much. On average the estimates are known to a tenth."""
    draws = walkers()
    one = mixing(draws[..., ::WALKERS], (name,))[name]
    all_ = mixing(draws, (name,), Grouping(walkers=WALKERS))[name]
    factor = WALKERS**-0.5 if name == "mcse_mean" else WALKERS
    assert all_.mean() / one.mean() / factor == pytest.approx(1, abs=0.15)
    assert mixing(draws, ("ess_bulk",))["ess_bulk"].max() > 0.9 * draws[0].size  # their order hides it


def test_walkers_that_move_as_one_are_worth_one() -> None:
    draws = np.repeat(np.random.default_rng(1).normal(size=(1, 4, 500)), WALKERS, axis=-1)
    assert 1500 < effective(draws, WALKERS)[0] < 2500


def test_a_last_round_that_is_not_whole_is_left_out() -> None:
    draws = walkers()
    longer = np.concatenate([draws, np.zeros((8, 4, WALKERS - 1))], axis=-1)
    assert np.array_equal(by_round(longer, WALKERS), by_round(draws, WALKERS))


def test_nothing_is_said_before_every_walker_has_four_draws() -> None:
    draws = walkers()[0]
    assert running([{"x": draws[:, : 4 * WALKERS - 1]}], grouping=Grouping(walkers=WALKERS)) == {}
    known = running([{"x": draws[:, : 4 * WALKERS]}], grouping=Grouping(walkers=WALKERS))
    assert known.keys() == {"r_hat_max", "ess_bulk_min"}


def test_draws_that_are_apart_have_the_statistics_of_arviz() -> None:
    draws = np.random.default_rng(2).normal(size=(2, 4, 100))
    found = mixing(draws)
    np.testing.assert_allclose(found["ess_bulk"], array_stats.ess(draws), rtol=1e-10)
    np.testing.assert_allclose(found["mcse_mean"], array_stats.mcse(draws), rtol=1e-10)
    np.testing.assert_allclose(found["r_hat"], array_stats.rhat(draws), rtol=1e-10)


def test_the_bridge_knows_the_correlation_of_walkers() -> None:
    draws = jnp.asarray(walkers()[0])
    assert float(correlation_time(draws, WALKERS)) == pytest.approx((1 + RHO) / (1 - RHO), rel=0.3)


def test_many_short_chains_agree_by_the_nested_r_hat() -> None:
    """64 chains of 40 correlated draws, which the R-hat of single chains calls into question."""
    draws = autoregressions(0.6, (1, 64, 40))
    assert mixing(draws, ("r_hat",))["r_hat"][0] > 1.02
    assert mixing(draws, ("r_hat",), Grouping(chains=8))["r_hat"][0] < 1.01


def test_the_nested_r_hat_sees_chains_that_are_still_where_they_began() -> None:
    generator = np.random.default_rng(4)
    starts = np.repeat(generator.normal(size=8), 8)[None, :, None]
    assert mixing(generator.normal(size=(1, 64, 20)) + starts, ("r_hat",), Grouping(chains=8))["r_hat"][0] > 1.2
