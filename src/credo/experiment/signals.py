"""The signals that end a command: SIGINT, SIGTERM, and SIGHUP, which a terminal sends that is closed.

Before there is anything to end (`leaving`), they end the process itself. From then on (`listening`) they are raised
where they arrive. Python ignores what is raised in callbacks and destructors (JAX has one in every garbage collection),
so they are raised again by `check`: between two blocks of the inference, and before an error is reported, since C code
that imports something makes an `ImportError` of them.
"""

import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from credo.errors import Interrupted

NUMBERS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

_received: list[BaseException] = []


def leaving(code: int | None = None) -> None:
    """From now on a signal ends the process at once: there is nothing to end, or nothing left to do.

    Args:
        code: the exit code of a command that is over; `None` before it starts, when a sentence says what happened.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        if code is None:
            os.write(sys.stderr.fileno(), f"credo: {_sentence(number)}\n".encode())
        os._exit(Interrupted.exit_code if code is None else code)

    for number in _heard():
        signal.signal(number, leave)


@contextmanager
def listening() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `Interrupted` and SIGINT into `KeyboardInterrupt`, and remember them."""
    if signal.getsignal(signal.SIGTERM) is _stop:  # the command listens already
        yield
        return
    _received.clear()
    try:
        before = {number: signal.signal(number, _stop) for number in _heard()}
    except ValueError:  # not in the main thread: a launcher's worker; signals are the launcher's to handle
        before = {}
    hook = sys.unraisablehook
    sys.unraisablehook = lambda ignored: None if _received else hook(ignored)  # C code makes others of it, too
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def received() -> BaseException | None:
    """What was raised for a signal, if there was one."""
    return _received[0] if _received else None


def check() -> None:
    """Raise what was received and has not stopped the run yet."""
    if (error := received()) is not None:
        raise error


def _heard() -> list[signal.Signals]:
    """All of them, but for a closed terminal under nohup."""
    hang_up = getattr(signal, "SIGHUP", None)
    return [number for number in NUMBERS if number != hang_up or signal.getsignal(number) is not signal.SIG_IGN]


def _sentence(number: int) -> str:
    return "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    if number not in (signal.SIGINT, signal.SIGTERM):
        _forget_terminal()
    error = KeyboardInterrupt() if number == signal.SIGINT else Interrupted(_sentence(number))
    _received.append(error)
    raise error


def _forget_terminal() -> None:
    """Write to nowhere what was meant for a terminal that is gone, where it would be an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for place in (1, 2):
        if stat.S_ISCHR(os.fstat(place).st_mode):
            os.dup2(nowhere, place)
    os.close(nowhere)
