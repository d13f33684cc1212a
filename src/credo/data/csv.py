"""A table in a text file, with the columns' names in its first row."""

from collections.abc import Mapping
from csv import Error, reader
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

import pandas as pd

from credo.data.file import TableFile, unreadable
from credo.errors import ConfigError


@dataclass(frozen=True)
class Csv(TableFile):
    """A CSV file.

    Attributes:
        separator: the character between two values.
    """

    separator: str

    @override
    def read(self, path: Path) -> Mapping[str, Any]:
        if len(self.separator) != 1:
            raise ConfigError(
                f"data.separator: expected one character, but got {self.separator!r}; use ',' or ';' or a tab"
            )
        try:
            self._check_names(path)
            table = pd.read_csv(path, sep=self.separator, skipinitialspace=True)
        except (Error, ValueError, OSError) as error:  # pandas' and decoding errors are ValueErrors
            raise unreadable(path, "CSV", error) from error
        return {str(name): column for name, column in table.items()}

    def _check_names(self, path: Path) -> None:
        """Names must be distinct, and as many as the values.

        Pandas would rename a second `y` to `y.1`, so that a copy of the target became a feature, and take a column
        without a name for row labels.
        """
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = filter(None, reader(file, delimiter=self.separator, skipinitialspace=True))
            names, values = next(rows, []), next(rows, [])
        if twice := [name for i, name in enumerate(names) if name and name in names[:i]]:
            raise ConfigError(f"data.path: there are two columns {twice[0]!r} in {path}; rename one")
        if len(values) > len(names):
            raise ConfigError(
                f"data.path: the first row of {path} has {len(names)} names, but the second has {len(values)} values; "
                "name every column"
            )
