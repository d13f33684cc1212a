"""Laws over all checks: a NaN is never a pass, and no note stands in for a question that could not be answered."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from credo.diagnostics.base import put
from credo.diagnostics.converged import Converged
from credo.diagnostics.summary import summarise
from credo.diagnostics.verdict import judge
from diagnostics.conftest import good_draws, good_network, good_point, point_result

CONF = Path(__file__).parents[2] / "conf" / "diagnostics" / "check"
SETTINGS = {file.stem: OmegaConf.to_container(OmegaConf.load(file)) for file in sorted(CONF.glob("*.yaml"))}
CLASSES = {name: settings.pop("_target_") for name, settings in SETTINGS.items()}
NUMBERS = [
    (name, field.name)
    for name, target in CLASSES.items()
    for field in dataclasses.fields(get_object(target))
    if isinstance(SETTINGS.get(name, {}).get(field.name), int | float)
]
RESULTS = {"draws": good_draws, "point": good_point, "network": good_network}


def check(name, **changes):
    return get_object(CLASSES[name])(**SETTINGS.get(name, {}) | changes)


@pytest.mark.parametrize(("name", "setting"), NUMBERS)
@pytest.mark.parametrize("kind", RESULTS)
def test_no_check_passes_with_a_setting_that_is_nan(name, setting, kind):
    result = RESULTS[kind]()
    asked = judge({name: check(name, **{setting: math.nan})}, result, summarise(result))
    whole = judge({name: check(name)}, result, summarise(result))
    answers = [answer for answer in asked.checks if answer.name == name]
    if any(answer.name == name for answer in whole.checks):
        assert [answer.status for answer in answers] == ["not checked"]
        assert asked.status == "not checked"


@pytest.mark.parametrize("name", ["r_hat", "ess_bulk", "ess_tail", "mcse", "stuck", "tree_depth", "e_bfmi", "loo"])
def test_nothing_is_below_a_nan_in_the_checks_themselves(name):
    result = good_draws()
    answer = put(check(name, threshold=math.nan), result, summarise(result))
    assert answer is None or answer.status != "passed"


def test_no_distance_is_below_a_nan():
    result = good_point()
    assert check("starts_agree", distance=math.nan)(result, summarise(result)).status == "failed"
    assert check("standard_errors", least=math.nan)(result, summarise(result)).status != "passed"
    assert check("standard_errors", greatest=math.nan)(result, summarise(result)).status != "passed"
    assert check("gradient_norm", threshold=math.nan, decrement=math.nan)(result, summarise(result)).status != "passed"


QUESTIONS = ("converged", "gradient_norm", "hessian", "starts_agree")
UNKNOWN = {
    "boundary": {"boundary": ("mu",), "hessian_eigenvalues": [], "fall": [[np.nan, np.nan]] * 2},
    "apart on the boundary": {
        "boundary": ("mu",),
        "distance": [0.0, np.nan, 9.0],
        "objective": [-3.0, -3.0, -9.0],
    },
    "no curvature": {"hessian_eigenvalues": [np.nan], "attrs": {"unknown": "It has no second derivatives."}},
    "no gradient": {"gradient_norm": [np.nan] * 3},
    "one start": {"objective": [-3.0], "gradient_norm": [1e-9], "distance": [0.0], "converged": [True]},
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_point_whose_questions_could_not_be_answered_is_not_believed(case):
    result = point_result({"mu": 1.0}, {"mu": np.nan}, **UNKNOWN[case])
    checks = {name: check(name) for name in CLASSES}
    verdict = judge(checks, result, summarise(result))
    assert verdict.status == "not checked"
    assert "not checked" in {answer.status for answer in verdict.checks if answer.name in QUESTIONS}


def test_an_optimiser_that_ended_lower_than_it_began_has_not_converged():
    lost = point_result({"mu": 1.0}, {"mu": 0.1}, objective=[-108.0] * 3, attrs={"began": -7.0})
    answer = Converged()(lost, summarise(lost))
    assert answer.status == "failed"
    assert "the log density was -7 at the best start and is -108" in answer.advice
    kept = point_result({"mu": 1.0}, {"mu": 0.1}, objective=[-6.0] * 3, attrs={"began": -7.0})
    assert Converged()(kept, summarise(kept)).status == "passed"
