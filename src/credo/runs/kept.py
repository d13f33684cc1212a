"""Small texts that take time to make, kept by the hash of all that they come from, in `device.compilation_cache`."""

import os
from contextlib import suppress
from pathlib import Path

from credo import writing

MOST = 1000
"""Texts that are kept of each kind; those that were used last."""


def read(cache: str | None, kind: str, name: str) -> str | None:
    """A text; `None` where there is none that can be read.

    Args:
        cache: the folder of `device.compilation_cache`; `None` keeps nothing.
        kind: of text, whose folder is in the cache.
        name: the hash of all that it comes from.
    """
    if cache is None:
        return None
    file = Path(cache).expanduser() / kind / name
    try:
        text = file.read_text(encoding="utf-8")
        os.utime(file)
    except (OSError, ValueError):
        return None
    return text


def write(cache: str | None, kind: str, name: str, text: str) -> None:
    """Keep a text (see `read`); where that fails, as on a full disk, it is made again next time."""
    if cache is None:
        return
    folder = Path(cache).expanduser() / kind
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        writing.write(folder / name, text)
        for file in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[:-MOST]:
            file.unlink(missing_ok=True)
