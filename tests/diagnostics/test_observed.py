"""A posterior that is the prior says so."""

from dataclasses import replace

from credo.diagnostics.base import put
from credo.diagnostics.observed import Observed
from credo.diagnostics.summary import summarise

from .conftest import draws_result, good_draws, good_network


def ask(result):
    return put(Observed(), result, summarise(result))


def test_data_pass():
    answer = ask(good_draws())
    assert (answer.status, answer.value) == ("passed", 1)


def test_no_data_are_noted_loudly():
    answer = ask(draws_result({"mu": [[0.0, 1.0]]}, seen=()))
    assert answer.status == "note"
    assert "Nothing was observed: this posterior is the prior" in answer.advice


def test_what_is_not_known_does_not_pass():
    assert ask(draws_result({"mu": [[0.0, 1.0]]}, seen=None)).status == "not checked"
    assert ask(good_network()) is None


def test_data_without_a_part_in_the_answer_are_noted():
    answer = ask(replace(good_draws(), unread=("x", "z")))
    assert answer.status == "note"
    assert "The data has x, z, on which nothing in the model depends: they have no part" in answer.advice
