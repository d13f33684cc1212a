"""Runs side by side, from Python."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from credo.errors import ConfigError
from credo.python import shown
from credo.python.session import session

if TYPE_CHECKING:
    import pandas as pd

    from credo.report.comparison.compare import Comparison as Numbers


class HasFolder(Protocol):
    """A run or a sweep."""

    folder: Path


def compare(*runs: HasFolder | str | Path, out: str | Path | None = None) -> "Comparison":
    """Compare runs on the same data, as `credo compare` does.

    Args:
        runs: runs and sweeps, themselves or by folder or MLflow id.
        out: the folder for the page and the table; a new one below `comparisons/` where none is named.

    Raises:
        ConfigError: there are not two finished runs on the same data, or there is no place for the files.
    """
    from credo.cli import compare as command
    from credo.experiment import resume
    from credo.report.comparison import files
    from credo.report.comparison import runs as found

    if not runs:
        raise ConfigError("credo.compare: expected runs or a sweep, but got none")
    with session():
        names = [str(getattr(one, "folder", one)) for one in runs]
        compared = found.find(map(resume.folder, names))
        folder = command.place(names, None if out is None else Path(out))
        from credo.report.comparison.compare import compare as numbers

        comparison = numbers(compared)
        page, _ = files.write(comparison, folder, names)
        return Comparison(comparison, page)


class Comparison:
    """What came of a comparison.

    Attributes:
        report: its page.
    """

    def __init__(self, numbers: "Numbers", report: Path) -> None:
        self._numbers = numbers
        self.report = report

    @property
    def headline(self) -> str:
        """What came out, in one sentence."""
        return self._numbers.headline

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, in sentences."""
        return self._numbers.notes

    @cached_property
    def table(self) -> "pd.DataFrame":
        """All numbers, one row per configuration, the best first where they were compared by leave-one-out."""
        from credo.report.comparison import table

        return table.frame(self._numbers).set_index("label")

    def __repr__(self) -> str:
        return f"<credo.Comparison: {self.headline}>"

    def _repr_html_(self) -> str:
        return shown.table(self.headline, self.table, self.notes)
