"""The scores of held-out rows, and the groups that they are read from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.diagnostics.scores import scores
from credo.inference.result import Result
from credo.models.mdn import Mdn
from credo.models.mdn_derived import add_predictive
from credo.models.predict import PROBABILITIES, Predictive
from credo.models.problem import Problem
from registry import values

from .conftest import draws_result, good_draws

CONF = Path(__file__).parents[2] / "conf" / "model" / "mdn.yaml"


def by_hand(rows="test"):
    """Four rows of one target."""
    quantile = np.array([[0.0, 1, 2, 3, 4], [0, 1, 2, 3, 6], [1, 1, 1, 1, 1], [-3, 0, 0, 0, 2]])
    each = {
        "y": [1.0, 2, 3, 4],
        "mean": [1.0, 2, 3, 8],
        "sd": [1.0, 1, 1, 1],
        "crps": [0.1, 0.2, 0.3, 0.8],
        "pit": [0.5, 0.2, 0.96, 0.93],
    }
    variables = {name: (("row", "target"), np.array(values)[:, None]) for name, values in each.items()}
    variables |= {
        "nll": ("row", [1.0, 2.0, 3.0, 6.0]),
        "quantile": (("row", "target", "probability"), quantile[:, None]),
        "weight": (("row", "component"), np.ones((4, 1))),
    }
    result = draws_result({"x": np.zeros((1, 3))})
    result.tree["predictive"] = xr.DataTree(xr.Dataset(variables, attrs={"rows": rows}))
    return result


def test_scores_by_hand():
    assert scores(by_hand()) == pytest.approx(
        {
            "nll_test": 3.0,
            "crps_test": 0.35,
            "rmse_test": 2.0,
            "coverage_50_test": 0.25,
            "coverage_90_test": 0.75,
            "sharpness_test": (4 + 6 + 0 + 5) / 4,
        }
    )


def test_training_rows_have_no_scores():
    assert scores(by_hand(rows="train")) == {}
    assert scores(good_draws()) == {}


@dataclass(frozen=True)
class Case:
    """A network of two inputs and a context, a result of three draws of its weights, and what is added to that."""

    problem: Problem
    predictive: Predictive
    rows: xr.Dataset
    added: Result


def case(held_out: bool) -> Case:
    """Seven rows of two targets to predict: beside 23 others that are trained on, or no others."""
    random = np.random.default_rng(0)
    x = random.normal([3, -1], [2, 5], (30, 2))
    data = xr.Dataset(
        {
            "y": (("row", "target"), x[:, :1] + random.normal(size=(30, 2))),
            "x": (("row", "feature"), x),
            "context": (("row", "context_feature"), random.normal(size=(30, 1))),
        },
        {"feature": ["dose", "age"], "target": ["t0", "t1"]},
    )
    rows, train = data.isel(row=slice(7)), data.isel(row=slice(7, None))
    known = values(CONF)
    prior = {name: dist.Normal(0.0, 1.0) for name in ("weight", "bias")}
    model = Mdn(prior=prior, **(known | {"hidden": [], "components": 2, "dtype": "float64"})).fitted(train)
    problem = Problem(model, train, rows) if held_out else Problem(model, rows)
    draws: list[Any] = [model.start(jax.random.PRNGKey(i)) for i in range(3)]
    for draw in draws:  # the means depend on the second input alone
        draw["head_weight"] = draw["head_weight"] * np.array([0.0, 20.0, 0.0])
    weights = {name: np.array([[draw[name] for draw in draws]]) for name in draws[0]}
    y, given = rows["y"].to_numpy(), [rows[name].to_numpy() for name in ("x", "context")]
    density = [jax.jit(lambda w: model.conditional(w, *given).log_prob(y))(draw) for draw in draws]
    group = "log_likelihood_test" if held_out else "log_likelihood"
    result = draws_result({"x": np.zeros((1, 3))}, network=weights, **{group: {"y": np.array([density])}})
    predictive = Predictive(model, {name: value[0] for name, value in weights.items()})
    return Case(problem, predictive, rows, add_predictive(problem, result, jax.random.PRNGKey(0)))


@pytest.fixture(scope="module")
def held() -> Case:
    return case(held_out=True)


def test_the_predictive_of_held_out_rows(held: Case):
    rows = held.added.tree["predictive"].to_dataset()
    x, y, context = (held.rows[name].to_numpy() for name in ("x", "y", "context"))
    assert rows.attrs["rows"] == "test"
    assert dict(rows.sizes) == {"row": 7, "target": 2, "component": 2, "probability": 5}
    assert rows["target"].to_numpy().tolist() == ["t0", "t1"]
    assert rows["probability"].to_numpy().tolist() == list(PROBABILITIES)
    assert np.array_equal(rows["y"], y)
    mean, sd = held.predictive.moments(x, context)
    assert np.allclose(rows["mean"], mean)
    assert np.allclose(rows["sd"], sd)
    assert np.allclose(rows["crps"], held.predictive.crps(x, y, context))
    assert np.allclose(rows["pit"], held.predictive.cdf(x, y, context))
    assert np.allclose(rows["nll"], -held.predictive.log_density(x, y, context))
    assert np.allclose(rows["quantile"], held.predictive.quantile(x, np.array(PROBABILITIES), context))
    assert np.allclose(rows["weight"], held.predictive.weights(x, context))
    assert scores(held.added)["nll_test"] == pytest.approx(rows["nll"].mean().item())
    assert scores(held.added)["rmse_test"] == pytest.approx(np.sqrt(np.mean((y - mean) ** 2)))


def test_the_curve_runs_along_the_input_that_matters(held: Case):
    curve = held.added.tree["curve"].to_dataset()
    x, y, context = (held.problem.data[name].to_numpy() for name in ("x", "y", "context"))
    assert curve.attrs == {"feature": "age", "held": "The other inputs are at their medians."}
    assert np.allclose(curve["at"][[0, -1]], np.quantile(x[:, 1], [0.01, 0.99]))
    points = curve.sizes["point"]
    path = np.column_stack([np.full(points, np.median(x[:, 0])), curve["at"]])
    middle = np.full((points, 1), np.median(context))
    assert np.allclose(curve["density"], held.predictive.density(path, curve["level"].to_numpy(), middle))
    assert np.allclose(curve["weight"], held.predictive.weights(path, middle))
    assert np.all(curve["quantile"].diff("probability") > 0)
    assert np.array_equal(curve["seen_at"], x[:, 1])
    assert np.array_equal(curve["seen_y"], y)
    assert np.all(curve["level"].min("level") < y.min(0))
    assert np.all(curve["level"].max("level") > y.max(0))


def test_without_held_out_rows_it_is_that_of_the_training_rows(held: Case):
    alone = case(held_out=False)
    rows = alone.added.tree["predictive"].to_dataset()
    assert rows.attrs["rows"] == "train"
    assert np.allclose(rows["nll"], held.added.tree["predictive"]["nll"])
    assert scores(alone.added) == {}


def test_other_results_stay_as_they_are(held: Case):
    result = good_draws()
    groups = set(result.tree.children)
    assert add_predictive(held.problem, result, jax.random.PRNGKey(0)) is result
    assert set(result.tree.children) == groups
