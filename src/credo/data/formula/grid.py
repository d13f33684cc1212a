"""Rows that nobody observed: some columns of a formula take chosen values, the others a typical one."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from credo.config.nearest import nearest
from credo.data.formula.design import is_number, word
from credo.data.formula.language import columns_of, parsed
from credo.data.table import is_numeric
from credo.errors import ConfigError
from credo.models.base import Rows

MOST = 1_000_000
"""Rows of a grid."""


def values(table: pd.DataFrame, name: str, text: str, flag: str) -> list[Any]:
    """The values that were typed for a column: `f,m`, `20,40` or `20:80:10`, whose end is among them.

    Example:
        >>> values(pd.DataFrame({"age": [1.0]}), "age", "20:30:5", "--grid")
        [20.0, 25.0, 30.0]

    Args:
        table: the rows that the model was made of.
        name: the column.
        text: what was typed.
        flag: which asked for it.

    Raises:
        ConfigError: there is no such column, or what was typed is no value of it.
    """
    if name not in table:
        raise ConfigError(f"{flag}: the model has no column {name!r}; {nearest(name, table.columns)}")
    if not is_numeric(table[name]) or table[name].dtype == bool:
        return [_as_written(table[name], one.strip()) for one in text.split(",")]
    if not (found := numbers(text)):
        raise ConfigError(
            f"{flag}: {name!r} is a number, but got {text[:60]!r}; write {name}=20,40 or, from 20 to 80 by 10, "
            f"{name}=20:80:10"
        )
    return found


def numbers(text: str) -> list[float]:
    """The numbers of `20,40` or `20:80:10`; none where something else was typed."""
    try:
        found = [float(one) for one in text.split(":" if ":" in text else ",")]
        if ":" in text:
            found = _between(*found) if len(found) == 3 else []
    except ValueError:
        return []
    return found if all(map(math.isfinite, found)) else []


def _between(first: float, last: float, step: float) -> list[float]:
    """The numbers from the first to the last; none where the step does not lead there."""
    count = (last - first) / step if step else -1.0
    if not 0 <= count <= MOST:
        return []
    return [float(one) for one in first + step * np.arange(math.floor(count + 1e-9) + 1)]


def _as_written(column: pd.Series, text: str) -> Any:
    """The value of a column of words or truth values that is written so."""
    return next((one for one in pd.unique(column) if str(one).lower() == text.lower()), text)


def grid(table: pd.DataFrame, rows: Rows, chosen: Mapping[str, Sequence[Any]]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Every combination of the values chosen, and at which value each other column is held.

    A number is held at its mean, a whole number of trials at that rounded, a factor and a group at its first level.

    Args:
        table: the rows that the model was made of.
        rows: the formula.
        chosen: column -> values.

    Raises:
        ConfigError: there are too many combinations.
    """
    if (count := math.prod(map(len, chosen.values()))) > MOST:
        raise ConfigError(
            f"--grid: expected at most {MOST:,} rows, but there are {count:,} combinations; use fewer values"
        )
    formula = parsed(rows.formula)
    trials = columns_of(formula.target)[1:] if rows.takes_trials else []
    held: dict[str, Any] = {}
    for name in (*formula.columns, *trials):
        if name in chosen:
            continue
        column = table[name].dropna()
        if name in trials:
            held[name] = round(column.mean())
        elif is_number(formula, column):
            held[name] = float(column.mean())
        else:
            held[name] = column.min() if is_numeric_dtype(column) else min(column.map(word))
    made = pd.DataFrame([*itertools.product(*chosen.values())], columns=[*chosen])
    return made.assign(**{name: [value] * len(made) for name, value in held.items()}), held
