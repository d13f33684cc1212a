"""A file's named entries (numbers, lists, arrays): as arguments under their own names, or as the columns of a table."""

import keyword
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from credo.data import whole
from credo.data.columns import as_factor, dates_advice, holds_dates, is_factor
from credo.data.dataset import ROWS, make
from credo.data.numerals import advice
from credo.data.table import is_numeric
from credo.errors import ConfigError


def by_name(entries: Mapping[str, Any], *, is_text_file: bool = False, factors: bool = False) -> xr.Dataset:
    """Every entry under its own name: scalars 0-d, arrays with the rows `obs` where they have the commonest length.

    Other dims are called `NAME_dim_I`. Variables with rows come first.

    Args:
        entries: by name.
        is_text_file: whether the configuration says how numbers are written in the file.
        factors: whether text becomes codes 0, 1, ... of its levels, which are the coordinate `NAME_level`.

    Raises:
        ConfigError: a name cannot be an argument's, or a value is text, null, ragged, empty or not finite.
    """
    levels: dict[str, list[str]] = {}
    if factors:
        entries, levels = _coded(entries)
    values = {name: _array(name, value, is_text_file) for name, value in entries.items()}
    lengths = Counter(array.shape[0] for array in values.values() if array.ndim)
    rows = lengths.most_common(1)[0][0] if lengths and ROWS not in values else None
    with_rows, others = {}, {}
    for name, array in values.items():
        dims = [f"{name}_dim_{axis}" for axis in range(array.ndim)]
        if dims and array.shape[0] == rows:
            with_rows[name] = ([ROWS, *dims[1:]], array)
        else:
            others[name] = (dims, array)
    return make(with_rows | others, {f"{name}_level": own for name, own in levels.items()})


def _coded(entries: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The entries with codes in place of words, and the levels of these; dates and odd numbers stay as they are."""
    found, levels = dict(entries), {}
    for name, value in entries.items():
        column = value if isinstance(value, pd.Series) else pd.Series(value) if np.ndim(value) == 1 else pd.Series()
        if not is_factor(column) or column.dtype == bool or is_numeric(column) or advice(column, is_text_file=True):
            continue
        if holds_dates(column):
            raise ConfigError(f"data.columns: column {name!r} holds dates; {dates_advice(name)}")
        factor = as_factor(column)
        if factor.isna().any():
            row = int(factor.isna().to_numpy().argmax()) + 1
            raise ConfigError(f"data: column {name!r} has a missing value in row {row}; type data.missing=drop")
        found[name], levels[name] = factor.cat.codes.astype(int), list(factor.cat.categories)
    return found, levels


def _array(name: str, value: Any, is_text_file: bool) -> np.ndarray:
    """The value as an array of numbers; null becomes NaN, which is refused later as missing."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(
            f"data.target: null gives every name in the file to the model, but {name!r} cannot be an argument's name; "
            "rename it in the file"
        )
    array = _rectangular(name, value)
    if (lost := _lost(value, array)) is not None:
        raise ConfigError(
            f"data.path: {name!r} holds {_short(lost)}, a whole number too large to be exact; write a measurement as "
            "1.5e+30, and code a label as 0, 1, 2, ..."
        )
    if array.dtype.kind == "O":
        items = [np.nan if item is None else item for item in array.flat]
        array = np.asarray(items).reshape(array.shape)
    if array.dtype.kind not in "biuf":
        values = list(np.asarray(value, dtype=object).flat)
        wrong = next((item for item in values if not isinstance(item, int | float)), value)
        do = advice(pd.Series(values), is_text_file=is_text_file) or (
            "remove it, or code it as numbers; among the columns that data.columns names, text is a factor"
        )
        raise ConfigError(f"data.path: {name!r} holds {_short(wrong)}, but expected numbers; {do}")
    return array


def _rectangular(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError as error:
        if "maximum" in str(error) and "dimension" in str(error):
            raise ConfigError(
                f"data.path: {name!r} holds too many lists inside each other; expected a table"
            ) from error
        raise ConfigError(
            f"data.path: {name!r} holds lists of unequal lengths, but expected a rectangular array; store it as one "
            "list and a second one that tells where each value belongs"
        ) from error


def _lost(value: Any, array: np.ndarray) -> Any:
    """The first whole number of a file's value that its array does not hold exactly, if any."""
    if isinstance(value, np.ndarray) or array.dtype.kind not in "fOU":
        return None
    items = list(value) if isinstance(value, pd.Series) else list(np.asarray(value, dtype=object).flat)
    place = whole.first_lost(items)
    return None if place is None else items[place]


def _short(value: Any) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def as_table(entries: Mapping[str, Any]) -> pd.DataFrame:
    """The lists side by side; an array [obs, k] gives the columns `NAME_0` to `NAME_(k-1)`.

    Single values are no columns and stay out.

    Raises:
        ConfigError: the lengths differ, two columns have one name, or an array has more than two dimensions.
    """
    table: dict[str, Any] = {}
    for name, value in entries.items():
        for column, values in _columns(name, value).items():
            if column in table:
                raise ConfigError(f"data.path: there are two columns {column!r} in the file; rename one")
            table[column] = values
    lengths = {name: len(values) for name, values in table.items()}
    if lengths and (odd := [name for name, length in lengths.items() if length != next(iter(lengths.values()))]):
        first = next(iter(lengths))
        raise ConfigError(
            f"data.path: expected columns of one length, but {first!r} has {lengths[first]} values and {odd[0]!r} has "
            f"{lengths[odd[0]]}; correct the file, or pass its entries to a program with data.target=null"
        )
    return pd.DataFrame(table)


def plain(column: pd.Series) -> pd.Series:
    """The values of a column that Parquet calls categorical, which are text or numbers."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Series(column.to_numpy(), index=column.index, name=column.name)
    return column


def _columns(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, pd.Series):
        return {name: plain(value).array}  # without its index, which takes time to compare with that of others
    array = _rectangular(name, value)
    if array.ndim == 0:
        return {}
    if array.ndim == 1:
        return {name: pd.Series(value, dtype=object) if _lost(value, array) is not None else value}
    if array.size == 0:
        raise ConfigError(f"data.path: {name!r} is empty, of shape {array.shape}; expected values, or remove it")
    if array.ndim == 2 and (lost := _lost(value, array)) is not None:
        raise ConfigError(
            f"data.path: {name!r} holds {_short(lost)}, a whole number that a float64 does not hold exactly; "
            f"{whole.ADVICE}"
        )
    if array.ndim == 2:
        return {f"{name}_{j}": array[:, j] for j in range(array.shape[1])}
    raise ConfigError(
        f"data.path: {name!r} has {array.ndim} dimensions, but a table takes at most 2; pass it to a program with "
        "data.target=null"
    )
