"""Arrays in a NumPy archive, as written by `numpy.savez`."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

import numpy as np

from credo.data.file import TableFile, unreadable


@dataclass(frozen=True)
class Npz(TableFile):
    """An npz file. With `target=None` every array is an argument of the model, e.g. of a user's own program.

    Pickled objects are refused, since loading one can run any code.
    """

    @override
    def read(self, path: Path) -> Mapping[str, Any]:
        try:
            with path.open("rb") as file:
                archive = np.load(file, allow_pickle=False)
                if isinstance(archive, np.ndarray):
                    raise ValueError("it holds a single array without a name")
                return {name: _native(archive[name]) for name in archive.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise unreadable(path, "npz", error) from error


def _native(array: np.ndarray) -> np.ndarray:
    """The array in this machine's byte order, which pandas needs."""
    return array.astype(array.dtype.newbyteorder("="))
