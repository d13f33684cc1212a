import numpy as np
import pytest
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.distinct import Distinct, fewest
from credo.diagnostics.summary import summarise

from .conftest import draws_result, good_draws

DISTINCT = Distinct(100)


def predicted(y, measure="density"):
    """A result of a conditional model of targets [row] or [row, target]."""
    y = np.asarray(y)
    result = draws_result({"x": np.zeros((1, 3))}, observed={"y": (("row", "target")[: y.ndim], y)})
    values = y.reshape(len(y), -1)
    both = {"pit": (("row", "target"), np.full(values.shape, 0.5)), "y": (("row", "target"), values)}
    result.tree["predictive"] = xr.DataTree(xr.Dataset(both, attrs={"measure": measure}))
    return result


def ask(result):
    return put(DISTINCT, result, summarise(result))


def test_many_values_pass():
    answer = ask(predicted(np.arange(100) / 3))
    assert (answer.name, answer.status, answer.value, answer.threshold) == ("distinct", "passed", 100, 100)
    assert answer.advice == "The target has 100 distinct values."


def test_few_values_are_noted():
    """Wine has quality marks: any density may be had there."""
    answer = ask(predicted(np.arange(1000) % 99 / 7))
    assert (answer.status, answer.value) == ("note", 99)
    assert "Compare CRPS rather than NLL" in answer.advice


def test_the_target_with_the_fewest_values_counts():
    y = np.column_stack([np.arange(300) / 3, np.arange(300) % 6 / 3])
    assert ask(predicted(y)).value == fewest(predicted(y)) == 6


@pytest.mark.parametrize("kind", [int, float])
def test_masses_are_not_asked(kind):
    """They are at most one, whatever the model."""
    marks = (np.arange(300) % 6).astype(kind)
    assert ask(predicted(marks, "mass")) is None
    assert fewest(predicted(marks, "mass")) is None


@pytest.mark.parametrize("kind", [int, float])
def test_a_density_of_whole_numbers_has_a_better_likelihood(kind):
    """However they are stored."""
    answer = ask(predicted((3 + np.arange(300) % 6).astype(kind)))
    assert (answer.status, answer.value) == ("note", 6)
    assert answer.advice.endswith(
        "The target is whole numbers: use the discretised likelihood, model.family=discretized_gaussian."
    )


def test_models_without_a_predictive_are_not_asked():
    assert ask(good_draws()) is None


def test_a_predictive_without_observations_is_not_asked():
    result = draws_result({"x": np.zeros((1, 3))})
    result.tree["predictive"] = xr.DataTree(xr.Dataset({"pit": (("row", "target"), np.full((3, 1), 0.5))}))
    assert ask(result) is None


@pytest.mark.parametrize(("threshold", "status"), [(6, "passed"), (7, "note")])
def test_the_threshold_is_enough(threshold, status):
    result = predicted(np.arange(60) % 6 / 7)
    assert put(Distinct(threshold), result, summarise(result)).status == status
