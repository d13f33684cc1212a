"""What comes after the inference is loaded while it runs, by a thread: compiled programs leave it the interpreter."""

import logging
import sys
from collections.abc import Iterable
from importlib import import_module
from threading import Thread

log = logging.getLogger(__name__)


def load(modules: Iterable[str]) -> Thread | None:
    """Start to load modules. An import of one meanwhile waits for it, and raises the error if it cannot be loaded.

    Returns:
        The thread; `None` where all are there.
    """
    if not (missing := [name for name in modules if name not in sys.modules]):
        return None
    thread = Thread(target=_load, args=(missing,), name="loading ahead", daemon=True)
    thread.start()
    return thread


def _load(modules: list[str]) -> None:
    for name in modules:
        try:
            import_module(name)
        except Exception:
            log.debug("%s could not be loaded ahead", name, exc_info=True)
