"""r_hat, ess_bulk, ess_tail, mcse and chains: the checks that read the summary."""

import dataclasses

import numpy as np
import pytest

from credo.diagnostics.base import put
from credo.diagnostics.chains import Chains
from credo.diagnostics.ess_bulk import EssBulk
from credo.diagnostics.ess_tail import EssTail
from credo.diagnostics.mcse import Mcse
from credo.diagnostics.r_hat import RHat
from credo.diagnostics.summary import summarise
from credo.inference.kind import Kind

from .conftest import draws_result, good_draws, good_point

MIXING = [RHat(1.01), EssBulk(400), EssTail(400), Mcse(0.1)]


def ask(check, result):
    return put(check, result, summarise(result))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("check", [*MIXING, Chains(2)])
def test_independent_draws_pass(check):
    answer = ask(check, good_draws())
    assert answer.status == "passed"


@pytest.mark.parametrize("check", [*MIXING, Chains(2)])
def test_a_point_estimate_is_not_asked(check):
    assert ask(check, good_point()) is None


def test_chains_that_disagree_fail_and_are_named():
    x = normal(4, 500, 2)
    x[0, :, 1] += 3.0
    answer = ask(RHat(1.01), draws_result({"x": x}))
    assert answer.status == "failed"
    assert answer.value > 1.1
    assert "x[1]" in answer.advice
    assert "x[0]" not in answer.advice


def test_a_parametrisation_is_judged_and_named_after_the_others():
    x = normal(4, 500)
    x[0] += 3.0
    result = draws_result({"x": x, "y": x - 0.5 * (x > 2)})
    alone = ask(RHat(1.01), result)
    result.tree["posterior"]["x"].attrs["effect"] = "y"
    answer = ask(RHat(1.01), result)
    assert alone.value == answer.value
    assert "disagree about x, y" in alone.advice
    assert "disagree about y, x" in answer.advice


def test_few_draws_fail():
    result = draws_result({"x": normal(4, 50)})
    for check in (EssBulk(400), EssTail(400)):
        answer = ask(check, result)
        assert answer.status == "failed"
        assert answer.value < 400


def test_a_heavy_tail_has_a_large_monte_carlo_error_beside_good_ranks():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 100))
    answer = ask(Mcse(0.04), draws_result({"x": x}))
    # 400 independent draws know the mean to 1/sqrt(400) = 0.05 standard deviations.
    assert answer.status == "failed"
    assert answer.value == pytest.approx(0.05, rel=0.3)


def test_particles_are_what_there_are_more_of():
    result = draws_result({"x": np.random.default_rng(0).normal(size=(4, 100))})
    assert "Raise inference.draws," in ask(Mcse(0.04), result).advice
    weighted = dataclasses.replace(result, kind=Kind.WEIGHTED)
    assert "Raise inference.particles," in ask(Mcse(0.04), weighted).advice


def test_one_chain_is_not_checked():
    result = good_draws(chains=1)
    assert ask(RHat(1.01), result).status == "not checked"
    answer = ask(Chains(2), result)
    assert (answer.status, answer.value, answer.threshold) == ("not checked", 1, 2)
    assert "inference.chains" in answer.advice


@pytest.mark.parametrize("check", MIXING)
def test_a_nan_is_not_checked(check):
    x = normal(4, 1000, 2)
    x[0, 0, 0] = np.nan
    answer = ask(check, draws_result({"x": x}))
    assert answer.status == "not checked"
    assert "x[0]" in answer.advice


@pytest.mark.parametrize("check", MIXING)
def test_a_sampled_constant_is_not_checked(check):
    result = draws_result({"x": normal(4, 1000), "stuck": np.ones((4, 1000))})
    assert ask(check, result).status == "not checked"


@pytest.mark.parametrize("check", MIXING)
def test_what_is_constant_by_construction_is_left_out(check):
    x = normal(4, 1000, 3)
    x[..., 0] = 1.0  # the corner of a Cholesky factor
    result = draws_result(
        {"x": x, "fixed": np.ones((4, 1000)), "included": np.ones((4, 1000), bool)}, sampled=("x", "included")
    )
    assert ask(check, result).status == "passed"


@pytest.mark.parametrize("check", MIXING)
def test_nothing_to_judge_is_not_checked(check):
    assert ask(check, draws_result({})).status == "not checked"
    assert ask(check, draws_result({"fixed": np.ones((4, 100))}, sampled=())).status == "not checked"


def test_a_discrete_scalar_without_tails_is_not_asked_for_them():
    usual = np.random.default_rng(1).random((4, 1000)) < 0.99
    result = draws_result({"x": normal(4, 1000), "usual": usual})
    assert ask(EssTail(400), result).status == "passed"


def test_chains_constant_at_different_values_have_a_huge_r_hat():
    answer = ask(RHat(1.01), draws_result({"x": np.repeat(np.arange(4.0)[:, None], 100, axis=1)}))
    assert answer.status == "failed"
    assert answer.value > 1000  # infinite but for rounding


def test_chains_of_a_few_draws_have_no_effective_sample_size():
    """Each may keep to one mode, and many of them look like independent draws."""
    result = draws_result({"x": normal(500, 10)})
    for check in (EssBulk(400), EssTail(400), Mcse(0.1)):
        answer = ask(check, result)
        assert answer.status == "not checked"
        assert "Chains of 10 draws are too short" in answer.advice


def starts(**start):
    """Two scalars, the second in units of a thousand, whose chains started there."""
    return draws_result({"x": normal(4, 500), "y": 1000 * normal(4, 500, seed=1)}, start=start)


APART = np.array([-1.0, 0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("start", "named"),
    [
        ({"x": np.ones(4), "y": np.ones(4)}, "x, y"),
        ({"x": 1e-3 * APART, "y": APART}, "x, y"),
        ({"x": APART, "y": APART}, "y"),
        ({"x": np.ones(4), "y": 1000 * APART}, "x"),
    ],
)
def test_chains_from_one_point_are_not_checked(start, named):
    answer = ask(Chains(2), starts(**start))
    assert answer.status == "not checked"
    assert f"All chains started at the same {named} (by the scale of the posterior)" in answer.advice
    assert "inference.start=auto" in answer.advice


def test_starts_apart_pass():
    assert ask(Chains(2), starts(x=0.1 * APART, y=100 * APART)).status == "passed"


def test_a_vector_started_apart_if_one_of_its_scalars_did():
    x = normal(4, 500, 2) * [1.0, 1000.0]
    assert ask(Chains(2), draws_result({"x": x}, start={"x": np.stack([APART, APART], 1)})).status == "passed"


@pytest.mark.parametrize("start", [{}, {"x": [0.0, 1.0, 2.0, np.nan], "y": APART}])
def test_starts_that_are_not_known_do_not_pass(start):
    answer = ask(Chains(2), starts(**start))
    assert answer.status == "not checked"
    assert "It is not known where the chains started" in answer.advice


def test_starts_of_a_flat_prior_that_coincide_ask_for_a_proper_one():
    result = draws_result({"x": 1e6 * normal(4, 500)}, start={"x": APART}, improper=("x",))
    assert "No start can be drawn from an improper prior" in ask(Chains(2), result).advice


@pytest.mark.parametrize(("spins", "status"), [(64, "not checked"), (3, "passed")])
def test_of_few_discrete_states_chains_may_start_at_one_by_chance(spins, status):
    draws = np.random.default_rng(0).random((4, 500, spins)) < 0.5
    assert ask(Chains(2), draws_result({"s": draws}, start={"s": np.ones((4, spins), bool)})).status == status
