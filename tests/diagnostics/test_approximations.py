"""The checks of approximations with one per start: what is seen once, and what chains leave."""

import numpy as np
import pytest
import xarray as xr

from credo.diagnostics.confirmed import Confirmed
from credo.diagnostics.drift import Drift
from credo.diagnostics.summary import summarise
from credo.diagnostics.verdict import judge

from .conftest import good_mixture


def ask(check, result):
    return check(result, summarise(result))


def moved(drift, error):
    result = good_mixture()
    sizes = {"drift": drift, "error": error}
    moves = {name: (("moment", "scalar"), np.asarray(values, float)) for name, values in sizes.items()}
    result.tree["drift"] = xr.DataTree(xr.Dataset(moves, {"moment": ["mean", "square"]}))
    return result


def test_a_good_mixture_passes(checks):
    result = good_mixture()
    assert judge(checks, result, summarise(result)).status == "passed"


@pytest.mark.parametrize(("alone", "status"), [(0.01, "passed"), (0.06, "not checked"), (np.nan, "not checked")])
def test_what_one_start_alone_found_is_not_confirmed(alone, status):
    result = good_mixture()
    result.tree["approximations"].attrs["alone"] = alone
    assert ask(Confirmed(0.05), result).status == status


def test_draws_that_move_by_more_than_noise_fail():
    answer = ask(Drift(0.1), moved([[0.02, 0.4], [0.0, 0.1]], [[0.05, 0.05], [0.05, 0.05]]))
    assert answer.status == "failed"
    assert answer.value == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("drift", "error"),
    [([[0.3], [0.1]], [[0.2], [0.2]]), ([[0.05], [0.0]], [[0.001], [0.001]])],
    ids=["noise", "small"],
)
def test_noise_and_what_is_small_pass(drift, error):
    assert ask(Drift(0.1), moved(drift, error)).status == "passed"


@pytest.mark.parametrize(
    ("drift", "error"), [([[np.nan], [0.0]], [[0.1], [0.1]]), ([[0.0], [0.0]], [[0.0], [0.0]])], ids=["NaN", "stuck"]
)
def test_chains_that_say_nothing_are_no_pass(drift, error):
    assert ask(Drift(0.1), moved(drift, error)).status == "not checked"


def test_draws_that_are_not_resampled_are_no_pass():
    result = good_mixture()
    del result.tree["drift"]
    assert ask(Drift(0.1), result).status == "not checked"
