"""Work that cores share."""

import threading
import time

import numpy as np
import pytest

from credo import chain_stats, cores


def test_parts_come_in_their_order_by_as_many_threads_as_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cores", lambda: 3)
    threads: set[str] = set()

    def slow(number: int) -> int:
        threads.add(threading.current_thread().name)
        time.sleep(0.01 * (5 - number))
        return number**2

    assert cores.each(slow, range(5)) == [0, 1, 4, 9, 16]
    assert len(threads) == 3
    monkeypatch.setattr(cores, "cores", lambda: 1)
    threads.clear()
    assert cores.each(slow, range(5)) == [0, 1, 4, 9, 16]
    assert threads == {threading.current_thread().name}


def test_what_a_part_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cores", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        cores.each(lambda number: 1 // number, [1, 0, 2])


def test_statistics_do_not_depend_on_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(0).normal(size=(200, 4, 1000))
    draws[3, 0, 0], draws[150] = np.nan, 1.0
    found = []
    for number in (1, 4):
        monkeypatch.setattr(cores, "cores", lambda number=number: number)
        found.append(chain_stats.of(draws, chain_stats.r_hat, chain_stats.ess_bulk))
    np.testing.assert_array_equal(*found)
