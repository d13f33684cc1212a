"""Whether the rows of two data sets are the same, though the data sets are not."""

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

FEWEST = 5
"""Of fewer rows nothing is said."""

MANY = 0.2
"""This share of rows is more than chance, beyond what rows repeat within a data set."""

REPEATED = 0.05
"""Where a larger share of rows repeat within the earlier data set, such as flips of a coin, nothing is said."""


def again(earlier: "xr.Dataset", data: "xr.Dataset") -> int:
    """How many rows of the earlier data set are in the other, or 0 where they may be there by chance.

    Rows of two samples of one source are equal about as often as two rows of one sample. This rate, for as many rows as
    there are, is what is taken for chance.
    """
    theirs, ours = _rows(earlier, data), _rows(data, earlier)
    if min(len(theirs), len(ours)) < FEWEST:
        return 0
    repeated = 1 - len(set(theirs)) / len(theirs)
    known = set(ours)
    found = sum(row in known for row in theirs)
    by_chance = 2 * repeated * len(ours) / len(theirs) + MANY
    return found if repeated <= REPEATED and found > by_chance * len(theirs) else 0


def _rows(data: "xr.Dataset", other: "xr.Dataset") -> list[Hashable]:
    """Each row of the variables that both have, as something to compare."""
    variables = _by_rows(data)
    names = sorted(name for name, one in _by_rows(other).items() if name in variables and _alike(variables[name], one))
    columns = [np.asarray(variables[name], float).reshape(len(variables[name]), -1) for name in names]
    return [row.tobytes() for row in np.concatenate(columns, axis=1)] if columns else []


def _by_rows(data: "xr.Dataset") -> Mapping[Any, np.ndarray]:
    """The variables that have the dimension of most rows first."""
    firsts = [one.dims[0] for one in data.values() if one.ndim]
    if not firsts:
        return {}
    rows = max(firsts, key=firsts.count)
    return {name: one.to_numpy() for name, one in data.items() if one.ndim and one.dims[0] == rows}


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape[1:] == other.shape[1:]
