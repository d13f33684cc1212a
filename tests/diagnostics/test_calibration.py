import dataclasses

import numpy as np
import pytest
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.calibration import Calibration
from credo.diagnostics.summary import summarise
from credo.inference.kind import Kind

from .conftest import draws_result, good_draws, good_point

CALIBRATION = Calibration(0.02)


def predicted(pit, rows="test"):
    """A result with the probability integral transforms [row, target]."""
    pit = np.asarray(pit, float)
    result = draws_result({"x": np.zeros((1, 3))})
    result.tree["predictive"] = xr.DataTree(
        xr.Dataset({"pit": (("row", "target"), pit.reshape(len(pit), -1))}, attrs={"rows": rows})
    )
    return result


def ask(result):
    return put(CALIBRATION, result, summarise(result))


EVEN = (np.arange(2000) + 0.5) / 2000
NARROW = 0.5 + 1.2 * (EVEN - 0.5)  # as if the predictive's intervals were too narrow


def test_uniform_transforms_pass():
    answer = ask(predicted(EVEN))
    assert (answer.name, answer.status, answer.value, answer.threshold) == ("calibration", "passed", 0.0, 0.02)
    assert answer.advice == (
        "The central intervals hold 50.0% where 50% should be and 90.0% where 90% should be, of 2000 rows."
    )


@pytest.mark.parametrize("scale", [1.6, 0.6])
def test_intervals_that_are_too_narrow_or_too_wide_fail(scale):
    """Of a scale s, the central interval of 50 % holds 1 / (2 s), beside three errors of 1.1 %."""
    pit = np.clip(0.5 + scale * (EVEN - 0.5), 0, 1)
    answer = ask(predicted(pit))
    assert answer.status == "failed"
    shares = min(0.5 / scale, 1), min(0.9 / scale, 1)
    errors = np.sqrt([0.25 / 2000, 0.09 / 2000])
    assert answer.value == pytest.approx(np.max(np.abs(np.subtract(shares, (0.5, 0.9))) - 3 * errors), abs=2e-3)
    assert f"{np.mean(np.abs(pit - 0.5) <= 0.25):.1%} where 50% should be" in answer.advice
    assert "Choose other components (model.components, model.family)." in answer.advice


def test_what_is_advised_is_what_the_model_has():
    """An ensemble is trained; and where all is normal, there are no components."""
    wrong = predicted(np.clip(0.5 + 1.6 * (EVEN - 0.5), 0, 1))
    trained = dataclasses.replace(wrong, kind=Kind.TRAINED)
    assert "training.members" in ask(trained).advice
    rows = wrong.tree["predictive"].to_dataset()
    wrong.tree["predictive"] = xr.DataTree(rows.assign_attrs(normal=1))
    assert "give it other parts" in ask(wrong).advice


@pytest.mark.parametrize(("measure", "advised"), [("density", True), ("mass", False)])
def test_whole_numbers_are_given_masses(measure, advised):
    """Where a density of them has a floor of a whole step, its intervals hold too many."""
    result = predicted(0.5 + 0.6 * (EVEN - 0.5))
    rows = result.tree["predictive"].to_dataset()
    marks = rows.assign(y=(("row", "target"), 3.0 + np.arange(2000)[:, None] % 6)).assign_attrs(measure=measure)
    result.tree["predictive"] = xr.DataTree(marks)
    answer = ask(result)
    assert answer.status == "failed"
    assert ("model.family=discretized_gaussian" in answer.advice) == advised
    assert ("model.components" in answer.advice) != advised


def test_a_bias_fails():
    assert ask(predicted(EVEN**3)).status == "failed"


def test_few_rows_may_be_off_by_chance():
    """The same 42 % in the central half and 75 % in 90 %: of 2,000 rows that is no chance, of 20 it may be."""
    assert ask(predicted(NARROW)).status == "failed"
    assert ask(predicted(NARROW[::100])).status == "passed"


def test_uniform_draws_pass():
    """At one of two levels more than 3 errors and 0.02 are seen in less than 0.1 % of seeds, in 20 seeds in 2 %."""
    for seed in range(20):
        assert ask(predicted(np.random.default_rng(seed).uniform(size=200))).status == "passed"


def test_all_targets_are_judged():
    """Also where each of two targets is off and both together are not: their mean is what is judged."""
    assert ask(predicted(np.column_stack([EVEN, EVEN]))).status == "passed"
    assert ask(predicted(np.column_stack([EVEN, 0.5 + 0 * EVEN]))).status == "failed"


def test_training_rows_say_nothing_of_new_ones():
    answer = ask(predicted(EVEN, rows="train"))
    assert (answer.status, answer.value) == ("not checked", None)
    assert "Set data.test_fraction=0.1." in answer.advice


@pytest.mark.parametrize("result", [good_draws(), good_point()])
def test_what_has_no_predictive_is_not_asked(result):
    assert ask(result) is None


def test_nan_never_passes():
    assert ask(predicted(np.full(2000, np.nan))).status == "failed"
