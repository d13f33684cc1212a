"""Which rows of a table are held out: some at random, whole groups, those after a time, or one of several folds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from credo.data import columns
from credo.data.holdout import hold_out, mark
from credo.errors import ConfigError


class Rule(NamedTuple):
    """What `data.split` asks for.

    - **word** - `by` or `after`.
    - **column** - whose values decide; `None` for the one of `data.dates`.
    - **value** - after which rows are held out.
    """

    word: str
    column: str | None
    value: str = ""


@dataclass(frozen=True)
class Split:
    """How rows are held out.

    Attributes:
        test_fraction: the share of the rows, or of the groups.
        split_seed: the seed that chooses them.
        split: `by:COLUMN` holds out whole groups, `after:VALUE` or `after:COLUMN:VALUE` later rows; `None` rows at
            random, of which every group keeps one for training.
        fold: holds out this one of the folds, counted from 0, in place of a share; or `None`.
        folds: how many there are, which together are all rows or groups.
        dates: column -> unit of `data.dates`.
    """

    test_fraction: float = 0.0
    split_seed: int = 0
    split: str | None = None
    fold: int | None = None
    folds: int = 5
    dates: Mapping[str, str] | None = None

    @property
    def rule(self) -> Rule | None:
        """What `split` asks for.

        Raises:
            ConfigError: it asks for nothing that there is, or other settings say otherwise.
        """
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise ConfigError(
                f"data.fold: expected a number from 0 to {self.folds - 1} (data.folds), but got {self.fold}"
            )
        if self.fold is not None and self.test_fraction:
            raise ConfigError(
                f"data.test_fraction: {self.test_fraction} of the rows beside data.fold={self.fold}, which says itself "
                "what is held out; leave one of them out"
            )
        if self.split is None:
            return None
        word, _, rest = self.split.partition(":")
        if word not in ("by", "after") or not rest:
            raise ConfigError(
                f"data.split: expected by:COLUMN, after:VALUE or after:COLUMN:VALUE, but got {self.split!r}"
            )
        if word == "by":
            return self._by(rest)
        if self.test_fraction or self.fold is not None:
            key = "data.test_fraction" if self.test_fraction else "data.fold"
            raise ConfigError(f"{key}: data.split={self.split} says itself which rows are held out; leave {key} out")
        column, _, value = rest.rpartition(":")
        return Rule("after", column or None, value)

    def _by(self, column: str) -> Rule:
        if not self.test_fraction and self.fold is None:
            raise ConfigError(
                f"data.split={self.split}: data.test_fraction is 0, so that no group is held out; set "
                "data.test_fraction=0.2, or data.fold=0 of data.folds"
            )
        return Rule("by", column)

    @property
    def column(self) -> str | None:
        """The column whose values decide, if any."""
        if self.rule is None:
            return None
        if self.rule.column is not None:
            return self.rule.column
        if len(self.dates or ()) != 1:
            raise ConfigError(
                f"data.split={self.split}: data.dates names no single column of times; write after:COLUMN:VALUE"
            )
        return next(iter(self.dates or ()))

    def require(self, table: pd.DataFrame) -> None:
        """Raise `ConfigError` where the column is not in a table."""
        if self.column is not None and self.column not in table:
            raise columns.no_column(f"data.split={self.split}", self.column, table.columns)

    def marked(self, dataset: xr.Dataset, table: pd.DataFrame, least: int = 2) -> xr.Dataset:
        """The data set with a coordinate `split` [obs], unless nothing is held out.

        Args:
            dataset: of the rows.
            table: the same rows, with the column that decides.
            least: how many rows training needs.

        Raises:
            ConfigError: there is no such column, a value is none, or too few rows are left on one side.
        """
        self.require(table)
        rule, column = self.rule, self.column
        if rule is None and self.fold is None:
            return hold_out(dataset, self.test_fraction, self.split_seed, least)
        if rule is None or column is None:
            held = self._chosen(np.arange(len(table)), "rows")
        elif rule.word == "by":
            codes, _ = pd.factorize(table[column], use_na_sentinel=False)
            held = self._chosen(codes, f"groups of {column!r}")
        else:
            held = self._later(table[column], rule.value)
        if held.all() or not held.any() or (~held).sum() < least:
            raise ConfigError(
                f"{self._key}: it holds out {int(held.sum())} of {len(held)} rows, but expected at least one, and "
                f"{least} for training"
            )
        return mark(dataset, np.flatnonzero(held))

    @property
    def _key(self) -> str:
        return f"data.split={self.split}" if self.split is not None else f"data.fold={self.fold}"

    def _chosen(self, units: np.ndarray, what: str) -> np.ndarray:
        """Which rows [row] are held out with their unit [row]: units at random, or those of the fold."""
        count = int(units.max()) + 1
        order = np.random.default_rng(self.split_seed).permutation(count)
        if self.fold is None:
            return np.isin(units, order[: max(round(self.test_fraction * count), 1)])
        if self.folds > count:
            raise ConfigError(f"data.folds: expected at most the {count} {what}, but got {self.folds}; use fewer")
        return np.isin(units, np.array_split(order, self.folds)[self.fold])

    def _later(self, column: pd.Series, value: str) -> np.ndarray:
        """Which rows [row] are later than a value: a number, or a date where the column was one."""
        name = str(column.name)
        unit = (self.dates or {}).get(name)
        if unit is None and columns.holds_dates(column):
            raise ConfigError(f"data.split={self.split}: column {name!r} holds dates; {columns.dates_advice(name)}")
        limit = _number(value, unit)
        if limit is None:
            kind = "a date such as 2026-03-01" if unit else "a number"
            raise ConfigError(
                f"data.split={self.split}: expected {kind} after which rows are held out, but got {value!r}"
            )
        values = pd.to_numeric(column, errors="coerce").to_numpy(float)
        if (wrong := np.isnan(values)).any():
            row = table_row(column, wrong)
            raise ConfigError(f"data.split={self.split}: column {name!r} has no number in row {row}; correct the value")
        return values > limit


RANDOM = Split()
"""Nothing is held out."""


def _number(value: str, unit: str | None) -> float | None:
    """A number, or a date as so many units since 1970; `None` where it is neither."""
    if unit is None:
        number = pd.to_numeric(value, errors="coerce")
        return None if np.isnan(number) else float(number)
    cell = pd.DataFrame({"time": [value]})
    return (
        None if columns.as_dates(cell["time"]).isna().any() else float(columns.dated(cell, {"time": unit}).iloc[0, 0])
    )


def table_row(column: pd.Series, wrong: np.ndarray) -> int:
    """The row of the file, counted from 1, in which the first cell is wrong."""
    return int(column.index[int(wrong.argmax())]) + 1
