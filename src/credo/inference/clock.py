"""What a run costs: wall-clock seconds by phase, with compilation apart, and the number of compiled programs."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import jax.monitoring

_COMPILE = "/jax/core/compile/backend_compile_duration"
_STEPS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    _COMPILE,
)
"""From a function to a program; one may be traced within another."""


_WAITED = "/credo/compile/waited_duration"


class _OfThread(threading.local):
    is_aside = False
    """Whether this thread compiles for another, which counts how long it waits for that."""


_this_thread = _OfThread()


class _Compiled:
    programs = 0
    seconds = 0.0
    spans: ClassVar[deque[tuple[float, float]]] = deque(maxlen=10_000)
    """When steps ended, and their seconds; those that a later one holds are taken out."""


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event not in (*_STEPS, _WAITED):
        return
    if _this_thread.is_aside:
        _Compiled.programs += event == _COMPILE
        return
    end, inside = time.perf_counter(), 0.0
    while _Compiled.spans and _Compiled.spans[-1][0] > end - duration_secs:
        inside += _Compiled.spans.pop()[1]
    _Compiled.spans.append((end, duration_secs))
    _Compiled.seconds += max(duration_secs - inside, 0.0)
    _Compiled.programs += event == _COMPILE


jax.monitoring.register_event_duration_secs_listener(_listen)


@contextmanager
def aside() -> Iterator[None]:
    """Compile for another thread: the seconds do not count, and the programs do."""
    before, _this_thread.is_aside = _this_thread.is_aside, True
    try:
        yield
    finally:
        _this_thread.is_aside = before


@contextmanager
def waiting() -> Iterator[None]:
    """Wait for a program that another thread compiles: the seconds are those of compilation."""
    began = time.perf_counter()
    try:
        yield
    finally:
        jax.monitoring.record_event_duration_secs(_WAITED, time.perf_counter() - began)


class Clock:
    """Started when it is made.

    Attributes:
        seconds: by phase, in order; `compile` has what it took to trace functions, to lower them, and to compile
            programs or to load them from the cache.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {"compile": 0.0}
        self._first_program = _Compiled.programs
        self._begin, self._compiled = time.perf_counter(), _Compiled.seconds

    def lap(self, phase: str) -> None:
        """End a phase, or a part of one."""
        now, compiled = time.perf_counter(), _Compiled.seconds
        compiling = min(compiled - self._compiled, now - self._begin)
        self.seconds["compile"] += compiling
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._begin - compiling
        self._begin, self._compiled = now, compiled

    @property
    def programs(self) -> int:
        """Programs compiled, or loaded from the persistent cache, since the start."""
        return _Compiled.programs - self._first_program
