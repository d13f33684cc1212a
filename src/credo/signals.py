"""The signals that end a run, SIGINT and SIGTERM.

They are raised where they arrive. Python ignores what is raised in callbacks and destructors (JAX has one in every
garbage collection), so they are raised again by `check`, between two blocks of the inference.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from credo.errors import Interrupted

_received: list[BaseException] = []


@contextmanager
def listening() -> Iterator[None]:
    """Turn SIGTERM into `Interrupted` and SIGINT into `KeyboardInterrupt`, and remember them."""
    _received.clear()
    try:
        before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: a launcher's worker; signals are the launcher's to handle
        before = {}
    hook = sys.unraisablehook
    sys.unraisablehook = lambda ignored: None if ignored.exc_value in _received else hook(ignored)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def check() -> None:
    """Raise what was received and has not stopped the run yet."""
    if _received:
        raise _received[0]


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    is_interrupt = number == signal.SIGINT
    error = KeyboardInterrupt() if is_interrupt else Interrupted(f"stopped by {signal.Signals(number).name}")
    _received.append(error)
    raise error
