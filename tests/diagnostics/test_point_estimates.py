"""converged, gradient_norm, hessian, boundary and standard_errors."""

import json

import numpy as np
import pytest

from credo.diagnostics.base import put
from credo.diagnostics.boundary import Boundary
from credo.diagnostics.converged import Converged
from credo.diagnostics.gradient_norm import GradientNorm
from credo.diagnostics.hessian import Hessian
from credo.diagnostics.standard_errors import StandardErrors
from credo.diagnostics.summary import summarise
from credo.inference.result import Status

from .conftest import good_draws, good_point, point_result

GRADIENT, HESSIAN = GradientNorm(0.01, 0.05), Hessian(1e-6)
ERRORS = StandardErrors(0.25, 1.0)
CHECKS = [Converged(), GRADIENT, HESSIAN, Boundary(), ERRORS]


def ask(check, **recorded):
    result = point_result({"mu": 0.0}, {"mu": 1.0}, **recorded)
    return put(check, result, summarise(result))


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_estimate_passes(check):
    assert put(check, good_point(), summarise(good_point())).status == "passed"


@pytest.mark.parametrize("check", CHECKS)
def test_draws_are_not_asked(check):
    result = good_draws()
    assert put(check, result, summarise(result)) is None


@pytest.mark.parametrize("status", [Status.NOT_CONVERGED, Status.NOT_FINITE])
def test_an_optimiser_that_did_not_arrive_fails(status):
    answer = ask(Converged(), status=status)
    assert answer.status == "failed"
    assert status.value in answer.advice


def test_the_gradient_of_the_best_start_is_judged():
    steep_elsewhere = ask(GRADIENT, objective=[-3.0, -9.0], gradient_norm=[1e-5, 7.0], distance=[0, 1])
    assert (steep_elsewhere.status, steep_elsewhere.value) == ("passed", 1e-5)
    steep_at_best = ask(GRADIENT, objective=[-9.0, -3.0], gradient_norm=[1e-5, 7.0], distance=[1, 0])
    assert (steep_at_best.status, steep_at_best.value) == ("failed", 7.0)


def test_a_small_gradient_far_from_the_mode_fails():
    """A coefficient of something measured in millionths has a gradient in millionths."""
    answer = ask(GRADIENT, gradient_norm=[1e-6] * 3, attrs={"newton_decrement": 5.0})
    assert answer.status == "failed"
    assert "the mode is 5 standard errors away" in answer.advice
    assert (answer.value, answer.threshold) == (5.0, 0.05)
    assert ask(GRADIENT, gradient_norm=[0.5] * 3).status == "failed"
    assert ask(GRADIENT, gradient_norm=[1e-6] * 3).status == "passed"


def test_a_gradient_that_matters_little_in_standard_errors_passes():
    assert ask(GRADIENT, gradient_norm=[0.5] * 3, attrs={"newton_decrement": 0.001}).status == "passed"
    assert ask(GRADIENT, gradient_norm=[0.5] * 3, attrs={"newton_decrement": 0.3}).status == "failed"
    assert ask(GRADIENT, gradient_norm=[0.5] * 3, attrs={"newton_decrement": np.nan}).status == "failed"
    on_a_ridge = ask(GRADIENT, gradient_norm=[0.5] * 3, attrs={"newton_decrement": 0.001}, flat=("mu",))
    assert on_a_ridge.status == "failed"


@pytest.mark.parametrize("norms", [None, [np.nan] * 3])
def test_an_unknown_gradient_is_not_checked(norms):
    assert ask(GRADIENT, gradient_norm=norms).status == "not checked"


def test_a_ridge_fails_and_names_what_is_flat():
    answer = ask(HESSIAN, hessian_eigenvalues=[1e-12, 2.0], flat=("alpha", "beta[1]"))
    assert answer.status == "failed"
    assert "a ridge in alpha, beta[1]" in answer.advice
    assert ask(HESSIAN, hessian_eigenvalues=[1e-9, 2.0]).status == "failed"


def test_a_saddle_fails():
    assert "a saddle" in ask(HESSIAN, hessian_eigenvalues=[-0.3, 2.0]).advice


@pytest.mark.parametrize("eigenvalues", [None, [], [np.nan, np.nan]])
def test_an_unknown_curvature_is_not_checked(eigenvalues):
    assert ask(HESSIAN, hessian_eigenvalues=eigenvalues).status == "not checked"


def test_standard_errors_beside_a_boundary_are_not_passed():
    result = point_result({"mu": 0.0, "tau": 0.0}, {"mu": 1.0, "tau": np.nan}, boundary=("tau",))
    answer = put(Boundary(), result, summarise(result))
    assert (answer.status, answer.value) == ("not checked", 1)
    assert "may be far too small" in answer.advice


def test_a_mode_on_the_boundary_is_named_and_its_curvature_not_judged():
    answer = ask(Boundary(), boundary=("tau",))
    assert (answer.status, answer.value) == ("note", 1)
    assert "tau" in answer.advice
    assert ask(HESSIAN, boundary=("tau",), hessian_eigenvalues=[]).status == "not checked"
    assert ask(HESSIAN, boundary=("tau",), hessian_eigenvalues=[0.0, 1.0]).status == "not checked"
    assert ask(HESSIAN, boundary=("tau",), hessian_eigenvalues=[0.7, 1.3]).status == "passed"
    assert ask(HESSIAN, boundary=("tau",), hessian_eigenvalues=[np.nan]).status == "not checked"


def test_an_unknown_boundary_is_not_checked():
    result = good_point()
    result.tree["optimisation"].attrs.clear()
    assert put(Boundary(), result, summarise(result)).status == "not checked"


def test_a_density_without_a_bound_fails_and_names_the_end():
    answer = ask(Boundary(), boundary=("sigma",), attrs={"unbounded": json.dumps([["sigma", 1e-20]])}, method="mle")
    assert answer.status == "failed"
    assert "The likelihood has no maximum: it grows without bound as sigma goes to 0." in answer.advice
    errors = ask(ERRORS, attrs={"unbounded": json.dumps([["sigma", 1e-20]])})
    assert errors.status == "not checked"
    arrived = ask(Converged(), status=Status.NOT_CONVERGED, attrs={"unbounded": json.dumps([["sigma", 1e-20]])})
    assert "There is no mode" in arrived.advice


@pytest.mark.parametrize(
    ("fall", "status", "value"),
    [
        ([[0.37, 0.72], [0.5, 0.5]], "passed", 0.37),
        ([[0.27, 1.97], [0.5, 0.5]], "passed", 0.27),
        ([[0.33, 0.5], [0.5, 0.5]], "passed", 0.33),
        ([[0.5, 0.2], [0.5, 0.5]], "failed", 0.2),
        ([[0.5, 0.5], [0.5, -1e-9]], "failed", -1e-9),
        ([[8.0, 2.0], [0.5, 0.5]], "failed", 4.0),
        ([[np.inf, 0.5], [0.5, 0.5]], "failed", np.inf),
        ([[0.5, 0.5], [np.nan, np.nan]], "passed", 0.5),
        ([[np.nan, np.nan], [np.nan, np.nan]], "not checked", None),
        (None, "not checked", None),
    ],
)
def test_the_fall_at_one_standard_error(fall, status, value):
    answer = ask(ERRORS, fall=fall)
    assert (answer.status, answer.value) == (status, value)


def test_a_latent_that_runs_off_is_named_with_its_direction():
    recorded = {"fall": [[9e9, -1e-9], [0.5, 0.5]], "latents": ("beta[g]", "mu"), "method": "mle"}
    separated = ask(ERRORS, attrs={"classes": 1}, **recorded).advice
    assert "The likelihood keeps rising as beta[g] grows: the classes are separated by g" in separated
    other = ask(ERRORS, attrs={"classes": 0}, grows=(False, True), **recorded).advice
    assert "The likelihood does not fall as beta[g] falls: the data sets no bound there" in other
    little = ask(ERRORS, fall=[[0.6, 0.2], [0.5, 0.5]], latents=("tau", "mu")).advice
    assert "The posterior density hardly falls as tau grows (by 0.2 nats at one standard error, not by 1/2)" in little


def test_rounding_hides_a_fall_and_widens_the_bars():
    coarse = ask(ERRORS, fall=[[0.5, 0.1], [0.5, 0.5]], attrs={"rounding": 0.2})
    assert coarse.status == "not checked"
    assert "device.precision=float64" in coarse.advice
    assert ask(ERRORS, fall=[[0.5, 0.23], [0.5, 0.5]], attrs={"rounding": 0.04}).status == "passed"


@pytest.mark.parametrize("check", [HESSIAN, Boundary(), ERRORS])
def test_without_second_derivatives_nothing_passes(check):
    result = point_result({"mu": 0.0}, {"mu": np.nan}, hessian_eigenvalues=[])
    result.tree["optimisation"].attrs = {"unknown": "There are none."}
    assert put(check, result, summarise(result)).status == "not checked"
