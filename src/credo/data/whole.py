"""Whole numbers that a float64 does not hold: more than 53 bits of them are an identity rather than a measurement."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

EXACT = 2**53
"""Up to here a float64 holds every whole number."""

DIGITS = 400
"""No float64 has more before its point."""


def is_held(value: Any) -> bool:
    """Whether a float64 holds a value exactly, where that is a whole number or a text of digits; true of all else."""
    if isinstance(value, str):
        if not re.fullmatch(r"\s*[+-]?\d{16,}\s*", value):
            return True
        value = int(value) if len(value) <= DIGITS else 10**DIGITS + 1
    if isinstance(value, Decimal):
        if not value.is_finite() or value != value.to_integral_value():
            return True
        value = int(value)
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        return True
    return abs(int(value)) <= EXACT or (abs(int(value)) < 2**1023 and int(float(value)) == int(value))


def first_lost(values: Iterable[Any]) -> int | None:
    """The place of the first value that a float64 does not hold exactly."""
    return next((place for place, value in enumerate(values) if not is_held(value)), None)


def first_lost_of(column: pd.Series, numbers: pd.Series) -> int | None:
    """As `first_lost`, of a column whose values are these `numbers`; only large ones can be lost."""
    if column.dtype.kind == "f":
        return None
    large = np.flatnonzero((numbers.abs() >= EXACT).to_numpy(dtype=bool, na_value=False))
    found = first_lost(column.iloc[large])
    return None if found is None else int(large[found])


ADVICE = "write it as 1.5e+30 is written if it is a measurement, or name its column as data.group if it is a label"
