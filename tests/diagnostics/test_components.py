import numpy as np
import pytest
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.components import Components
from credo.diagnostics.summary import summarise

from .conftest import draws_result, good_draws, good_point

COMPONENTS = Components(0.01)


def mixed(weight):
    """A result with the components' weights [row, component]."""
    result = draws_result({"x": np.zeros((1, 3))})
    variables = {"weight": (("row", "component"), np.asarray(weight, float))}
    result.tree["predictive"] = xr.DataTree(xr.Dataset(variables, attrs={"rows": "test"}))
    return result


def ask(result):
    return put(COMPONENTS, result, summarise(result))


def test_components_that_are_used_somewhere_pass():
    """Each has its own rows, though its weight is nothing in all others."""
    answer = ask(mixed(np.eye(4)[[0, 1, 2, 3, 3]] * 0.9 + 0.025))
    assert (answer.name, answer.status, answer.threshold) == ("components", "passed", 0.01)
    assert answer.value == pytest.approx(0.925)
    assert answer.advice == "Each of 4 components has a weight of at least 0.93 in some row."


def test_the_least_of_the_largest_weights_is_the_value():
    assert ask(mixed([[0.9, 0.1], [0.8, 0.2]])).value == pytest.approx(0.2)


def test_a_dead_component_is_noted_and_named():
    weight = np.array([[0.6, 0.395, 0.005], [0.4, 0.599, 0.001]])
    answer = ask(mixed(weight))
    assert (answer.status, answer.value) == ("note", 0.005)
    assert answer.advice == "Nothing is served by component 2. Lower model.components."


def test_many_dead_components_are_counted():
    weight = np.tile([0.995, *[0.001] * 5], (3, 1))
    assert "component 1, component 2, component 3 and 2 more" in ask(mixed(weight)).advice


def test_the_threshold_is_alive():
    assert ask(mixed([[0.99, 0.01]])).status == "passed"


def test_one_component_is_not_asked():
    assert ask(mixed(np.ones((5, 1)))) is None


@pytest.mark.parametrize("result", [good_draws(), good_point()])
def test_what_is_no_mixture_is_not_asked(result):
    assert ask(result) is None
