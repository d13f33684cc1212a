"""One process at a time has the folder of a run, or of a sweep.

The lock is the operating system's (`flock`), on the file `.lock` of the folder, where its holder stands. It ends with
the process, however that ends: the lock of one that was killed keeps nobody out.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from credo.errors import ConfigError

FILE = ".lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder; within this thread once more, too.

    Raises:
        ConfigError: another process has it; the sentence says which.
        OSError: the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / FILE, timeout=0, is_singleton=True)
    holder = _holder(folder / FILE)
    try:
        lock.acquire()
    except Timeout:
        raise _taken(folder, holder) from None
    try:
        with suppress(OSError):  # a full disk: its holder is not known, then
            (folder / FILE).write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
        yield
    finally:
        lock.release()


def require_free(folder: Path) -> None:
    """Refuse a folder that another process holds; nothing is written.

    Raises:
        ConfigError: another process has it; the sentence says which.
    """
    from filelock import FileLock, Timeout

    if not (folder / FILE).exists():
        return
    try:
        with FileLock(folder / FILE, timeout=0, is_singleton=True):
            return
    except Timeout:
        raise _taken(folder, _holder(folder / FILE)) from None
    except OSError:  # it cannot be asked; the caller refuses the folder all the same
        return


def _taken(folder: Path, holder: str) -> ConfigError:
    return ConfigError(f"{folder}: the run goes on in {holder}; wait until it is over, or stop that process first")


def _holder(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, ValueError):
        return "another process"
