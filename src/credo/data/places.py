"""Where a data file is, whether it can be read, and why it cannot."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from credo.config.nearest import nearest
from credo.errors import ConfigError

GIGABYTE = 10**9
LONGEST = 300
"""Characters of a path, or of what a library says, that are repeated in a sentence about it."""


def existing(path: str) -> Path:
    """The file at `path`, which can be read.

    Raises:
        ConfigError: there is none, it is a folder, a pipe or a device, or it is empty; the sentence tells near names.
    """
    file = place(path)
    try:
        mode = file.stat()
        if stat.S_ISREG(mode.st_mode) and mode.st_size:
            file.open("rb").close()
            return file
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(file) from None
    except (OSError, ValueError) as error:  # a ValueError for a path with a NUL
        raise ConfigError(f"data.path: {_cut(str(file))} cannot be opened ({_why(error)}); {_advice(error)}") from error
    if stat.S_ISDIR(mode.st_mode):
        raise ConfigError(f"data.path: expected a file, but {file} is a folder; add the file's name")
    if stat.S_ISREG(mode.st_mode):
        raise ConfigError(f"data.path: {file} is empty; expected values in it")
    raise ConfigError(f"data.path: expected a file, but {file} is a pipe or a device; save its contents as a file")


def place(path: str) -> Path:
    """The place that `path` means from the folder where credo was started; `~` is a home.

    Raises:
        ConfigError: there is no such user.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        user = _cut(path.split("/", 1)[0])
        raise ConfigError(
            f"data.path: {user} in {_cut(path)} means the home of a user who is not known here; write the whole path"
        ) from error


def fits(size: float, limit: float) -> bool:
    """Whether so many bytes are within a limit in gigabytes."""
    return size <= limit * GIGABYTE


@contextmanager
def reading(path: Path, form: str) -> Iterator[None]:
    """Turn whatever goes wrong with a file into one sentence: parsers raise anything for bytes that they do not expect.

    Args:
        path: the file.
        form: what its format is called.

    Raises:
        ConfigError: something went wrong.
    """
    try:
        yield
    except ConfigError:
        raise
    except MemoryError as error:
        raise ConfigError(
            f"data.path: the values of {path} do not fit into the memory of this machine; use fewer of them"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"data.path: expected a {form} file, but {path} is not written in UTF-8; save it in this encoding"
        ) from error
    except RecursionError as error:
        raise ConfigError(
            f"data.path: the values of {path} lie in too many lists or objects inside each other; expected lists, or "
            "lists of lists"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"data.path: expected a {form} file, but {path} cannot be read as one ({_why(error)}); check its contents"
        ) from error


def _missing(file: Path) -> ConfigError:
    """The sentence for a file that is not there."""
    folder = next(parent for parent in file.parents if parent.is_dir())
    wanted = file.relative_to(folder).parts[0]
    try:
        advice = nearest(wanted, sorted(entry.name for entry in folder.iterdir()))
    except OSError as error:
        advice = f"which cannot be listed ({_why(error)})"
    if (folder / wanted).exists():  # but is no folder
        advice = f"{wanted!r} is a file"
    return ConfigError(f"data.path: the file {_cut(str(file))} does not exist; in {folder}, {advice}")


def _advice(error: Exception) -> str:
    known = {
        errno.EACCES: "let your user read it and open its folders, or copy it to another place",
        errno.EPERM: "let your user read it, or copy it to another place",
        errno.ENAMETOOLONG: "give it a shorter name",
        errno.ELOOP: "correct the links, which lead in a circle",
    }
    return known.get(getattr(error, "errno", None) or 0, "check the path")


def _why(error: Exception) -> str:
    """What a library says, on one line and no longer than a sentence can bear."""
    message = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return _cut(" ".join(message.split()) or type(error).__name__, 200)


def _cut(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
