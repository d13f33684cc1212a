import numpy as np
import pytest

from credo.diagnostics.base import put
from credo.diagnostics.stuck import Stuck
from credo.diagnostics.summary import summarise

from .conftest import draws_result, good_draws, good_point


def ask(result, threshold=0.01):
    return put(Stuck(threshold), result, summarise(result))


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(4, 200, 2))


def test_chains_that_move_pass():
    answer = ask(good_draws())
    assert (answer.status, answer.value) == ("passed", 1.0)
    assert ask(good_point()) is None


def test_one_stuck_chain_of_four_fails_and_is_named(x):
    x[2] = x[2, :1]
    answer = ask(draws_result({"x": x}))
    assert (answer.status, answer.value) == ("failed", 0.0)
    assert "Chain 2 does not move" in answer.advice
    assert "x[0], x[1]" in answer.advice


def test_one_scalar_stuck_in_one_chain_fails(x):
    x[3, :, 1] = 0.5
    answer = ask(draws_result({"x": x}))
    assert answer.status == "failed"
    assert "Chain 3 does not move in x[1]" in answer.advice


@pytest.mark.parametrize("value", [np.ones((4, 1)), np.arange(4.0)[:, None]])
def test_four_constant_chains_fail(value):
    answer = ask(draws_result({"x": np.repeat(value, 100, axis=1)}))
    assert answer.status == "failed"
    assert "No chain moves" in answer.advice


def test_hardly_moving_fails(x):
    x[0] = x[0, :1]
    x[0, 100:] += 1.0
    answer = ask(draws_result({"x": x}))
    assert answer.status == "failed"
    assert answer.value == pytest.approx(1 / 199)


def test_constants_by_construction_pass(x):
    corner = np.concatenate([np.ones((4, 200, 1)), x], axis=-1)
    result = draws_result({"corner": corner, "fixed": np.ones((4, 200))}, sampled=("corner",))
    assert ask(result).status == "passed"


def test_a_determined_discrete_latent_is_noted_and_named(x):
    result = draws_result({"x": x, "included": np.ones((4, 200), bool)})
    answer = ask(result)
    assert answer.status == "note"
    assert "included" in answer.advice


def test_discrete_chains_apart_fail(x):
    apart = np.repeat(np.arange(4)[:, None], 200, axis=1)
    answer = ask(draws_result({"x": x, "k": apart}))
    assert answer.status == "failed"
    assert "k" in answer.advice


def test_nothing_but_constant_discrete_latents_is_not_checked():
    assert ask(draws_result({"spin": np.ones((4, 100), int)})).status == "not checked"


def test_discrete_latents_that_move_pass():
    flips = np.random.default_rng(0).random((4, 100)) < 0.5
    assert ask(draws_result({"spin": flips})).status == "passed"


def test_nothing_to_see_is_not_checked(x):
    assert ask(draws_result({})).status == "not checked"
    assert ask(draws_result({"x": x}, sampled=())).status == "not checked"
    assert ask(draws_result({"x": x[:, :1]})).status == "not checked"


def test_a_chain_of_nan_does_not_pass(x):
    x[1] = np.nan
    assert ask(draws_result({"x": x})).status == "failed"
