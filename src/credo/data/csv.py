"""A table in a text file, with the columns' names in its first row."""

from collections import Counter
from collections.abc import Mapping, Sequence
from csv import reader
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, override

import pandas as pd

from credo.config.messages import in_quotes
from credo.data import whole
from credo.data.file import TableFile
from credo.data.numerals import Numerals
from credo.errors import ConfigError

SEPARATORS = (",", ";", "\t", "|", " ")
"""What may stand between two values, by custom."""


@dataclass(frozen=True)
class Csv(TableFile):
    """A CSV file.

    Attributes:
        separator: the character between two values; a backslash and a t are a tab.
        decimal: the character before a number's fraction.
        thousands: the character between groups of three digits, or `None`.
    """

    form: ClassVar[str] = "CSV"
    is_text_file: ClassVar[bool] = True

    separator: str
    decimal: str
    thousands: str | None

    def __post_init__(self) -> None:
        for key in ("separator", "decimal", "thousands"):
            mark = getattr(self, key)
            if mark is not None and len(mark) != 1 and (key, mark) != ("separator", "\\t"):
                advice = {"separator": "',' or ';' or a tab", "decimal": "'.' or ','"}.get(key, "one, or null")
                raise ConfigError(f"data.{key}: expected one character, but got {mark!r}; use {advice}")
            if mark is not None and (mark.isalnum() or mark in '"\r\n\0' or not (mark.isascii() or key == "thousands")):
                raise ConfigError(
                    f"data.{key}: expected a mark, such as a comma or a blank, but got {mark!r}; use another"
                )
        if self.decimal == self.thousands:
            raise ConfigError(f"data.thousands: {self.thousands!r} is data.decimal, too; set one of them to another")

    @override
    def read(self, path: Path) -> Mapping[str, Any]:
        return {str(name): column for name, column in self.table(path).items()}

    @override
    def names(self, path: Path) -> Sequence[str]:
        self._check_names(path)
        head = pd.read_csv(path, sep=self._separator, skipinitialspace=True, nrows=0, compression=None)
        return [str(name) for name in head.columns]

    def table(self, path: Path) -> pd.DataFrame:
        """The file's columns.

        Raises:
            ConfigError: it is no such file, or a number is not written as the configuration says.
        """
        self._check_names(path)
        table = self._as_read(path)
        if self.thousands is not None:
            self._check_thousands(table, path)
        numbers = table.select_dtypes("float")
        large = list(numbers.columns[(numbers.abs() >= whole.EXACT).any()])
        written = self._as_read(path, usecols=large, dtype=str) if large else table
        for name in large:
            digits = written[name].str.replace(self.thousands or " ", "", regex=False)
            if whole.first_lost(digits) is not None:  # pandas would read two of them as one
                table[name] = digits
        return table

    def _as_read(self, path: Path, **more: Any) -> pd.DataFrame:
        table = pd.read_csv(
            path,
            sep=self._separator,
            skipinitialspace=True,
            decimal=self.decimal,
            thousands=self.thousands,
            compression=None,
            low_memory=False,
            **more,
        )
        if not isinstance(table.index, pd.RangeIndex):
            raise ConfigError(f"data.path: rows of {path} have more values than there are names; name every column")
        return table

    @property
    def _separator(self) -> str:
        return "\t" if self.separator == "\\t" else self.separator

    def _check_names(self, path: Path) -> None:
        """Names must be distinct, and as many as the values.

        Pandas would rename a second `y` to `y.1`, so that a copy of the target became a feature, and take a column
        without a name for row labels.
        """
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = filter(None, reader(file, delimiter=self._separator, skipinitialspace=True))
            names, values = next(rows, []), next(rows, [])
        name, times = Counter(filter(None, names)).most_common(1)[0] if any(names) else ("", 0)
        if times > 1:
            raise ConfigError(f"data.path: there are two columns {name!r} in {path}; rename one")
        if len(names) == 1 and names[0] != self.target:
            self._check_separator(names[0], self._separator.join(values), path)
        if len(values) > len(names):
            raise ConfigError(
                f"data.path: the first row of {path} has {len(names)} names, but the second has {len(values)} values; "
                "name every column"
            )

    def _check_separator(self, names: str, values: str, path: Path) -> None:
        """A row of one name must not be one of several between which something else stands."""
        for mark in SEPARATORS:
            parts, others = (
                len(next(reader([row], delimiter=mark, skipinitialspace=True), [])) for row in (names, values)
            )
            if parts > 1 and parts == others:
                typed = in_quotes(f"data.separator={'\\t' if mark == '\t' else mark}")
                raise ConfigError(
                    f"data.separator: {path} has only one column between {self.separator!r}, but {parts} between "
                    f"{mark!r}; type {typed}"
                )

    def _check_thousands(self, table: pd.DataFrame, path: Path) -> None:
        """Pandas would read 2,5 as 25."""
        way = Numerals(self.decimal, self.thousands)
        written = self._as_read(path, dtype=str)
        for name, column in table.items():
            texts = written[name].dropna()
            if column.dtype.kind in "iuf" and not (right := texts.map(way.reads)).all():
                row = int((~right).to_numpy().argmax())
                raise ConfigError(
                    f"data.thousands: column {name!r} holds {texts.iloc[row]!r}, which is no number with "
                    f"{self.thousands!r} between groups of three digits; set data.decimal, or correct the file"
                )
