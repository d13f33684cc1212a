"""Files as a whole or not at all: written beside their place, and then renamed into it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE = 0o600
"""Only the user reads it."""

PROBE = 2**20
"""Bytes by which the system is asked why a library could not write."""


@contextmanager
def replacing(path: Path, mode: int | None = None, durable: bool = False, before: Path | None = None) -> Iterator[Path]:
    """The scratch file to write: it takes the place of `path` where the block ends well, and is gone otherwise.

    Args:
        path: of the file, whose folder exists.
        mode: the permissions of the file; `None` for what the system gives a new one.
        durable: whether the file is whole even where the power fails.
        before: where what stood there is kept; `None` where it is not.

    Raises:
        OSError: the disk is full, say; it names `path`, and what stood there before is untouched.
    """
    scratch = path.with_name(f".{path.name}.part")
    try:
        if mode is not None:
            scratch.unlink(missing_ok=True)
            os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield scratch
        if durable:
            with scratch.open("rb+") as file:
                os.fsync(file.fileno())
        if before is not None and path.exists():
            path.replace(before)
        scratch.replace(path)
    except Exception as error:
        trouble = _asked(scratch) or (error if isinstance(error, OSError) else None)
        if trouble is None:
            raise
        raise OSError(trouble.errno or errno.EIO, trouble.strerror or str(trouble), str(path)) from error
    finally:
        _remove(scratch)


def write(path: Path, text: str, mode: int | None = None) -> None:
    """Write a text (see `replacing`).

    Raises:
        OSError: the disk is full, say; it names `path`, and what stood there before is untouched.
    """
    with replacing(path, mode) as scratch:
        scratch.write_text(text, encoding="utf-8")


def _asked(scratch: Path) -> OSError | None:
    """Why no more can be written to a file; a library may hide it (netCDF says `HDF error`, or `Permission denied`).

    Returns:
        `None` where more can.
    """
    try:
        with scratch.open("ab") as file:
            file.write(bytes(PROBE))
    except OSError as error:
        return error
    return None


def _remove(scratch: Path) -> None:
    """Give the space back, even where a library still holds the file."""
    with suppress(OSError):
        os.truncate(scratch, 0)
    with suppress(OSError):
        scratch.unlink()
