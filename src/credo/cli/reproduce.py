"""`credo reproduce RUN`: run it again as it was; are the draws the same to the bit?"""

from collections.abc import Sequence
from datetime import datetime

from credo.cli import saved_run
from credo.cli.errors import misused
from credo.errors import ConfigError
from credo.experiment import reproduce, resume
from credo.runs import reproduction, trust
from credo.runs.record import Fresh

USAGE = (
    "credo reproduce: expected one run, by its folder or its MLflow id, and perhaps --code=recorded or --trust, as in "
    "credo reproduce outputs/2026-01-31/12-00"
)

CODE = "--code"
WHICH = ("present", "recorded")
FLAGS = (*(f"{CODE}={which}" for which in WHICH), trust.FLAG)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> int:
    """Reproduce the run; returns 0 where the draws are the same to the bit, else 1.

    Raises:
        ConfigError: there is no such run, it did not finish, or its recorded code is not complete.
    """
    from credo.report.terminal import run as terminal

    typed, trusted = trust.without_flag(arguments)
    words, code = _parse(typed)
    if len(words) != 1 or words[0].startswith("-"):
        raise misused(USAGE, arguments)
    plan = reproduce.plan(
        resume.folder(words[0]), words[0], datetime.now(), recorded=code == "recorded", trusted=trusted
    )
    with plan.folder_of_code() as folder:
        saved_run.run(plan.run, Fresh(), folder, plan.expected, plan.run.hydra)
    comparison = reproduction.compare(plan.before, plan.run.folder)
    terminal.show_reproduction(comparison, plan.first)
    return 0 if comparison.same else 1


def _parse(arguments: Sequence[str]) -> tuple[list[str], str]:
    """The words besides `--code=WHICH`, and which code runs."""
    words, code = [word for word in arguments if not word.startswith(CODE)], WHICH[0]
    for word in arguments:
        if word.startswith(CODE):
            code = word.removeprefix(CODE).removeprefix("=")
    if code not in WHICH:
        raise ConfigError(
            f"--code={code}: expected present (the code that is there now) or recorded (the copy in the run's folder, "
            "which is run as it is: only for a folder that you trust)"
        )
    return words, code
