import arviz_stats
import numpy as np
import pandas as pd
import pytest

from credo.diagnostics.summary import summarise
from credo.inference.convergence import running

from .conftest import draws_result, good_draws, point_result

COLUMNS = ["variable", "mean", "sd", "q5", "q50", "q95", "mcse_mean", "ess_bulk", "ess_tail", "r_hat", "pareto_k"]
ALWAYS = COLUMNS[1:-1]


def autoregressive(rho, shape, seed=0):
    """Draws of a stationary AR(1) chain with unit variance, [chain, draw]."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    for t in range(1, shape[1]):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * x[:, t]
    return x


def test_the_statistics_are_those_of_arviz():
    x = autoregressive(0.5, (4, 500))
    result = draws_result({"x": x + np.arange(4)[:, None] / 10})
    row = summarise(result).set_index("variable").loc["x"]
    posterior = result.tree["posterior"].to_dataset()
    assert row["r_hat"] == pytest.approx(float(arviz_stats.rhat(posterior)["x"]), rel=1e-12)
    assert row["ess_bulk"] == pytest.approx(float(arviz_stats.ess(posterior, method="bulk")["x"]), rel=1e-12)
    tail = arviz_stats.ess(posterior, method="tail", prob=(0.05, 0.95))
    assert row["ess_tail"] == pytest.approx(float(tail["x"]), rel=1e-12)
    assert row["mcse_mean"] == pytest.approx(float(arviz_stats.mcse(posterior, method="mean")["x"]), rel=1e-12)
    assert row["sd"] == pytest.approx(np.std(result.tree["posterior"]["x"].values, ddof=1), rel=1e-12)


def test_effective_sample_size_of_an_autoregressive_chain():
    rho, shape = 0.6, (4, 5000)
    row = summarise(draws_result({"x": autoregressive(rho, shape)})).iloc[0]
    # The effective sample size is n (1 - rho) / (1 + rho). Over seeds the estimate scatters by 3 %, so 12 % is four
    # standard deviations.
    assert row["ess_bulk"] == pytest.approx(np.prod(shape) * (1 - rho) / (1 + rho), rel=0.12)
    assert row["r_hat"] < 1.01


def test_scalars_are_named_by_their_coordinates():
    rng = np.random.default_rng(0)
    result = draws_result(
        {
            "mu": rng.normal(size=(2, 10)),
            "theta": (("school",), rng.normal(size=(2, 10, 2))),
            "w": (("school", "k"), rng.normal(size=(2, 10, 2, 2))),
        },
        coords={"school": ["Choate", "Hotchkiss"]},
    )
    names = ["mu", "theta[Choate]", "theta[Hotchkiss]", "w[Choate, 0]", "w[Choate, 1]", "w[Hotchkiss, 0]"]
    summary = summarise(result)
    assert list(summary.columns) == COLUMNS
    assert list(summary["variable"])[:6] == names
    w = result.tree["posterior"]["w"].values
    assert summary["mean"].iloc[4] == pytest.approx(w[:, :, 0, 1].mean(), rel=1e-12)


def test_order_of_dims_does_not_matter():
    result = good_draws()
    posterior = result.tree["posterior"].to_dataset()
    result.tree["posterior"] = posterior.transpose("draw", "chain")
    np.testing.assert_array_equal(summarise(result).iloc[:, 1:], summarise(good_draws()).iloc[:, 1:])


def test_a_constant_has_no_effective_sample_size():
    # In single precision the mean of equal numbers is off by rounding; they are constant all the same.
    row = summarise(draws_result({"x": np.full((4, 100), 0.1, np.float32)})).iloc[0]
    assert row["sd"] == 0
    assert row[["mcse_mean", "ess_bulk", "ess_tail", "r_hat"]].isna().all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_draw_that_is_not_finite_spoils_every_statistic_of_its_scalar_alone(bad):
    x = np.random.default_rng(0).normal(size=(4, 100, 2))
    x[2, 50, 0] = bad
    first, second = (row for _, row in summarise(draws_result({"x": x})).iterrows())
    assert first[["sd", "mcse_mean", "ess_bulk", "ess_tail", "r_hat"]].isna().all()
    assert np.isfinite(second[ALWAYS].astype(float)).all()


def test_one_chain_has_no_r_hat():
    row = summarise(good_draws(chains=1)).iloc[0]
    assert np.isnan(row["r_hat"])
    assert row["ess_bulk"] > 500


def test_three_draws_have_moments_only():
    row = summarise(good_draws(draws=3)).iloc[0]
    assert np.isfinite(row[["mean", "sd"]].astype(float)).all()
    assert row[["mcse_mean", "ess_bulk", "ess_tail", "r_hat"]].isna().all()


def test_discrete_variables_are_summarised():
    rng = np.random.default_rng(0)
    result = draws_result({"flag": rng.random((4, 500)) < 0.5, "count": rng.poisson(3.0, (4, 500))})
    summary = summarise(result).set_index("variable")
    assert summary.loc["flag", "mean"] == pytest.approx(result.tree["posterior"]["flag"].values.mean())
    assert np.isfinite(summary[ALWAYS].to_numpy(float)).all()
    assert summary["pareto_k"].isna().all()


def test_a_discrete_variable_without_tails_has_no_tail_size():
    usual = np.random.default_rng(0).random((4, 500)) < 0.99
    row = summarise(draws_result({"usual": usual})).iloc[0]
    assert row["q5"] == row["q95"] == 1
    assert np.isnan(row["ess_tail"])
    assert np.isfinite(row["ess_bulk"])


def test_a_point_estimate_has_its_standard_errors():
    result = point_result({"mu": 1.0, "beta": [2.0, 3.0]}, {"mu": 0.5, "beta": [0.1, np.nan]})
    summary = summarise(result).set_index("variable")
    assert summary.loc["mu", ["mean", "sd", "q50"]].tolist() == [1.0, 0.5, 1.0]
    # The 95 % quantile of the standard normal distribution.
    assert summary.loc["mu", "q95"] == pytest.approx(1.0 + 0.5 * 1.6448536269514722, rel=1e-12)
    assert summary.loc["mu", "q5"] == pytest.approx(1.0 - 0.5 * 1.6448536269514722, rel=1e-12)
    assert summary.loc["beta[1]", ["sd", "q5", "q95"]].isna().all()
    assert summary[["mcse_mean", "ess_bulk", "ess_tail", "r_hat"]].isna().all(axis=None)


def test_an_empty_posterior_has_an_empty_summary():
    summary = summarise(draws_result({}))
    assert summary.empty
    assert list(summary.columns) == COLUMNS


def test_running_agrees_with_the_summary():
    result = good_draws()
    summary = summarise(result)
    numbers = running([{name: v.values for name, v in result.tree["posterior"].data_vars.items()}])
    assert numbers == {"r_hat_max": summary["r_hat"].max(), "ess_bulk_min": summary["ess_bulk"].min()}


def test_running_of_blocks_judges_all_that_is_wanted():
    result = good_draws()
    summary = summarise(result)
    draws = {name: v.values for name, v in result.tree["posterior"].data_vars.items()}
    blocks = [{name: part for name in draws for part in [draws[name][:, first : first + 150]]} for first in (0, 150)]
    rest = [{name: values[:, 300:] for name, values in draws.items()}]
    numbers = running([*blocks, *rest], None, ("ess_tail", "mcse"))
    assert numbers == {
        "ess_tail_min": summary["ess_tail"].min(),
        "mcse_max": pytest.approx((summary["mcse_mean"] / summary["sd"]).max(), rel=1e-12),
    }


def test_running_says_nothing_too_early_or_of_constants():
    rng = np.random.default_rng(0)
    assert running([{}]) == {}
    assert running([{"x": rng.normal(size=(4, 3))}]) == {}
    assert running([{"x": np.ones((4, 100))}]) == {}


def test_running_looks_at_some_of_many_scalars_and_at_each_variable():
    rng = np.random.default_rng(0)
    many, apart = rng.normal(size=(4, 50, 1000)), rng.normal(size=(4, 50)) + 100 * np.arange(4)[:, None]
    assert running([{"many": many, "apart": apart}], most=10)["r_hat_max"] > 2


def test_running_shows_nan():
    x = np.random.default_rng(0).normal(size=(4, 50, 2))
    x[0, 0, 0] = np.nan
    assert all(np.isnan(number) for number in running([{"x": x}]).values())


def test_large_variables_are_summarised_piece_by_piece(monkeypatch):
    rng = np.random.default_rng(0)
    draws = {"w": rng.normal(size=(4, 30, 5, 3)), "x": rng.normal(size=(4, 30, 7)), "s": rng.normal(size=(4, 30))}
    whole = summarise(draws_result(draws))
    monkeypatch.setattr("credo.diagnostics.summary.MOST_IN_PIECE", 700)
    pd.testing.assert_frame_equal(summarise(draws_result(draws)), whole, rtol=1e-12)
