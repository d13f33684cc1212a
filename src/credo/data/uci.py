"""A regression set with its customary splits: a folder with `data.txt` and index files.

Hernández-Lobato, J. M. and Adams, R. P. (2015). Probabilistic backpropagation for scalable learning of Bayesian neural
networks. ICML; the folders are those of the repository of Gal, Y. and Ghahramani, Z. (2016). Dropout as a Bayesian
approximation. ICML.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, override

import numpy as np
import pandas as pd
import xarray as xr

from credo.data.base import Source
from credo.data.holdout import mark
from credo.data.places import existing, place, reading
from credo.data.scaling import standardise
from credo.data.table import from_table
from credo.errors import ConfigError
from credo.ranges import Natural

if TYPE_CHECKING:
    from credo.models.base import Model


@dataclass(frozen=True)
class Uci(Source):
    """`y` [obs] and `x` [obs, feature] with the features `feature_J`, where J is the column of `data.txt` from 0.

    `data.txt` holds numbers between blanks; `index_features.txt` and `index_target.txt` list columns, and
    `index_test_SPLIT.txt` the rows that are held out, all from 0. Several targets give `y` [obs, target].

    Attributes:
        path: the folder, relative to the one where `credo` was started.
        split: the number of the split.
        standardise: whether the features get mean 0 and standard deviation 1 on the training rows.
        standardise_target: whether every target does, too.
    """

    path: str
    split: Natural
    standardise: bool
    standardise_target: bool

    def precheck(self) -> None:
        """Look whether the files are there (see `base.Early`)."""
        if place(self.path).is_file():
            raise ConfigError(f"data.path: expected a folder, but {self.path} is a file; name the folder that holds it")
        for name in ("data.txt", "index_features.txt", "index_target.txt"):
            self._file(name)
        self._test_file()

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        self.precheck()
        table = _table(self._file("data.txt"))
        rows, columns = table.shape
        features = _indices(self._file("index_features.txt"), "columns", columns)
        targets = _indices(self._file("index_target.txt"), "columns", columns)
        if both := sorted(set(features) & set(targets)):
            raise ConfigError(
                f"data.path: column {both[0]} is listed in index_features.txt and in index_target.txt of {self.path}, "
                "but expected in one of them; correct the files"
            )
        test = _indices(self._test_file(), "rows", rows)
        if rows - len(test) < 2:
            raise ConfigError(
                f"data.split: split {self.split} of {self.path} holds out {len(test)} of {rows} rows, but expected at "
                "least 2 for training; choose another split"
            )
        dataset = mark(_variables(table, features, targets), np.array(test))
        return standardise(dataset, features=self.standardise, target=self.standardise_target)

    def _file(self, name: str) -> Path:
        return existing(str(Path(self.path) / name))

    def _test_file(self) -> Path:
        folder = place(self.path)
        known = {file.stem.removeprefix("index_test_") for file in folder.glob("index_test_*.txt")}
        if str(self.split) not in known:
            there = ", ".join(sorted(known, key=lambda split: (len(split), split)))
            raise ConfigError(
                f"data.split: there is no split {self.split} in {self.path}; "
                + (f"expected one of {there}" if there else "expected files index_test_0.txt, ...; add them")
            )
        return self._file(f"index_test_{self.split}.txt")


def _table(path: Path) -> np.ndarray:
    """The numbers [row, column] of a file."""
    with reading(path, "whitespace-separated"):
        lines = path.read_text().splitlines()
        if not any(map(str.strip, lines)):
            raise ValueError("it is empty")
        return np.loadtxt(lines, ndmin=2, comments=None)


def _indices(path: Path, what: str, size: int) -> list[int]:
    """The distinct numbers of rows or columns below `size` that a file lists, also where one is written as 3.0e+00.

    Raises:
        ConfigError: it lists none, one twice, or something else.
    """
    with reading(path, "text"):
        words = path.read_text().split() or ["nothing"]
    numbers: dict[int, str] = {}
    for word in words:
        number = _index(word, size)
        if number is None or number in numbers:
            twice = "" if number is None else " twice"
            raise ConfigError(
                f"data.path: expected {path} to list distinct {what} from 0 to {size - 1}, but it lists {word}{twice}; "
                "correct the file"
            )
        numbers[number] = word
    return list(numbers)


def _index(word: str, size: int) -> int | None:
    """The whole number from 0 to below `size` that a word stands for, if any."""
    try:
        number = float(word)
    except ValueError:
        return None
    return int(number) if number.is_integer() and 0 <= number < size else None


def _variables(table: np.ndarray, features: Sequence[int], targets: Sequence[int]) -> xr.Dataset:
    """The columns by their roles; the others are left out."""
    names = [f"{'target' if j in targets else 'feature'}_{j}" for j in range(table.shape[1])]
    target = [names[j] for j in targets]
    return from_table(
        pd.DataFrame(table, columns=names),
        target=target if len(target) > 1 else target[0],
        features=[names[j] for j in features],
    )
