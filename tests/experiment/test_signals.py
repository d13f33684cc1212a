"""A signal stops a run where it arrives, or at the next block where Python lost it."""

import os
import signal

import pytest

from credo.errors import Interrupted
from credo.experiment import signals

RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Interrupted}


class Deaf:
    """Swallows what is raised while it is destroyed, as all destructors do."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        for _ in range(100):  # the handler runs between two steps of the interpreter
            pass


@pytest.mark.parametrize("number", RAISED)
def test_it_is_raised_where_it_arrives(number: signal.Signals) -> None:
    with signals.listening(), pytest.raises(RAISED[number]):
        signal.raise_signal(number)


@pytest.mark.parametrize("number", RAISED)
def test_a_lost_one_is_raised_again(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    """And Python's remark that it was ignored is not shown."""
    with signals.listening():
        signals.check()
        Deaf(number)
        with pytest.raises(RAISED[number]):
            signals.check()
    assert capfd.readouterr() == ("", "")


def test_nothing_is_left_behind() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), signals.listening():
        signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    signals.check()


def test_what_c_code_makes_of_it_is_not_told(capfd: pytest.CaptureFixture[str]) -> None:
    """In the middle of an import, pandas' own says `ImportError`, which nobody can catch."""

    class Broken:
        def __del__(self) -> None:
            raise ImportError("could not import module")

    with signals.listening():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        Broken()
    assert capfd.readouterr() == ("", "")
