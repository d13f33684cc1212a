"""`credo predict RUN FILE.csv`: what a run's model says of the rows of a table, as CSV on stdout."""

import sys
from collections.abc import Sequence
from pathlib import Path

from credo.cli import saved_run
from credo.cli.errors import misused
from credo.errors import ConfigError
from credo.experiment import resume
from credo.runs import saved, trust
from credo.runs.code import record

NEW_GROUPS = "--new-groups"
"""A level of a group that the model has not seen gets an effect of its own, drawn as those of the others."""


def run(arguments: Sequence[str]) -> int:
    """Predict; returns the exit code.

    Raises:
        ConfigError: the run has no model that can predict, or the file does not fit it.
    """
    from credo.runs import exported

    words, trusted = trust.without_flag(arguments)
    new_groups = NEW_GROUPS in words
    words = [word for word in words if word != NEW_GROUPS]
    if len(words) != 2 or any(word.startswith("-") for word in words):
        raise misused(
            "credo predict: expected a run and a CSV file, as in credo predict RUN new.csv > out.csv", arguments
        )
    from credo.data.places import existing

    folder = resume.folder(words[0])
    prepare(folder, trusted=trusted)
    try:
        file = existing(words[1])
        model = exported.load(folder, trusted=trusted, new_groups=new_groups)
        table = exported.rows(folder, file, model.texts)
    except ConfigError as error:  # of a file that no key names
        raise ConfigError(str(error).replace("data.path:", "credo predict:", 1)) from error
    try:
        made = model(table)
    except ConfigError as error:
        raise ConfigError(f"credo predict: {words[1]}: {error}") from error
    tell_failed(folder)
    made.to_csv(sys.stdout, index=False)
    return 0


def prepare(folder: Path, *, trusted: bool) -> None:
    """Let a run's model consist of modules of the user's own, and say which of them changed since the run.

    Raises:
        ConfigError: the run has no model that can predict.
    """
    from credo.runs import exported

    exported.place_of(folder)
    saved_run.make_code_importable(folder, trusted=trusted)
    if changed := record.changed(record.of_run(folder), Path.cwd()):
        sys.stderr.write(f"OTHER CODE {', '.join(changed)} changed since the run; the present code is used\n")


def tell_failed(folder: Path) -> None:
    """Say on stderr that the verdict of a run failed, whose model was used nevertheless."""
    from credo.runs import exported

    own = exported.place_of(folder).parent
    if (own / saved.VERDICT).exists() and (verdict := saved.verdict(own)).status == "failed":
        names = ", ".join(sorted(check.name for check in verdict.checks if check.status == "failed"))
        sys.stderr.write(f"FAILED the verdict of the run failed ({names}); do not rely on its predictions yet\n")
