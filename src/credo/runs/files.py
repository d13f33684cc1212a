"""Files of a run, each read by its kind; one sentence names the file and what is wrong with it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from credo.config.parsing import parsed
from credo.errors import ConfigError
from credo.runs.shape import misfit

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

MOST_TEXT = 2**28
"""Bytes of a text file that are read; those that a run leaves are far smaller."""


class DamagedError(ConfigError):
    """A file of a run is not as credo left it.

    Attributes:
        file: which.
        why: what is wrong with it, as a predicate.
        works: what is possible without it, and what to do.
    """

    def __init__(self, file: Path, why: str, works: str) -> None:
        super().__init__(f"{file} {why}; {works}")
        self.file, self.why, self.works = file, why, works


@contextmanager
def reading(file: Path, works: str) -> Iterator[None]:
    """Say in one sentence what is wrong with a file.

    Args:
        file: what is read.
        works: what is possible without it, and what to do.

    Raises:
        DamagedError: it is not there, cannot be read, or is not what it should be.
    """
    try:
        yield
    except ConfigError:
        raise
    except FileNotFoundError:
        raise DamagedError(file, "is missing", works) from None
    except (IsADirectoryError, PermissionError) as error:
        raise DamagedError(file, f"cannot be read ({str(error.strerror).lower()})", works) from error
    except Exception as error:  # a damaged file makes its library raise anything at all
        raise DamagedError(file, f"is damaged ({_short(error)})", works) from error


def _short(error: Exception) -> str:
    line = next((one.strip() for one in str(error).splitlines() if one.strip()), "")
    text = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return text if len(text) <= 120 else f"{text[:117]}..."


def plain_json(file: Path, shape: Any, works: str) -> Any:
    """What a JSON file holds.

    Args:
        file: which.
        shape: its type (see `shape.misfit`).
        works: what is possible without it.

    Raises:
        DamagedError: it is missing, no JSON, or of another shape.
    """
    with reading(file, works):
        value = json.loads(text(file))
    return fitting(file, value, shape, works)


def plain_yaml(file: Path, shape: Any, works: str) -> Any:
    """What a YAML file holds, in plain containers, with its interpolations as they are written.

    Raises:
        DamagedError: it is missing, no YAML, or of another shape.
    """
    with reading(file, works):
        content = text(file)
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(content, Loader=yaml.CSafeLoader)):
            raise DamagedError(file, "is damaged (it has aliases, which credo does not write)", works)
        return fitting(file, parsed(content), shape, works)


def fitting(file: Path, value: Any, shape: Any, works: str) -> Any:
    """A value of a file, if it has its shape.

    Raises:
        DamagedError: it does not.
    """
    if wrong := misfit(value, shape):
        raise DamagedError(file, f"is damaged ({wrong})", works)
    return value


def text(file: Path) -> str:
    """A file's text."""
    if file.stat().st_size > MOST_TEXT:
        raise ValueError("it is too large")
    return file.read_text(encoding="utf-8")


def arrays(file: Path, works: str) -> "dict[str, np.ndarray]":
    """The arrays of an npz file, whose own checksums are verified as they are read.

    Raises:
        DamagedError: it is missing, or no such file.
    """
    import numpy as np  # takes time to load

    with reading(file, works), file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
        return {name: np.asarray(stored[name]) for name in stored.files}


def table(file: Path, columns: Sequence[str], works: str, index: str | None = None) -> "pd.DataFrame":
    """A CSV file.

    Args:
        file: which.
        columns: those that it has to have, of numbers.
        works: what is possible without it.
        index: a column of names.

    Raises:
        DamagedError: it is missing, no table, or lacks a column.
    """
    import pandas as pd

    with reading(file, works):
        rows = pd.read_csv(file, index_col=index)
        if missing := [name for name in columns if name not in rows]:
            raise DamagedError(file, f"is damaged (it has no column {missing[0]})", works)
        if wrong := [name for name in columns if not pd.api.types.is_numeric_dtype(rows[name])]:
            raise DamagedError(file, f"is damaged (its column {wrong[0]} holds what is no number)", works)
    return rows


@contextmanager
def tree(file: Path, works: str, *only: str) -> Iterator["xr.DataTree"]:
    """A netCDF file that is open as long as it is read.

    Args:
        file: which.
        works: what is possible without it.
        only: the groups that are needed, if they are there: a few open in a quarter of the time that all take.

    Raises:
        DamagedError: it is missing, or what is read of it is not there.
    """
    import netCDF4
    import xarray as xr

    with reading(file, works):
        if not only:
            with xr.open_datatree(file, engine="netcdf4") as opened:
                yield opened
            return
        with netCDF4.Dataset(file) as whole:
            store = xr.backends.NetCDF4DataStore
            found = {name: xr.open_dataset(store(whole[name])) for name in only if name in whole.groups}  # type: ignore[no-untyped-call]
            yield xr.DataTree.from_dict(found)
