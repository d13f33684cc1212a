"""`credo show RUN`: the answer of a finished run once more, as it was printed; `--json` for programs."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from credo.cli.errors import misused
from credo.errors import ConfigError
from credo.experiment import resume
from credo.runs import plain, saved

USAGE = "credo show: expected one run, by folder or MLflow id, as in credo show outputs/2026-01-31/12-00-00 --json"
JSON = "--json"
FLAGS = (JSON,)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> int:
    """Print the answer; returns the exit code.

    Raises:
        ConfigError: there is no such run, or it is not finished.
    """
    words = [word for word in arguments if word != JSON]
    if len(words) != 1 or words[0].startswith("-"):
        raise misused(USAGE, arguments)
    folder = finished(words[0])
    if JSON in arguments:
        sys.stdout.write(f"{json.dumps(plain.answer(folder), indent=2)}\n")
        return 0
    if plain.is_calibration(saved.configuration(folder)):
        found = plain.calibration(folder)
        sys.stdout.write(f"{found['status'].upper()} {found['sentence']}\nrun     {folder}\n")
        return 0
    from credo.report.comparison import runs
    from credo.report.terminal import run as terminal

    terminal.show_saved(folder, runs.read(folder))
    return 0


def finished(word: str) -> Path:
    """The folder of a finished run.

    Raises:
        ConfigError: there is no such run, or it is not finished.
    """
    folder = resume.folder(word)
    saved.require(folder)
    if not (folder / saved.VERDICT).exists():
        raise ConfigError(f"{word} is not finished and has no answer; credo resume {word} continues it")
    return folder
