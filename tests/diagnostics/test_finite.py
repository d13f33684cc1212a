import numpy as np
import pytest

from credo.diagnostics.base import put
from credo.diagnostics.finite import Finite
from credo.diagnostics.summary import summarise
from credo.inference.result import Status

from .conftest import draws_result, good_draws, good_point, point_result


def ask(result):
    return put(Finite(), result, summarise(result))


@pytest.mark.parametrize("result", [good_draws(), good_point()])
def test_finite_numbers_pass(result):
    assert ask(result).status == "passed"


@pytest.mark.parametrize("group", ["posterior", "log_likelihood", "log_prior"])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_one_bad_number_fails_and_is_named(group, bad):
    x, sound = np.zeros((2, 10, 3)), np.zeros((2, 10, 3))
    x[1, 5, 2] = bad
    groups = {name: {"x": x if name == group else sound} for name in ("posterior", "log_likelihood", "log_prior")}
    answer = ask(draws_result(**groups))
    assert (answer.status, answer.value) == ("failed", 1)
    assert f"x of the {group}" in answer.advice


def test_a_point_estimate_can_be_nan():
    assert ask(point_result({"mu": np.nan}, {"mu": np.nan})).status == "failed"


def test_a_standard_error_may_be_nan():
    assert ask(point_result({"mu": 0.0}, {"mu": np.nan})).status == "passed"


def test_an_inference_that_met_infinity_fails():
    result = draws_result({"x": np.zeros((2, 10))}, status=Status.NOT_FINITE)
    assert ask(result).status == "failed"


def test_no_posterior_is_not_checked():
    assert ask(draws_result({})).status == "not checked"


def test_proposals_without_a_density_fail() -> None:
    stats = {"nan_proposals": np.zeros((2, 10)), "n_steps": np.ones((2, 10)), "lp": np.zeros((2, 10))}
    result = draws_result({"x": np.zeros((2, 10))}, sample_stats=stats)
    assert ask(result).status == "passed"
    result.tree["sample_stats"]["nan_proposals"][0, 3] = 1
    answer = ask(result)
    assert (answer.status, answer.value) == ("failed", 1)
    assert "NaN at 1 of 20 proposals" in answer.advice


def test_an_infinite_log_density_fails_and_is_placed() -> None:
    lp = np.zeros((2, 10))
    lp[1, 4] = np.inf
    answer = ask(draws_result({"x": np.full((2, 10), 0.25)}, sample_stats={"lp": lp}))
    assert (answer.status, answer.value) == ("failed", 1)
    assert "log density is inf at 1 of 20 draws, as at x = 0.25" in answer.advice
