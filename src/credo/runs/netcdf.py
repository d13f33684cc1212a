"""A result's tree as a netCDF file, written piece by piece where it is large."""

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from credo.writing import replacing

MOST_BYTES = 2**26
"""What is read at once of a variable that is on disk; smaller variables are written as xarray does."""


def write(tree: xr.DataTree, path: Path) -> None:
    """Write a tree, whole or not at all; a variable of draws that is larger than `MOST_BYTES` is copied by draws.

    Raises:
        OSError: the disk is full, say.
    """
    try:
        with replacing(path, durable=True) as scratch:
            _write(tree, scratch)
    except RuntimeError as error:  # netCDF's
        raise OSError(errno.EIO, str(error), str(path)) from error


def _write(tree: xr.DataTree, path: Path) -> None:
    groups = {name: group.to_dataset() for name, group in tree.children.items()}
    large = {
        name: [v for v, array in group.data_vars.items() if array.nbytes > MOST_BYTES and array.dims[1:2] == ("draw",)]
        for name, group in groups.items()
    }
    small = {name: group.drop_vars(large[name]) for name, group in groups.items()}
    xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **small}).to_netcdf(path, engine="netcdf4")
    if not any(large.values()):
        return
    with netCDF4.Dataset(path, "a") as file:
        for name, variables in large.items():
            for variable in variables:
                _copy(groups[name][variable], file[name])


def draws_hash(tree: xr.DataTree) -> str:
    """SHA-256 of the posterior: names, dims, types and all draws, read slab by slab where they are on disk."""
    digest = hashlib.sha256()
    posterior = tree["posterior"].to_dataset()
    for name in sorted(map(str, posterior.data_vars)):
        array = posterior[name]
        digest.update(f"{name} {array.dims} {array.shape} {array.dtype}".encode())
        for slab in _slabs(array):
            digest.update(np.ascontiguousarray(array[:, slab].values).tobytes())
    return digest.hexdigest()


def observations(tree: xr.DataTree) -> dict[str, dict[str, Any]]:
    """What each site observed: `shape`, `dtype`, `count` of numbers that are there, and `hash`, SHA-256 of the values.

    Equal numbers have equal hashes, whatever their type is.
    """
    observed = tree["observed_data"].to_dataset() if "observed_data" in tree.children else xr.Dataset()
    described = {}
    for name, array in observed.data_vars.items():
        values = array.to_numpy()
        numbers = np.ascontiguousarray(values.astype("<f8") + 0.0)  # -0.0 is 0.0
        digest = hashlib.sha256(f"{values.shape}".encode() + numbers.tobytes()).hexdigest()
        count = int(np.isfinite(numbers).sum())
        described[str(name)] = {"shape": list(values.shape), "dtype": str(values.dtype), "count": count, "hash": digest}
    return described


def _slabs(array: xr.DataArray) -> Iterator[slice]:
    """The draws, a part at a time, so that no part is much larger than `MOST_BYTES`."""
    step = max(MOST_BYTES * array.sizes["draw"] // max(array.nbytes, 1), 1)
    for first in range(0, array.sizes["draw"], step):
        yield slice(first, first + step)


def _copy(array: xr.DataArray, group: netCDF4.Group) -> None:
    kept = group.createVariable(str(array.name), array.dtype, tuple(map(str, array.dims)), fill_value=False)
    for slab in _slabs(array):
        kept[:, slab] = np.asarray(array[:, slab].values)
