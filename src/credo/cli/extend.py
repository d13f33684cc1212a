"""`credo extend RUN --draws N`: add draws, repeats of `smc`, steps of `vi`, or replications to a finished run."""

import re
from collections.abc import Sequence

from credo.cli import saved_run
from credo.cli.errors import misused
from credo.experiment import longer, resume
from credo.runs import trust
from credo.runs.record import Resumed

USAGE = (
    "credo extend: expected a run and a number of draws, as in credo extend outputs/2026-01-31/12-00-00 --draws 1000"
)

FLAGS = (*(f"--{setting}" for setting in longer.EXAMPLES), trust.FLAG)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> int:
    """Extend the run; returns the exit code.

    Raises:
        ConfigError: there is no such run, it is not finished, or has nothing to add to.
    """
    typed, trusted = trust.without_flag(arguments)
    words = [part for word in typed for part in word.split("=", 1)]
    if len(words) != 3 or not _is_flag(words[1]) or not re.fullmatch(r"[1-9]\d{0,8}", words[2]):
        raise misused(USAGE, arguments)
    folder = resume.folder(words[0])
    with resume.held(folder):
        more = resume.extended(folder, words[0], words[1].removeprefix("--"), int(words[2]), trusted=trusted)
        return saved_run.run(more, Resumed(from_checkpoint=not more.is_calibration)).exit_code


def _is_flag(word: str) -> bool:
    return word.startswith("--") and word.removeprefix("--") in longer.EXAMPLES
