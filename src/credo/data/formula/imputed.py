"""Missing numbers as unknowns: how the arrays of a formula move with each missing cell.

A cell is m + s z, where m and s are the mean and the standard deviation of its column's known training cells, or
exp(m + s z) with those of their logarithms where the column stands in logarithms alone. The arrays must be affine in z,
as they are for `age`, `scale(age)`, `age:sex` or `log(age)` and are not for `bs(age, df=5)`: an array at z is then that
at 0 plus z times a slope.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from credo.data.formula import design
from credo.data.formula.language import Formula
from credo.data.table import Reading
from credo.errors import ConfigError

Arrays = dict[str, np.ndarray]


class Cells(NamedTuple):
    """The missing cells of one column.

    - **column** - its name.
    - **rows** - their places.
    - **mean** - of the known training cells, or of their logarithms.
    - **sd** - their standard deviation.
    - **is_log** - whether these are of logarithms.
    """

    column: str
    rows: np.ndarray
    mean: float
    sd: float
    is_log: bool

    def at(self, z: float) -> float:
        """A cell so many standard deviations above the mean."""
        value = self.mean + self.sd * z
        return float(np.exp(value)) if self.is_log else value


def missing_cells(formulas: tuple[Formula, ...], table: pd.DataFrame, train: np.ndarray, read: Reading) -> list[Cells]:
    """The missing cells of numbers among the predictors.

    Raises:
        ConfigError: a factor or a group is missing, or a column has fewer than two known training cells.
    """
    found = []
    for name in dict.fromkeys(name for formula in formulas for name in formula.columns):
        gaps = table[name].isna().to_numpy()
        if not gaps.any():
            continue
        row = table.index[int(gaps.argmax())] + 1
        if not all(design.is_number(one, table[name]) for one in formulas if name in one.columns):
            raise ConfigError(
                f"data.missing=impute: {read.column(name)} is a factor and has a missing value in row {row}, but only "
                "numbers can be imputed; fill it, or type data.missing=drop"
            )
        known = table[[name]].iloc[train][~gaps[train]]
        if len(known) < 2:
            raise ConfigError(
                f"data.missing=impute: {read.column(name)} has {len(known)} known training cells, but expected two at "
                "least; leave it out of the formula"
            )
        values = read.numbers(known, name, "model.formula").astype(float)
        is_log = all(name in one.logged for one in formulas if name in one.columns) and bool((values > 0).all())
        values = np.log(values) if is_log else values
        found.append(Cells(name, np.flatnonzero(gaps), float(values.mean()), float(values.std()) or 1.0, is_log))
    return found


def filled(table: pd.DataFrame, cells: list[Cells], z: Mapping[str, float] | None = None) -> pd.DataFrame:
    """The table with missing cells at their means, or so many standard deviations above."""
    z = z or {}
    values = {one.column: table[one.column].fillna(one.at(z.get(one.column, 0.0))) for one in cells}
    return table.assign(**values)


def slopes(table: pd.DataFrame, cells: list[Cells], arrays_of: Callable[[pd.DataFrame], Arrays]) -> Arrays:
    """For each column `index[NAME]` [obs], the number of the row's cell, and of each array that moves `ARRAY@NAME`.

    Args:
        table: with its missing cells.
        cells: these.
        arrays_of: the arrays of a table without missing cells.

    Raises:
        ConfigError: an array is not affine in the missing cells.
    """
    base, found = arrays_of(filled(table, cells)), Arrays()
    ends = {name: np.zeros_like(values) for name, values in base.items()}
    for one in cells:
        index = np.zeros(len(table), dtype=int)
        index[one.rows] = np.arange(len(one.rows))
        found[f"index[{one.column}]"] = index
        up, twice = (arrays_of(filled(table, cells, {one.column: z})) for z in (1.0, 2.0))
        for name, values in base.items():
            step = up[name] - values
            _require_affine(step, twice[name] - up[name], one.column)
            if step.any():
                found[f"{name}@{one.column}"] = step
                ends[name] = ends[name] + step
    together = arrays_of(filled(table, cells, {one.column: 1.0 for one in cells}))
    for name, values in base.items():
        _require_affine(ends[name], together[name] - values, ", ".join(one.column for one in cells))
    return found


def _require_affine(first: np.ndarray, second: np.ndarray, what: str) -> None:
    size = np.abs(first).max(initial=0.0) + np.abs(second).max(initial=0.0)
    if (np.abs(first - second) > 1e-8 * size).any():
        raise ConfigError(
            f"data.missing=impute: a term of model.formula is no straight line in the missing cells of {what}, as "
            "bs(x, df=5), log(x) beside x, and the product of two missing cells are not; use x or log(x) alone, or "
            "type data.missing=drop"
        )
