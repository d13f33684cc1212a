import numpy as np
import pytest
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.settled import Settled
from credo.diagnostics.summary import summarise
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status

from .conftest import dataset, good_draws, good_point

SETTLED = Settled(0.02)


def trained(*validation, gains=None, kind=Kind.TRAINED, measure="nll"):
    """A result whose members have these validation losses; `gains` is what three further epochs gave at most."""
    most = max(map(len, validation))
    curves = np.full((len(validation), most), np.nan)
    for member, curve in enumerate(validation):
        curves[member, : len(curve)] = curve
    finite = np.where(np.isfinite(curves), curves, np.inf)
    best = np.where(np.isfinite(finite).any(1), 1 + finite.argmin(1), most)
    gained = np.broadcast_to(np.asarray(0.0 if gains is None else gains, float), len(validation))
    further = finite.min(1)[:, None, None] - gained[:, None, None] + np.array([[[0.3, 0.0, 0.1], [0.5, 0.4, np.nan]]])
    training = {
        "train": (("member", "epoch"), np.ones_like(curves)),
        "validation": (("member", "epoch"), curves),
        "best": ("member", best),
        "finite": ("member", np.ones(len(curves), bool)),
        "continued": (("member", "rate", "further_epoch"), further),
    }
    groups = {
        "posterior": dataset({"predicted_mean": np.zeros((1, len(curves)))}),
        "training": xr.Dataset(training, attrs={"measure": measure}),
    }
    return Result(xr.DataTree.from_dict(groups), Status.DONE, Cost({}), "mle", kind, ("predicted_mean",))


def ask(result, check=SETTLED):
    return put(check, result, summarise(result))


FLAT = 1 + np.exp(-np.arange(100.0))
FALLING = 5 - 0.01 * np.arange(100.0)


@pytest.mark.parametrize("gain", [0.0, 0.015, -0.3])
def test_a_loss_that_further_epochs_do_not_lower_passes(gain):
    """Also where it fell to its last epoch, as it does under a schedule that ends at zero."""
    answer = ask(trained(FALLING, gains=gain))
    assert (answer.name, answer.status, answer.threshold) == ("settled", "passed", 0.02)
    assert answer.value == pytest.approx(max(gain, 0), abs=1e-6)


def test_the_least_and_the_most_epochs_are_told():
    answer = ask(trained(1 + (np.arange(100) - 29) ** 2, 1 + (np.arange(100) - 59) ** 2))
    assert answer.advice == (
        "The best weights came after 30 to 60 epochs of 100. Training on for 3 epochs lowered the validation loss by 0."
    )


def test_a_loss_that_further_epochs_lower_fails():
    """However flat it was at the end: a schedule may have stopped the learning."""
    answer = ask(trained(FLAT, gains=0.1))
    assert answer.status == "failed"
    assert answer.value == pytest.approx(0.1)
    assert answer.advice == (
        "Training on for 3 epochs lowered the validation loss further. The best weights came after 38 epochs of "
        "100. Raise training.epochs, and training.patience where the training stopped early."
    )


def test_the_mean_over_members_is_judged():
    """A member that further epochs make worse does not make up for another."""
    assert ask(trained(FLAT, FLAT, gains=[0.1, 0])).value == pytest.approx(0.05)
    assert ask(trained(FLAT, FLAT, gains=[0.1, -5])).value == pytest.approx(0.05)
    assert ask(trained(FLAT, FLAT, gains=[0.03, 0])).status == "passed"


def test_the_threshold_is_the_largest_gain_that_passes():
    assert ask(trained(FLAT, gains=0.1), Settled(0.11)).status == "passed"
    assert ask(trained(FLAT, gains=0.1), Settled(0.09)).status == "failed"


def test_a_member_that_lost_its_patience_is_trained_on_too():
    """Little patience is no proof."""
    stopped = np.r_[FALLING[:30], np.full(2, 4.9)]
    assert ask(trained(stopped, FLAT, gains=[0.1, 0])).status == "failed"
    assert ask(trained(stopped, FLAT)).status == "passed"


def test_without_validation_nothing_is_known():
    answer = ask(trained(np.full(100, np.nan)))
    assert (answer.status, answer.value) == ("not checked", None)
    assert "Set training.validation=0.1." in answer.advice


def test_an_intractable_normaliser_leaves_it_open():
    answer = ask(trained(FLAT, measure=""))
    assert answer.status == "not checked"
    assert "Z is intractable" in answer.advice


def test_a_member_that_was_never_finite_fails():
    assert ask(trained(FLAT, np.full(100, np.nan))).status == "failed"


def test_further_epochs_that_are_not_finite_say_nothing():
    assert ask(trained(FLAT, FLAT, gains=[0, np.nan])).status == "not checked"


@pytest.mark.parametrize("result", [good_draws(), good_point()])
def test_what_was_not_trained_is_not_asked(result):
    assert ask(result) is None
