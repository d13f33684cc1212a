"""Partial residuals, leave-one-out PIT, and what observations against predictions show of spins and of points."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from fake_results import DRAWS, make
from scipy.stats import kstest, norm

from credo.diagnostics.summary import title
from credo.report import plots
from credo.report.drawing.sheet import WIDTH, Panel, Sheet, axis_ticks
from credo.report.plots import partial
from credo.report.plots.loo_pit import loo_pit
from credo.report.plots.predictive import _apart, _is_whole

ROWS = 200


def regression(link: str = "identity", slope: float = 2.0) -> dict[str, xr.Dataset]:
    """y = slope x1 + noise, and x2 that adds nothing; draws of the coefficients around these."""
    random = np.random.default_rng(0)
    x, noise = random.normal(size=(ROWS, 2)), random.normal(size=ROWS)
    beta = random.normal([slope, 0.0], 0.05, (2, 100, 2))
    mu = beta @ x.T
    names = {"feature": ["dose", "age"]}
    return {
        "posterior": xr.Dataset({"beta": ((*DRAWS, "feature"), beta)}, names),
        "posterior_predictive": xr.Dataset({"y": ((*DRAWS, "obs"), mu + random.normal(size=mu.shape))}),
        "observed_data": xr.Dataset({"y": ("obs", slope * x[:, 0] + noise, {"link": link})}),
        "constant_data": xr.Dataset({"x": (("obs", "feature"), x)}, names),
        "log_likelihood": xr.Dataset({"y": ((*DRAWS, "obs"), norm.logpdf(slope * x[:, 0] + noise, mu))}),
    }


def test_each_predictor_has_its_part_the_largest_first(evidence):
    plot = plots.find("partial")
    result = make(regression())
    assert plot.applies(result)
    found = plot.draw(evidence(result))
    assert found.figure is not None
    assert "partial residuals" in found.caption
    assert plot.draw(evidence(result, most=1)).left_out == ("age",)


def test_only_regressions_with_a_link_have_parts():
    plot = plots.find("partial")
    assert not plot.applies(make(regression("probit")))
    assert not plot.applies(make({name: part for name, part in regression().items() if name != "constant_data"}))
    assert "alone" in plot.draw(_shown(regression("logit"))).caption


def test_a_column_of_two_values_has_a_mean_at_each_and_a_tick(monkeypatch):
    at = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0] * 10)
    assert [set(at[rows]) for rows in partial._tenths(at, np.unique(at))] == [{0.0}, {1.0}]
    assert sorted(map(len, partial._tenths(np.arange(60.0), np.arange(60.0)))) == [6] * 10
    sheet, seen = Sheet(200), []
    monkeypatch.setattr(sheet, "text", lambda x, y, words, *_, **__: seen.append(words))
    sheet.panel(40, 20, 200, 100, (-0.1, 1.1), (0, 1)).x_axis(4, values=np.unique(at))
    assert seen == ["0", "1"]


def test_shares_of_one_data_set_have_no_intervals(evidence):
    random = np.random.default_rng(0)
    observed = xr.Dataset({"y": ("obs", random.integers(0, 9, 200))})
    predicted = xr.Dataset({"y": ((*DRAWS, "obs"), random.integers(0, 9, (2, 50, 200)))})
    plot = plots.find("predictive")
    of_y = {"posterior": xr.Dataset(), "observed_data": observed}
    of_draws = plot.draw(evidence(make(of_y | {"posterior_predictive": predicted})))
    assert "with 90 % intervals" in of_draws.caption
    one = predicted.isel(chain=[0], draw=[0])
    of_point = plot.draw(evidence(make(of_y | {"posterior_predictive": one})))
    assert "interval" not in of_point.caption
    assert "in one data set drawn from the fitted model" in of_point.caption


def test_an_observed_y_has_the_name_of_its_column(monkeypatch):
    seen: list[str] = []
    monkeypatch.setattr(Panel, "title", lambda _, words, *__: seen.append(words))
    named = replace(_shown(regression()), target="cost")
    for word in ("predictive", "residuals", "loo_pit"):
        plots.find(word).draw(named)
    assert seen == ["cost", "cost: quantile residuals", "cost"]
    assert title(_shown(regression()).group("observed_data")["y"]) == "y"


def _shown(groups):
    from credo.diagnostics.summary import summarise
    from credo.report.view import Evidence

    result = make(groups)
    return Evidence(result, summarise(result), 12, {})


@pytest.mark.parametrize("of", ["normal", "counts"])
def test_left_out_observations_are_uniform_within_right_predictions(of):
    """The prediction without a row is the prior's here: its weights undo what the row's likelihood did.

    Kolmogorov and Smirnov's test at 1 in 10,000.
    """
    random = np.random.default_rng(5)
    mean = random.normal(3, 0.3, 400)
    if of == "normal":
        y, drawn = random.normal(3, 1.05, 600), random.normal(mean[:, None], 1, (400, 600))
        likely = norm.logpdf(y, mean[:, None])
    else:
        y, drawn = random.poisson(3, 600), random.poisson(3, (400, 600))
        likely = np.zeros((400, 600))
    assert kstest(loo_pit(y, drawn, likely), "uniform").pvalue > 1e-4


def test_an_outlier_that_drew_the_fit_to_itself_is_seen():
    """A row at 5 in a prediction that it made: left out, the draws near it lose their weight."""
    mean = np.linspace(0, 4, 401)[:, None]
    drawn = mean + np.zeros((401, 1))
    plain = float((drawn < 3).mean())
    assert loo_pit(np.array([3.0]), drawn, norm.logpdf(3.0, mean, 0.7))[0] > plain + 0.1


def test_rows_of_one_joint_distribution_have_no_transform(evidence):
    """A Gaussian process as one multivariate normal has one log likelihood of all its rows."""
    groups = regression()
    plot = plots.find("loo_pit")
    assert plot.applies(make(groups))
    joint = make(groups | {"log_likelihood": groups["log_likelihood"].sum("obs")})
    assert not plot.applies(joint)
    assert plot.draw(evidence(joint)).figure is None


def test_spins_are_bars_and_coordinates_are_apart():
    spins = xr.DataArray(np.sign(np.random.default_rng(0).normal(size=(50, 16))), dims=("obs", "site"), name="y")
    assert _is_whole(spins, spins.expand_dims(chain=1, draw=2))
    points = xr.DataArray(np.random.default_rng(0).normal(size=(50, 2)), dims=("obs", "target"), name="y")
    parts = _apart(points.assign_coords(target=["across", "up"]), points.expand_dims(chain=1, draw=2))
    assert [one.attrs["site"] for one, _ in parts] == ["across", "up"]
    assert all(one.dims == ("obs",) for one, _ in parts)
    assert len(_apart(spins, spins.expand_dims(chain=1, draw=2))) == 1


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-395.2, -371.7), (1e5, 1.04e6), (0.0501, 0.0811)])
def test_a_high_panel_has_four_ticks_or_more(low, high, monkeypatch):
    seen: list[str] = []
    sheet = Sheet(200)
    monkeypatch.setattr(sheet, "text", lambda x, y, words, *_, **__: seen.append(words))
    sheet.panel(40, 20, 200, 130, (0, 1), (low, high)).y_axis(3)
    assert len(seen) >= 4
    assert set(axis_ticks(low, high, 4)[1]) <= set(seen) or len(seen) > 4


def test_labels_at_the_ends_stay_on_the_sheet(monkeypatch):
    seen: list[tuple[float, str]] = []
    sheet = Sheet(200)
    monkeypatch.setattr(sheet, "text", lambda x, y, words, *_, **__: seen.append((x, words)))
    sheet.panel(0, 20, WIDTH, 100, (-1, 1), (0, 1)).x_axis(4)
    assert min(x for x, _ in seen) > 5
    assert max(x for x, _ in seen) < WIDTH - 5


def test_a_figure_knows_its_legend():
    sheet = Sheet(100)
    sheet.words(100, 10, [("observed", "black"), ("predicted", "blue")])
    sheet.words(100, 50, [("observed", "black")])
    assert sheet.finished().key == (("observed", "black"), ("predicted", "blue"))
