"""The numbers of a file's columns as a model has them, and back, where `data.standardise` or its target's is set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from credo.errors import ConfigError


@dataclass(frozen=True)
class Units:
    """The scales of the training rows.

    Attributes:
        scaler: by variable, the `mean` and `sd` of each column (see `data.scaling`); empty where all is as it is.
    """

    scaler: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def inputs(self, variable: str, values: np.ndarray) -> np.ndarray:
        """The columns of a variable as the model has them; standard errors are scaled as the target is."""
        if variable == "sigma":
            return values / self._of("y")[1]
        mean, sd = self._of(variable)
        return (values - mean) / sd

    def target(self, values: np.ndarray) -> np.ndarray:
        """Targets of the model in their own units."""
        mean, sd = self._of("y")
        return values * sd + mean

    @property
    def width(self) -> np.ndarray:
        """One unit of the model's targets, in their own."""
        return self._of("y")[1]

    def _of(self, variable: str) -> tuple[np.ndarray, np.ndarray]:
        known = self.scaler.get(variable, {})
        return np.asarray(known.get("mean", 0.0)), np.asarray(known.get("sd", 1.0))


def numbers(table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Columns of a table.

    Raises:
        ConfigError: one is missing, or a value is no finite number.
    """
    require(table, names)
    values = table[list(names)].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ConfigError(f"column {names[column]!r} has no finite number in row {row + 1}; correct or remove it")
    return values


def words(
    table: pd.DataFrame, name: str, levels: Sequence[str], *, takes_new: bool = False, told: str = ""
) -> np.ndarray:
    """The number of each row's level among those of a column.

    Args:
        table: the rows.
        name: of the column.
        levels: in order.
        takes_new: whether a level may be new; its number is then that of the levels.
        told: what the sentence about a new level says more.

    Raises:
        ConfigError: the column is missing, has a missing value, or another level.
    """
    from credo.data.formula.design import word  # takes time to load

    require(table, [name])
    if (gaps := table[name].isna().to_numpy()).any():
        raise ConfigError(f"column {name!r} has a missing value in row {int(gaps.argmax()) + 1}; fill it")
    codes = np.asarray(pd.Index(levels).get_indexer(table[name].map(word)))
    if (codes < 0).any() and not takes_new:
        row = int(np.argmax(codes < 0))
        raise ConfigError(
            f"column {name!r} has {str(table[name].iloc[row])[:60]!r} in row {row + 1}, which the model has not seen; "
            f"expected one of {', '.join(map(repr, levels[:12]))}{told}"
        )
    return np.where(codes < 0, len(levels), codes)


def require(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise `ConfigError` where a column is missing."""
    if missing := [name for name in names if name not in table]:
        raise ConfigError(f"the table has no column {missing[0]!r}; the model was trained on {', '.join(names)}")
