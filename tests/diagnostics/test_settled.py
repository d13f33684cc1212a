import numpy as np
import pytest
import xarray as xr

from credo.diagnostics.settled import Settled
from credo.diagnostics.summary import summarise
from credo.result import Cost, Result, Status

from .conftest import dataset, good_draws, good_point

SETTLED = Settled(0.02)


def trained(*validation, kind="trained"):
    """A result whose members have these validation losses; a shorter one stopped before the others."""
    most = max(map(len, validation))
    curves = np.full((len(validation), most), np.nan)
    for member, curve in enumerate(validation):
        curves[member, : len(curve)] = curve
    finite = np.where(np.isfinite(curves), curves, np.inf)
    best = np.where(np.isfinite(finite).any(1), 1 + finite.argmin(1), most)
    training = {
        "train": (("member", "epoch"), np.ones_like(curves)),
        "validation": (("member", "epoch"), curves),
        "best": ("member", best),
        "finite": ("member", np.ones(len(curves), bool)),
    }
    groups = {"posterior": dataset({"predicted_mean": np.zeros((1, len(curves)))}), "training": xr.Dataset(training)}
    return Result(xr.DataTree.from_dict(groups), Status.DONE, Cost({}), "mle", kind, ("predicted_mean",))


def ask(result, check=SETTLED):
    return check(result, summarise(result))


FLAT = 1 + np.exp(-np.arange(100.0))
FALLING = 5 - 0.01 * np.arange(100.0)  # by 0.1 in the last ten epochs


def test_a_loss_that_fell_long_ago_passes():
    answer = ask(trained(FLAT, FLAT + 1))
    assert (answer.name, answer.status, answer.threshold) == ("settled", "passed", 0.02)
    assert answer.value == pytest.approx(0, abs=1e-6)


def test_the_least_and_the_most_epochs_are_told():
    answer = ask(trained(1 + (np.arange(100) - 29) ** 2, 1 + (np.arange(100) - 59) ** 2))
    assert answer.advice == "The best weights came after 30 to 60 epochs of 100."


def test_a_loss_that_still_falls_fails():
    answer = ask(trained(FALLING))
    assert answer.status == "failed"
    assert answer.value == pytest.approx(0.1)
    assert answer.advice.endswith("The best weights came after 100 to 100 epochs of 100. Raise training.epochs.")


def test_the_mean_over_members_is_judged():
    assert ask(trained(FALLING, FLAT)).value == pytest.approx(0.05)
    assert ask(trained(FALLING, *[FLAT] * 9)).status == "passed"


def test_the_threshold_is_the_largest_fall_that_passes():
    assert ask(trained(FALLING), Settled(0.11)).status == "passed"
    assert ask(trained(FALLING), Settled(0.09)).status == "failed"


def test_a_loss_that_rises_again_passes():
    rising = np.r_[FALLING[:50], FALLING[49] + 0.05 * np.arange(50)]
    answer = ask(trained(rising))
    assert (answer.status, answer.value) == ("passed", 0.0)


def test_a_member_that_lost_its_patience_has_settled():
    """It is judged by its own last epochs, and has none after its end."""
    stopped = np.r_[FALLING[:30], np.full(20, 4.9)]
    answer = ask(trained(stopped, FLAT))
    assert (answer.status, answer.value) == ("passed", pytest.approx(0, abs=1e-6))
    assert answer.advice == "The best weights came after 30 to 38 epochs of 100."


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_few_epochs_do_not_pass(epochs):
    assert ask(trained(FALLING[:epochs] * 10)).status == "failed"


def test_without_validation_nothing_is_known():
    answer = ask(trained(np.full(100, np.nan)))
    assert (answer.status, answer.value) == ("not checked", None)
    assert "Set training.validation=0.1." in answer.advice


def test_a_member_that_was_never_finite_fails():
    assert ask(trained(FLAT, np.full(100, np.nan))).status == "failed"


@pytest.mark.parametrize("result", [good_draws(), good_point()])
def test_what_was_not_trained_is_not_asked(result):
    assert ask(result) is None
