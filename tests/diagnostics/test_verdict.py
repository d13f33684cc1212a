import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from credo.diagnostics.base import Check
from credo.diagnostics.summary import summarise
from credo.diagnostics.verdict import judge, to_json
from credo.inference.result import Status

from .conftest import draws_result, good_classifier, good_draws, good_energy, good_network, good_point, point_result


@dataclass(frozen=True)
class Says:
    """A check whose answer is known."""

    answer: Check | None

    def __call__(self, result, summary):
        return self.answer


def breaks(result, summary):
    raise KeyError("no such variable")


def verdict_of(*statuses, value=1.0):
    checks = {f"c{i}": Says(Check("own", status, value, None, "")) for i, status in enumerate(statuses)}
    return judge(checks, good_draws(), None)


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "note"], "passed"),
        (["passed", "not checked"], "not checked"),
        (["passed", "not checked", "failed"], "failed"),
        (["note", "failed"], "failed"),
        (["note"], "not checked"),
        (["not checked"], "not checked"),
        ([], "not checked"),
        (["fine"], "not checked"),
    ],
)
def test_the_rule(statuses, verdict):
    assert verdict_of(*statuses).status == verdict


def test_checks_have_the_names_of_the_configuration():
    assert [check.name for check in verdict_of("passed", "note").checks] == ["c0", "c1"]


def test_a_check_that_does_not_apply_is_left_out():
    assert judge({"a": Says(None)}, good_draws(), None).checks == ()


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (breaks, "KeyError: 'no such variable'"),
        (Says(True), "AttributeError"),
        (Says(Check("own", "passed", float("nan"), None, "")), "NaN"),
    ],
)
def test_a_broken_check_is_not_checked_with_its_reason(check, words):
    verdict = judge({"mine": check, "good": Says(Check("", "passed", 1.0, None, ""))}, good_draws(), None)
    assert verdict.status == "not checked"
    assert verdict.checks[0].name == "mine"
    assert words in verdict.checks[0].advice


def test_an_interruption_is_not_swallowed():
    def interrupted(result, summary):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge({"mine": interrupted}, good_draws(), None)


def test_json_has_no_nan():
    verdict = judge({"a": Says(Check("a", "failed", float("inf"), float("nan"), "why"))}, good_draws(), None)
    assert json.loads(json.dumps(to_json(verdict), allow_nan=False)) == {
        "status": "failed",
        "checks": [{"name": "a", "status": "failed", "value": None, "threshold": None, "advice": "why"}],
    }


def standard(checks, result):
    verdict = judge(checks, result, summarise(result))
    return verdict.status, {check.name: check for check in verdict.checks}


def test_independent_draws_pass(checks):
    status, answers = standard(checks, good_draws())
    assert status == "passed"
    assert {answer.status for answer in answers.values()} == {"passed"}
    asked_of_points = {"converged", "gradient_norm", "hessian", "boundary", "standard_errors", "starts_agree"}
    asked_of_networks = {"settled", "calibration", "components", "distinct", "reliability"}
    asked_of_energies = {"normaliser", "samples", "fit", "ceiling", "inner"}
    asked_of_approximations = {"pareto_k", "confirmed", "drift"}
    asked_of_evidence = {"evidence", "founders", "ladder", "mutation", "peak", "repeats"}
    asked_of_ladders = {"climb", "exchange", "round_trips"}
    others = asked_of_points | asked_of_approximations | asked_of_networks | asked_of_energies
    asked_of_live_points = {"insertion", "remaining"}
    others |= asked_of_evidence | asked_of_ladders | asked_of_live_points | {"prior_from"}
    assert set(answers) == set(checks) - others


def test_a_good_estimate_passes(checks):
    status, answers = standard(checks, good_point())
    assert status == "passed"
    assert set(answers) == {
        "finite",
        "observed",
        "converged",
        "gradient_norm",
        "hessian",
        "boundary",
        "standard_errors",
        "starts_agree",
    }


def test_a_good_network_passes(checks):
    status, answers = standard(checks, good_network())
    assert status == "passed"
    assert set(answers) == {"finite", "settled", "calibration", "components", "distinct"}


def test_a_good_classifier_passes(checks):
    status, answers = standard(checks, good_classifier())
    assert status == "passed"
    assert set(answers) == {"finite", "settled", "reliability"}


def test_a_good_energy_passes(checks):
    _, answers = standard(checks, good_energy())
    assert {answers[name].status for name in ("normaliser", "samples", "fit", "inner")} == {"passed"}


@pytest.mark.parametrize(
    ("name", "change", "status", "words"),
    [
        ("normaliser", {"low": [0.0]}, "failed", "between 0.0000 and 1.0500"),
        ("normaliser", {"low": [np.nan]}, "not checked", "Z is unknown"),
        ("samples", {"energy": np.arange(8.0)[:, None] + np.zeros((8, 200))}, "failed", "disagree"),
        ("inner", {"inner_drift": np.full((4, 100), 0.3)}, "failed", "inference.transitions"),
    ],
)
def test_an_energy_that_is_not_known_fails(checks, name, change, status, words):
    result = good_energy()
    group = {"normaliser": "normaliser", "samples": "samples", "inner": "sample_stats"}[name]
    for variable, values in change.items():
        result.tree[group][variable].values[:] = values
    answer = standard(checks, result)[1][name]
    assert answer.status == status
    assert words in answer.advice


def test_one_good_chain_is_not_passed(checks):
    status, answers = standard(checks, good_draws(chains=1))
    assert status == "not checked"
    assert answers["r_hat"].status == answers["chains"].status == "not checked"


def test_four_constant_chains_fail_with_the_reason(checks):
    status, answers = standard(checks, draws_result({"x": np.ones((4, 500))}))
    assert status == "failed"
    assert "No chain moves" in answers["stuck"].advice
    assert "passed" not in {answers[name].status for name in ("r_hat", "ess_bulk", "ess_tail", "mcse")}


def test_a_nan_draw_fails_with_the_reason(checks):
    result = good_draws()
    result.tree["posterior"]["mu"].values[1, 2] = np.nan
    status, answers = standard(checks, result)
    assert status == "failed"
    assert "mu of the posterior" in answers["finite"].advice
    assert answers["r_hat"].status == "not checked"


def test_one_stuck_chain_fails(checks):
    result = good_draws()
    result.tree["posterior"]["mu"].values[3] = 0.1
    status, answers = standard(checks, result)
    assert status == "failed"
    assert answers["stuck"].status == answers["r_hat"].status == "failed"


def test_a_mode_on_the_boundary_is_not_believed_as_its_curvature_says_nothing(checks):
    result = point_result(
        {"tau": 0.0}, {"tau": np.nan}, boundary=("tau",), hessian_eigenvalues=[], fall=[[np.nan, np.nan]] * 2
    )
    status, answers = standard(checks, result)
    assert status == "not checked"
    assert (answers["boundary"].status, answers["hessian"].status) == ("note", "not checked")


def test_an_estimate_that_did_not_converge_fails(checks):
    assert standard(checks, replace(good_point(), status=Status.NOT_CONVERGED))[0] == "failed"
