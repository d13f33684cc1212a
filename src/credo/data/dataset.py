"""What all data sources share: how a data set is made, checked, hashed, split and handed to a model.

Rows are counted from 1 in messages and from 0 in coordinates.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from credo.errors import ConfigError

ROWS = "obs"
"""The dimension of the rows."""

MOST_DIMS = 29
"""NetCDF holds 32, of which draws have two and a model's own may have another."""

LONGEST_NAME = 500

TRUTH = "truth"
"""The attribute `role` of variables that are kept from the model: the parameters that generated the data."""

Variables = Mapping[str, tuple[Sequence[str], Any]]
"""Name -> (dims, values)."""


def make(
    variables: Variables, coords: Mapping[Any, Any] | None = None, attrs: Mapping[str, Any] | None = None
) -> xr.Dataset:
    """Make a data set of finite numbers, with a coordinate 0, 1, ... along every dimension that `coords` leaves out.

    Raises:
        ConfigError: a variable is empty, not numeric, not finite, or named like a dimension.
    """
    dims = {dim for names, _ in variables.values() for dim in names}
    checked = {}
    for name, (names, values) in variables.items():
        if name in dims:
            raise ConfigError(f"data: the name {name!r} is taken by a dimension; give the variable another name")
        if len(names) > MOST_DIMS:
            raise ConfigError(
                f"data: variable {name!r} has {len(names)} dimensions, but expected at most {MOST_DIMS}; reshape it"
            )
        array = numeric(values, f"variable {name!r}")
        require_finite(array, f"variable {name!r}")
        checked[name] = (tuple(names), array)
    dataset = xr.Dataset(checked, coords, dict(attrs or {}))
    missing = {dim: np.arange(size) for dim, size in dataset.sizes.items() if dim not in dataset.coords}
    return dataset.assign_coords(missing)


def numeric(values: Any, what: str) -> np.ndarray:
    """The values as float64 or, for whole numbers and booleans, int64; scalars stay 0-d.

    Raises:
        ConfigError: there are none, or they are not real numbers of at most 64 bits; `what` names them.
    """
    array = np.asarray(values)
    if array.size == 0:
        raise ConfigError(f"data: {what} is empty; expected at least one value")
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if array.dtype.kind in "bi" or (array.dtype.kind == "u" and array.max() <= np.iinfo(np.int64).max):
        return array.astype(np.int64)
    raise ConfigError(
        f"data: {what} holds {array.dtype} values, e.g. {array.flat[0]!s}, but expected real numbers of at most "
        "64 bits; convert or remove it"
    )


def require_finite(values: np.ndarray, what: str, otherwise: str = "", of: str = "data: ") -> None:
    """Refuse missing (NaN) and infinite values.

    Args:
        values: with rows first.
        what: the values, as the sentence calls them.
        otherwise: its end, where values are missing.
        of: its beginning.

    Raises:
        ConfigError: there are some; the sentence tells how many, and the first row.
    """
    for word, bad, advice in (
        ("missing", np.isnan(values), "remove or fill"),
        ("infinite", np.isinf(values), "remove or replace"),
    ):
        if count := int(bad.sum()):
            where = f", first in row {np.argwhere(bad)[0, 0] + 1}" if values.ndim else ""
            number, pronoun = ("1", "it") if count == 1 else (str(count), "them")
            plural = "" if count == 1 else "s"
            more = otherwise if word == "missing" else ""
            raise ConfigError(f"{of}{what} has {number} {word} value{plural}{where}; {advice} {pronoun}{more}")


def require_writable(names: Iterable[str], what: str) -> None:
    """Refuse names that a run's files do not take: with NUL, half a character (a lone surrogate), or without end.

    Raises:
        ConfigError: there is one; the sentence begins with `what`.
    """
    for name in names:
        try:
            is_writable = "\0" not in name and len(name.encode()) <= LONGEST_NAME
        except UnicodeEncodeError:
            is_writable = False
        if not is_writable:
            start = name if len(name) <= 60 else f"{name[:60]}..."
            raise ConfigError(f"{what} {start!r}, but expected at most {LONGEST_NAME} characters of text; rename it")


def fingerprint(dataset: xr.Dataset) -> str:
    """SHA-256 of the data: names, dims, types, values and coords, truth and split included.

    It depends neither on the order of the variables nor on attributes (but for `role`), memory layout or byte order.
    """
    digest = hashlib.sha256()
    for name in sorted(map(str, dataset.variables)):
        variable = dataset.variables[name]
        kind, payload = _canonical(variable.to_numpy())
        role = variable.attrs.get("role")
        head = [name, name in dataset.coords, variable.dims, variable.shape, role, kind, len(payload)]
        digest.update(json.dumps(head).encode())
        digest.update(payload)
    return digest.hexdigest()


def _canonical(values: np.ndarray) -> tuple[str, bytes]:
    """The values' type and bytes, little-endian in C order; text as JSON, whatever type holds it."""
    if values.dtype.kind in "OTU":
        return "text", json.dumps([str(value) for value in values.flat]).encode()
    dtype = values.dtype.newbyteorder("<")
    return dtype.str, values.astype(dtype).tobytes()


def split(dataset: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset | None]:
    """The training rows and the held-out rows, by the coordinate `split`; `None` where no row is held out."""
    if "split" not in dataset.coords:
        return dataset, None
    (rows,) = dataset["split"].dims
    in_test = dataset["split"].to_numpy() == "test"
    train, test = (dataset.isel({rows: mask}).drop_vars("split") for mask in (~in_test, in_test))
    return train, test if in_test.any() else None


def arrays(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """What the model may see, by name: all variables but the truth; float64 or int64, scalars 0-d."""
    return {
        str(name): numeric(variable.to_numpy(), f"variable {name!r}")
        for name, variable in dataset.data_vars.items()
        if variable.attrs.get("role") != TRUTH
    }
