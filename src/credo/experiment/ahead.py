"""What comes after a long inference is loaded while it runs, by a thread: compiled programs leave it the interpreter.

A short one has no time to spare: to load programs takes the interpreter, so that its answer would come later.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Event, Thread

LONG = 2.0
"""Seconds from which on an inference is long: it compiles, or computes."""

log = logging.getLogger(__name__)


@contextmanager
def loading(modules: Iterable[str]) -> Iterator[None]:
    """Load modules while what is done takes long. An import of one waits for it, and raises what went wrong."""
    ended = Event()
    if missing := [name for name in modules if name not in sys.modules]:
        Thread(target=_load, args=(missing, ended), name="loading ahead", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _load(modules: list[str], ended: Event) -> None:
    if ended.wait(LONG):
        return
    for name in modules:
        try:
            import_module(name)
        except Exception:
            log.debug("%s could not be loaded ahead", name, exc_info=True)
