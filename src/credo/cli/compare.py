"""`credo compare RUN RUN ... | SWEEP [--out FOLDER]`."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from credo import writing
from credo.errors import ConfigError
from credo.experiment import resume
from credo.report.comparison import runs
from credo.report.drawing.numbers import counted
from credo.report.terminal.run import Screen

if TYPE_CHECKING:
    from credo.report.comparison.table import Comparison

USAGE = (
    "credo compare: expected runs or a sweep, by folder or MLflow id, as in credo compare outputs/a outputs/b, or "
    "credo compare multirun/2026-01-31/12-00-00 --out FOLDER"
)
PAGE, TABLE = "comparison.html", "comparison.csv"


def run(arguments: Sequence[str]) -> int:
    """Compare what is named: print it, and write `comparison.html` and `comparison.csv`; returns the exit code.

    Raises:
        ConfigError: there are not two finished runs on the same data, or there is no place for the files.
    """
    named, asked = _parsed(arguments)
    found = runs.find(named)
    folder = _folder(named, asked)

    from credo.report.comparison import table  # take seconds to load, which a mistake need not wait for
    from credo.report.terminal import comparison as terminal  # take seconds to load, which a mistake need not wait for

    with Screen(stderr=True).status(f"comparing {counted(len(found), 'run')}"):
        comparison = table.compare(found)
    terminal.show(comparison, write(comparison, folder, named))
    return 0


def write(comparison: "Comparison", folder: Path, named: Sequence[str]) -> tuple[Path, Path]:
    """Write the page and the table into a folder; returns their paths.

    Args:
        comparison: what they tell.
        folder: where they go.
        named: the runs, as `credo compare` takes them from the current folder.
    """
    from credo.report.comparison import page, table

    folder.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["credo", "compare", *map(str, named)])
    writing.write(folder / PAGE, page.render(comparison, folder, command, Path.cwd()))
    writing.write(folder / TABLE, table.frame(comparison).to_csv(index=False))
    return folder / PAGE, folder / TABLE


def _parsed(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """The runs' words, and the folder that was asked for."""
    words = list(arguments)
    asked: Path | None = None
    named = []
    while words:
        word = words.pop(0)
        option, is_whole, value = word.partition("=")
        if option == "--out" and (is_whole or words) and asked is None:
            asked = Path(value if is_whole else words.pop(0))
        elif word.startswith("-"):
            raise ConfigError(USAGE)
        else:
            named.append(word)
    if not named:
        raise ConfigError(USAGE)
    return named, asked


def _folder(named: Sequence[str], asked: Path | None) -> Path:
    """Where the files go: nothing of another comparison is overwritten; a sweep's own is made anew."""
    sweep = resume.folder(named[0])
    if asked is None and len(named) == 1 and runs.is_sweep(sweep):
        return sweep
    folder = asked or Path("comparisons") / f"{datetime.now():%Y-%m-%d}" / f"{datetime.now():%H-%M-%S-%f}"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"credo compare: --out {folder}: expected a folder, and this is a file")
    if taken := [name for name in (PAGE, TABLE) if (folder / name).exists()]:
        raise ConfigError(f"credo compare: --out {folder} has a {taken[0]} already; name another folder")
    return folder
