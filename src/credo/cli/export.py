"""`credo export RUN FOLDER`: a run's model as an MLflow model, which others can load and serve."""

import sys
from collections.abc import Sequence
from pathlib import Path

from credo.cli.errors import misused
from credo.cli.predict import prepare
from credo.experiment import resume
from credo.runs import trust


def run(arguments: Sequence[str]) -> int:
    """Export; returns the exit code.

    Raises:
        ConfigError: the run has no model that can predict, or the folder exists.
    """
    from credo.runs import exported

    words, trusted = trust.without_flag(arguments)
    if len(words) != 2 or any(word.startswith("-") for word in words):
        raise misused("credo export: expected a run and a new folder, as in credo export RUN my_model", arguments)
    folder = resume.folder(words[0])
    prepare(folder, trusted=trusted)
    exported.to_mlflow(folder, Path(words[1]), trusted=trusted)
    sys.stdout.write(f"serve it: mlflow models serve -m {words[1]} --host 127.0.0.1 --env-manager local\n")
    return 0
