"""`credo resume RUN`: go on from the last checkpoint of a run that was interrupted."""

from collections.abc import Sequence

from credo.cli import saved_run
from credo.cli.errors import misused
from credo.experiment import resume
from credo.runs import trust
from credo.runs.record import Resumed

USAGE = "credo resume: expected the folder or the MLflow id of one run, as in credo resume outputs/2026-01-31/12-00-00"

FLAGS = (trust.FLAG,)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> int:
    """Resume the run; returns the exit code.

    Raises:
        ConfigError: there is no such run, it has no checkpoint, or it is finished.
    """
    words, trusted = trust.without_flag(arguments)
    if len(words) != 1 or words[0].startswith("-"):
        raise misused(USAGE, arguments)
    folder = resume.folder(words[0])
    with resume.held(folder):
        saved = resume.interrupted(folder, words[0], trusted=trusted)
        return saved_run.run(saved, Resumed(from_checkpoint=not saved.is_calibration)).exit_code
