"""What a run costs: wall-clock seconds by phase, with compilation apart, and the number of compiled programs."""

import time

import jax.monitoring

_LOWER = "/jax/core/compile/jaxpr_to_mlir_module_duration"
_COMPILE = "/jax/core/compile/backend_compile_duration"


class _Compiled:
    programs = 0
    seconds = 0.0


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event in (_LOWER, _COMPILE):
        _Compiled.seconds += duration_secs
        _Compiled.programs += event == _COMPILE


jax.monitoring.register_event_duration_secs_listener(_listen)


class Clock:
    """Started when it is made.

    Attributes:
        seconds: by phase, in order; `compile` has what XLA took to compile programs or to load them from its cache.
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
