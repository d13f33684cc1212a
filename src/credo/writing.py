"""Files as a whole or not at all: written beside their place, and then renamed into it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE = 0o600
"""Only the user reads it."""


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """The scratch file to write: it takes the place of `path` where the block ends well, and is gone otherwise.

    Args:
        path: of the file, whose folder exists.
        mode: the permissions of the file; `None` for what the system gives a new one.

    Raises:
        OSError: the disk is full, say; what stood there before is untouched.
    """
    scratch = path.with_name(f".{path.name}.part")
    try:
        if mode is not None:
            scratch.unlink(missing_ok=True)
            os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield scratch
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise


def write(path: Path, text: str, mode: int | None = None) -> None:
    """Write a text (see `replacing`).

    Raises:
        OSError: the disk is full, say; what stood there before is untouched.
    """
    with replacing(path, mode) as scratch:
        scratch.write_text(text, encoding="utf-8")
