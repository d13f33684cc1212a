import numpy as np
import pytest

from credo.diagnostics.base import put
from credo.diagnostics.starts_agree import StartsAgree
from credo.diagnostics.summary import summarise

from .conftest import good_draws, point_result


def ask(objective, distance, **recorded):
    result = point_result(
        {"mu": 0.0}, {"mu": 1.0}, objective=objective, distance=distance, gradient_norm=None, **recorded
    )
    return put(StartsAgree(threshold=2, tolerance=0.01, distance=0.5), result, summarise(result))


@pytest.mark.parametrize(
    ("objective", "distance", "status", "agreeing"),
    [
        ([-3.0, -3.0, -3.001], [0, 0.01, 0.04], "passed", 3),
        ([-3.0, -3.0, -8.0], [0, 0.01, 20], "note", 2),
        ([-3.0, -3.0, np.nan], [0, 0.01, np.nan], "note", 2),
        ([-3.0, -7.0, -8.0], [0, 15, 20], "not checked", 1),
        ([-3.0, -3.0, -3.0], [0, 0.01, 20], "failed", 2),
        ([-3.0, -3.0, -8.0], [0, 12, 20], "failed", 1),
        ([-3.0], [0], "not checked", None),
        ([np.nan, np.nan], [0, 0], "not checked", None),
        ([-3.0, -3.0], [np.nan, np.nan], "not checked", None),
        (None, None, "not checked", None),
        ([-3.0, -3.0], None, "not checked", None),
    ],
)
def test_what_the_starts_found(objective, distance, status, agreeing):
    answer = ask(objective, distance)
    assert (answer.status, answer.value) == (status, agreeing)


def test_a_better_optimum_than_the_estimate_fails():
    assert ask([-3.0, -3.0, -1.0], [0, 0, 9], attrs={"best": 0}).status == "failed"


def test_on_the_boundary_it_is_not_known_how_far_apart_starts_are():
    assert ask([-3.0, -3.0], [np.nan, np.nan], boundary=("tau",)).status == "not checked"
    assert ask([-3.0, -9.0], [0, np.nan], boundary=("tau",)).status == "not checked"


def test_worse_optima_are_told():
    assert "-8" in ask([-3.0, -3.0, -8.0], [0, 0.01, 20]).advice


def test_draws_are_not_asked():
    result = good_draws()
    assert put(StartsAgree(2, 0.01, 0.5), result, summarise(result)) is None
