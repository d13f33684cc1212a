"""`credo compare RUN RUN ... | SWEEP [--out FOLDER]`."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from credo.cli.errors import misused
from credo.errors import ConfigError
from credo.experiment import resume
from credo.report.comparison import files, runs
from credo.report.drawing.numbers import counted
from credo.report.terminal.screen import Screen

USAGE = (
    "credo compare: expected runs or a sweep, by folder or MLflow id, as in credo compare outputs/a outputs/b, or "
    "credo compare multirun/2026-01-31/12-00-00 --out FOLDER"
)

OUT = "--out"
FLAGS = (OUT,)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> int:
    """Compare what is named: print it, and write `comparison.html` and `comparison.csv`; returns the exit code.

    Raises:
        ConfigError: there are not two finished runs on the same data, or there is no place for the files.
    """
    words, out = _parse(arguments)
    compared = runs.find(map(resume.folder, words))
    folder = place(words, out)

    from credo.report.comparison.compare import compare  # takes seconds to load, for which a mistake need not wait
    from credo.report.terminal import comparison as terminal

    with Screen(stderr=True).status(f"comparing {counted(len(compared), 'run')}"):
        comparison = compare(compared)
    terminal.show(comparison, files.write(comparison, folder, words))
    return 0


def _parse(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """The words that name runs, and the folder after `--out`."""
    rest = list(arguments)
    out: Path | None = None
    words = []
    while rest:
        word = rest.pop(0)
        option, is_whole, value = word.partition("=")
        if option == OUT and (is_whole or rest) and out is None:
            out = Path(value if is_whole else rest.pop(0))
        elif word.startswith("-"):
            raise misused(USAGE, arguments)
        else:
            words.append(word)
    if not words:
        raise misused(USAGE, arguments)
    return words, out


def place(words: Sequence[str], out: Path | None) -> Path:
    """Where the files go: nothing of another comparison is overwritten; a sweep's own is made anew."""
    sweep = resume.folder(words[0])
    if out is None and len(words) == 1 and runs.is_sweep(sweep):
        return sweep
    folder = out or Path("comparisons") / f"{datetime.now():%Y-%m-%d}" / f"{datetime.now():%H-%M-%S-%f}"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"credo compare: {OUT} {folder}: expected a folder, and this is a file")
    if taken := [name for name in (files.PAGE, files.TABLE) if (folder / name).exists()]:
        raise ConfigError(f"credo compare: {OUT} {folder} has a {taken[0]} already; name another folder")
    return folder
