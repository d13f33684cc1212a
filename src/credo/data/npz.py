"""Arrays in a NumPy archive, as written by `numpy.savez`."""

import math
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, override

import numpy as np
from numpy.lib import format as npy

from credo.data.file import TableFile
from credo.errors import ConfigError


@dataclass(frozen=True)
class Npz(TableFile):
    """An npz file. With `target=None` every array is an argument of the model, e.g. of a user's own program.

    Pickled objects are refused, since loading one can run any code. Sizes are read before values.
    """

    form: ClassVar[str] = "npz"

    @override
    def read(self, path: Path) -> Mapping[str, Any]:
        _require_several(path)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            self.require_room(path, sum(member.file_size for member in members))
            names = _names(path, members)
            self.require_room(path, sum(_size(archive, member) for member in members))
            return {name: _array(archive, member) for name, member in zip(names, members, strict=True)}


def _require_several(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
            raise ConfigError(
                f"data.path: expected a npz file, but {path} holds a single array without a name; write it by "
                "numpy.savez(path, y=y)"
            )


def _names(path: Path, members: list[zipfile.ZipInfo]) -> list[str]:
    """The arrays' names, which are distinct."""
    if not members:
        raise ConfigError(f"data.path: {path} holds no arrays; write them by numpy.savez(path, y=y)")
    if others := [member.filename for member in members if not member.filename.endswith(".npy")]:
        raise ConfigError(
            f"data.path: {path} holds {others[0]!r}, which is no array; remove it, or write the file by numpy.savez"
        )
    names = [member.filename.removesuffix(".npy") for member in members]
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise ConfigError(f"data.path: there are two arrays {name!r} in {path}; rename one")
    return names


def _size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """How many bytes the values of an array take, by its header, which NumPy would believe."""
    with archive.open(member) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    return math.prod(shape) * dtype.itemsize


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """The array in this machine's byte order, which pandas needs."""
    with archive.open(member) as file:
        array: np.ndarray = npy.read_array(file, allow_pickle=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
