"""`credo extend RUN --draws N`: add draws to a finished run, or `--replications N` to a finished calibration."""

import re
from collections.abc import Sequence

from credo.cli import saved_run
from credo.cli.errors import misused
from credo.experiment import resume
from credo.runs import trust
from credo.runs.record import Resumed

USAGE = (
    "credo extend: expected a run and a number of draws, as in credo extend outputs/2026-01-31/12-00-00 --draws 1000"
)


def run(arguments: Sequence[str]) -> int:
    """Extend the run; returns the exit code.

    Raises:
        ConfigError: there is no such run, it is not finished, or has no draws.
    """
    typed, trusted = trust.without_flag(arguments)
    words = [part for word in typed for part in word.split("=", 1)]
    if len(words) != 3 or words[1] not in ("--draws", "--replications") or not re.fullmatch(r"[1-9]\d{0,8}", words[2]):
        raise misused(USAGE, arguments)
    folder = resume.folder(words[0])
    with resume.held(folder):
        if words[1] == "--replications":
            more = resume.calibrated(folder, words[0], int(words[2]), trusted=trusted)
            return saved_run.run(more, Resumed(from_checkpoint=False)).exit_code
        longer = resume.extended(folder, words[0], int(words[2]), trusted=trusted)
        return saved_run.run(longer, Resumed()).exit_code
