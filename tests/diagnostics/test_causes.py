"""What is named as the probable cause of a failure, and only there."""

import numpy as np
import pytest
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.causes import constant, different_modes, improper, resonant, tied, together
from credo.diagnostics.divergences import Divergences
from credo.diagnostics.ess_bulk import EssBulk
from credo.diagnostics.finite import Finite
from credo.diagnostics.r_hat import RHat
from credo.diagnostics.summary import summarise
from credo.diagnostics.tree_depth import TreeDepth

from .conftest import draws_result, good_draws

CAUSES = (constant, different_modes, improper, resonant, tied)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def r_hat(result):
    return put(RHat(1.01), result, summarise(result))


def two_modes(below=40.0):
    """Chain 3 in a mode of its own, so many nats lower."""
    x, lp = normal(4, 500), normal(4, 500, seed=1)
    x[3] += 60.0
    lp[3] -= below
    return draws_result({"x": x}, sample_stats={"lp": lp})


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("seed", range(20))
def test_good_chains_have_no_fault(cause, seed):
    result = good_draws(seed)
    assert cause(result, summarise(result)) is None


@pytest.mark.parametrize(
    ("y", "named"),
    [([3.0, 3.0, 3.0], True), ([3, 3, 3], True), ([3.0, 3.0, 4.0], False), ([1, 1, 1], False), ([3.0], False)],
)
def test_a_target_that_never_varies_is_named(y, named):
    result = two_modes()
    result.tree["observed_data"] = xr.DataTree(xr.Dataset({"y": ("obs", np.array(y))}))
    assert (constant(result, summarise(result)) is not None) == named
    assert ("All 3 values of y are 3:" in r_hat(result).advice) == named


def test_the_lower_mode_is_named_with_its_height():
    answer = r_hat(two_modes())
    assert answer.status == "failed"
    assert "Chain 3 stays 40 nats below the others, in another mode." in answer.advice
    assert "inference.start=prior" in answer.advice


def test_the_worse_part_of_the_chains_may_be_the_larger():
    result = two_modes()
    result.tree["sample_stats"]["lp"][:] *= -1
    assert "Chains 0, 1 and 2 stay 40 nats below chain 3, in another mode." in r_hat(result).advice


def test_modes_of_equal_height_are_named():
    assert "in modes of about the same height" in r_hat(two_modes(below=0.0)).advice


def test_chains_that_are_slow_are_in_no_other_mode():
    """Random walks overlap, though R-hat sees that they disagree."""
    walks = normal(4, 500).cumsum(axis=1)
    answer = r_hat(draws_result({"x": walks}, sample_stats={"lp": normal(4, 500)}))
    assert answer.status == "failed"
    assert "modes" not in answer.advice
    assert "another mode" not in answer.advice


def test_a_chain_between_two_links_them():
    x = normal(3, 500)
    x += np.array([0.0, 3.0, 6.0])[:, None]
    assert together(draws_result({"x": x})) == [[0, 1, 2]]


def permuted(shift=0.0):
    """Mu and sigma in another order in chain 2; `shift` moves that chain so that no order explains it."""
    order = np.array([[0, 1, 2], [0, 1, 2], [2, 0, 1], [0, 1, 2]])
    mu, sigma = np.array([0.0, 10.0, 25.0])[order], np.array([1.0, 2.0, 3.0])[order]
    mu[2] += shift
    return draws_result(
        {"mu": mu[:, None] + normal(4, 500, 3), "sigma": sigma[:, None] + 0.1 * normal(4, 500, 3, seed=1)},
        sample_stats={"lp": normal(4, 500, seed=2)},
    )


def test_labels_that_switch_are_named():
    answer = r_hat(permuted())
    assert "The chains agree but for the order of mu, sigma: the labels switch." in answer.advice


def test_no_order_explains_another_mode():
    assert "labels" not in r_hat(permuted(shift=50.0)).advice


def test_a_free_direction_is_named():
    """A + b is known, a - b wanders."""
    along, across = 1000 * normal(4, 500).cumsum(axis=1), normal(4, 500, seed=1)
    answer = r_hat(draws_result({"a": across + along, "b": across - along}, sample_stats={"lp": normal(4, 500)}))
    assert answer.status == "failed"
    assert "a and b have the correlation -1.0000: the data may determine little more than a sum" in answer.advice


def test_shares_of_a_whole_are_tied_whatever_the_data_say():
    share = 0.5 + 0.001 * normal(4, 500).cumsum(axis=1)
    answer = r_hat(draws_result({"w": np.stack([share, 1 - share], axis=-1)}, sample_stats={"lp": normal(4, 500)}))
    assert answer.status == "failed"
    assert "correlation" not in answer.advice


def wandering(**settings):
    x = normal(4, 500).cumsum(axis=1)
    flags = {"diverging": np.ones((4, 500), bool), "reached_max_treedepth": np.ones((4, 500), bool)}
    return draws_result({"beta": x}, sample_stats=flags, **settings)


@pytest.mark.parametrize("check", [RHat(1.01), Divergences(0), TreeDepth(0.05)])
def test_an_improper_posterior_is_named(check):
    result = wandering(improper=("beta",))
    answer = put(check, result, summarise(result))
    assert answer.status == "failed"
    assert "The prior of beta is improper, and the data may not bound it" in answer.advice
    proper = wandering()
    assert "improper" not in check(proper, summarise(proper)).advice


@pytest.mark.parametrize("check", [RHat(1.01), EssBulk(400)])
def test_a_resonant_trajectory_is_named(check):
    for method, named in (("hmc", True), ("nuts", False)):
        result = wandering(method=method)
        assert ("inference.trajectory_length" in put(check, result, summarise(result)).advice) == named


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_single_precision_is_named_where_numbers_are_none(dtype):
    x = normal(4, 500).astype(dtype)
    x[0, 0] = np.nan
    result = draws_result({"x": x})
    answer = put(Finite(), result, summarise(result))
    assert answer.status == "failed"
    assert ("device.precision=float64" in answer.advice) == (dtype is np.float32)
