"""What happens to a file's columns before they become a model's arrays: names, dates, factors, missing cells."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from credo.config.nearest import nearest
from credo.errors import ConfigError

UNITS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0, "weeks": 604800.0, "years": 31557600.0}
"""Seconds of a unit of time; a year has 365.25 days."""

MISSING = ("refuse", "drop", "impute")
"""What becomes of rows with a missing cell; `impute` is for the numbers of a formula."""


def require_words(words: Any, key: str, form: str) -> None:
    """Raise `ConfigError` where a setting is neither `None` nor names with words."""
    if words is not None and not (isinstance(words, Mapping) and all(isinstance(one, str) for one in words.values())):
        typed = shlex.quote(f"{key}={form}")
        raise ConfigError(f"{key}: expected names and words, as in {typed}, but got {words}")


def no_column(key: str, name: str, names: Iterable[str]) -> ConfigError:
    """The sentence for a column that a table has not; where all names are numbers, the line of names is missing."""
    known = [str(one) for one in names]
    advice = nearest(name, known)
    if known and all(re.fullmatch(r"[-+.\deE]*\d[-+.\deE]*", one) for one in known):
        advice = f"its first line is {','.join(known[:4])}, but expected the names of the columns; write them above it"
    return ConfigError(f"{key}: the data has no column {name!r}; {advice}")


def renamed(names: Iterable[str], new: Mapping[str, str] | None) -> list[str]:
    """The columns' names, some of them replaced.

    Example:
        >>> renamed(["Age (y)", "sex"], {"Age (y)": "age"})
        ['age', 'sex']

    Raises:
        ConfigError: there is no such column, or two would have one name.
    """
    old, new = list(names), {str(name): word for name, word in (new or {}).items()}
    for name in new:
        if name not in old:
            raise no_column("data.rename", name, old)
    found = [new.get(name, name) for name in old]
    if new and (twice := [name for name in found if found.count(name) > 1]):
        raise ConfigError(f"data.rename: two columns would be called {twice[0]!r}; give them different names")
    return found


def chosen[T](entries: Mapping[str, T], columns: Sequence[str] | None) -> Mapping[str, T]:
    """Those entries that `data.columns` names, in its order; all where it names none.

    Raises:
        ConfigError: there is no such entry.
    """
    if columns is None:
        return entries
    for i, name in enumerate(columns):
        if name not in entries:
            raise no_column(f"data.columns[{i}]", name, entries)
    return {name: entries[name] for name in columns}


def dated(table: pd.DataFrame, units: Mapping[str, str] | None, *, is_new: bool = False) -> pd.DataFrame:
    """The table with dates as numbers: so many units since 1970 began, by UTC where a time has no zone.

    Args:
        table: the columns; dates may be text, as 2026-03-01 or 2026-03-01T12:30.
        units: column -> one of `UNITS`.
        is_new: whether the rows are new ones, which no key describes.

    Raises:
        ConfigError: there is no such column or unit, or a value is no date.
    """
    made = {}
    for name, unit in (units or {}).items():
        if name not in table:
            raise no_column(typed_key(name), name, table.columns)
        if unit not in UNITS:
            raise ConfigError(f"{typed_key(name)}: expected one of {', '.join(UNITS)}, but got {unit!r}")
        times = as_dates(table[name])
        wrong = (times.isna() & table[name].notna()).to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            what = f"column {name!r} holds {str(table[name].iloc[row])[:60]!r} in row {table.index[row] + 1}"
            sentence = f"{what}, but expected a date such as 2026-03-01; correct the value"
            key = typed_key(name)
            raise ConfigError(sentence if is_new else f"{key}: {sentence}, or leave out {key}")
        made[name] = (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=UNITS[unit])
    return table.assign(**made) if made else table


def typed_key(name: str) -> str:
    """The key of one column's unit, as it can be typed.

    Example:
        >>> typed_key("day"), typed_key("Day (d)")
        ('data.dates.day', 'data.dates')
    """
    return f"data.dates.{name}" if re.fullmatch(r"[^\W\d]\w*", name) else "data.dates"


def as_dates(column: pd.Series) -> pd.Series:
    """The column as times in UTC, missing where a value is none; numbers are none."""
    if pd.api.types.is_numeric_dtype(column):
        column = pd.Series([None] * len(column), index=column.index)
    elif column.dtype == object:
        column = column.where([not isinstance(value, int | float) for value in column])
    return pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")


def holds_dates(column: pd.Series) -> bool:
    """Whether all values that a column of times or text has are dates."""
    if column.dtype.kind in "mM" or isinstance(column.dtype, pd.DatetimeTZDtype):
        return True
    return not pd.api.types.is_numeric_dtype(column) and bool(
        column.notna().any() and as_dates(column)[column.notna()].notna().all()
    )


def dates_advice(name: str) -> str:
    """What to type where a column holds dates."""
    escaped = re.sub(r"([(){}\[\]:=,\\])", r"\\\1", name)
    return f"make them numbers by {shlex.quote(f'data.dates={{{escaped}: days}}')}"


def is_factor(column: pd.Series) -> bool:
    """Whether a column holds words or truth values, which have no order, rather than numbers or dates."""
    values = column.dropna()
    return bool(len(values)) and all(isinstance(value, str | bool | np.bool_) for value in pd.unique(values))


def as_factor(column: pd.Series) -> pd.Series:
    """The column as a factor with its levels in alphabetical order; missing where a cell is.

    Example:
        >>> as_factor(pd.Series(["m", "f", "m"])).cat.codes.tolist()
        [1, 0, 1]
    """
    words = column.map(str, na_action="ignore")
    levels = sorted(words.dropna().unique())
    return pd.Series(pd.Categorical(words, categories=levels, ordered=True), index=column.index, name=column.name)


def complete(table: pd.DataFrame, used: Sequence[str], missing: str | None) -> tuple[pd.DataFrame, str]:
    """The rows without a missing cell in the columns used, if `missing` is `drop`; and in words what was left out.

    Example:
        >>> complete(pd.DataFrame({"a": [1, None, 3], "b": [None, 5, 6]}), ["a"], "drop")[1]
        '1 of 3 rows with missing cells (a 1)'

    Raises:
        ConfigError: no row is complete.
    """
    if missing != "drop":
        return table, ""
    known = list(dict.fromkeys(name for name in used if name in table))
    gaps = table[known].isna()
    bad = gaps.any(axis=1)
    count = int(bad.sum())
    if not count:
        return table, ""
    where = ", ".join(f"{name} {int(gaps[name].sum())}" for name in known if gaps[name].any())
    if count == len(table):
        raise ConfigError(f"data.missing=drop: all {count} rows have missing cells ({where}); use fewer columns")
    return table[~bad], f"{count} of {len(table)} rows with missing cells ({where})"


def remarks(left_out: Mapping[str, str], dropped: str, imputed: str = "") -> dict[str, Any] | None:
    """What a data set says of columns, rows and cells that are not in it, as attributes."""
    found: dict[str, Any] = {"left_out": json.dumps(left_out)} if left_out else {}
    found |= {name: words for name, words in (("dropped", dropped), ("imputed", imputed)) if words}
    return found or None
