"""A result's tree as a netCDF file, written piece by piece where it is large."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

MOST_BYTES = 2**26
"""What is read at once of a variable that is on disk; smaller variables are written as xarray does."""


def write(tree: xr.DataTree, path: Path) -> None:
    """Write a tree; a variable of draws that is larger than `MOST_BYTES` is copied by draws."""
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


def _slabs(array: xr.DataArray) -> Iterator[slice]:
    """The draws, a part at a time, so that no part is much larger than `MOST_BYTES`."""
    step = max(MOST_BYTES * array.sizes["draw"] // max(array.nbytes, 1), 1)
    for first in range(0, array.sizes["draw"], step):
        yield slice(first, first + step)


def _copy(array: xr.DataArray, group: netCDF4.Group) -> None:
    kept = group.createVariable(str(array.name), array.dtype, tuple(map(str, array.dims)), fill_value=False)
    for slab in _slabs(array):
        kept[:, slab] = np.asarray(array[:, slab].values)
