"""The files of a comparison: `comparison.html` and `comparison.csv`."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from credo import writing

if TYPE_CHECKING:
    from credo.report.comparison.compare import Comparison

PAGE, TABLE = "comparison.html", "comparison.csv"


def write(comparison: "Comparison", folder: Path, words: Sequence[str]) -> tuple[Path, Path]:
    """Write the page and the table into a folder; returns their paths.

    Args:
        comparison: of the runs.
        folder: where they go.
        words: the runs, as `credo compare` takes them from the current folder.
    """
    from credo.report.comparison import page, table  # take seconds to load

    folder.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["credo", "compare", *words])
    writing.write(folder / PAGE, page.render(comparison, folder, command, Path.cwd()))
    writing.write(folder / TABLE, table.frame(comparison).to_csv(index=False))
    return folder / PAGE, folder / TABLE
