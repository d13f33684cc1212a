"""The cores of this machine that a process may use, and work on arrays that they share."""

import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says what share of the cores a container may use: microseconds of work in so many of time."""

MOST = 8
"""Threads of one piece of work, at most: beyond, they wait for memory."""


def cores() -> int:
    """The cores of the CPU that this process may use: those that a launcher, the system and a container leave to it."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # where there is no quota, or no Linux
        work, time = map(int, _QUOTA.read_text(encoding="ascii").split())
        there = min(there, math.ceil(work / time))
    with suppress(ValueError):
        there = min(there, int(os.environ.get("NPROC", "")))  # by which XLA, too, learns of them
    return max(there, 1)


def each[P, R](function: Callable[[P], R], parts: Iterable[P]) -> list[R]:
    """A function of each part, by threads: NumPy leaves them the interpreter while it computes.

    Example:
        >>> each(abs, [-1, 2])
        [1, 2]

    Raises:
        Exception: the first that the function raises.
    """
    work = list(parts)
    if (threads := min(cores(), len(work), MOST)) <= 1:
        return [function(part) for part in work]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, work))
