"""`credo sync RUN [RUN ...]`: deliver the records of runs that MLflow missed while it was away."""

import sys
from collections.abc import Sequence
from pathlib import Path

from credo.cli.errors import misused
from credo.cli.saved_run import make_code_importable
from credo.errors import ConfigError, RunError
from credo.experiment import resume
from credo.runs import trust
from credo.runs.job import SWEEP
from credo.runs.walk import beneath
from credo.secrets import masked
from credo.tracking import outbox
from credo.tracking.mlflow import delivery, store

USAGE = (
    "credo sync: expected folders of runs, or of sweeps with runs beneath, as in credo sync outputs/2026-01-31/12-00-00"
)

FLAGS = (trust.FLAG,)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> int:
    """Deliver the records; returns the exit code.

    Raises:
        ConfigError: a folder has no run.
        RunError: some records were not delivered.
    """
    words, trusted = trust.without_flag(arguments)
    runs = folders(words)
    make_code_importable(*runs, trusted=trusted)
    deliver(runs, trusted=trusted)
    if not runs:
        sys.stdout.write("nothing to deliver: MLflow has all records of these runs\n")
    return 0


def folders(arguments: Sequence[str]) -> list[Path]:
    """The runs that have records to deliver, at or beneath the folders.

    Raises:
        ConfigError: a folder has no run, or none was named.
    """
    if not arguments or any(word.startswith("-") for word in arguments):
        raise misused(USAGE, arguments)
    runs: list[Path] = []
    for folder in map(resume.folder, arguments):
        inside = beneath(folder, _is_run)
        if (folder / outbox.FILE).exists():  # a sweep has records of its own, beside those of its jobs
            inside.insert(0, folder.resolve())
        if not inside:
            raise ConfigError(f"{folder} is no folder of a run: there is no .hydra in it or beneath it")
        runs += inside
    return [place for place in dict.fromkeys(runs) if (place / outbox.FILE).exists()]


def _is_run(place: Path) -> bool:
    """A job that was refused has records without a configuration; a sweep has them, too, and holds runs."""
    return (place / ".hydra").exists() or ((place / outbox.FILE).exists() and not (place / SWEEP).exists())


def deliver(runs: Sequence[Path], *, trusted: bool = False) -> None:
    """Deliver the records in the folders of runs, and say where each run is; a store that is away is asked once.

    Args:
        runs: the folders.
        trusted: whether the records go where a folder says, whoever wrote it.

    Raises:
        RunError: some records were not delivered; their folders keep them.
    """
    away: set[str] = set()
    troubles: list[str] = []
    for folder in runs:
        try:
            place = _delivered(folder, away, trusted=trusted)
        except ConfigError as error:
            troubles.append(str(error))
        else:
            sys.stdout.write(f"{folder}: delivered\n  {place.splitlines()[0]}\n")
    if troubles:
        raise RunError(f"credo sync: {len(troubles)} of {len(runs)} runs still have records to deliver: {troubles[0]}")


def _delivered(folder: Path, away: set[str], *, trusted: bool) -> str:
    journal = delivery.read(folder, trusted=trusted)
    if journal is None:
        raise ConfigError(f"{folder}: another credo sync has delivered its records")
    try:
        if journal.head.uri in away:
            raise ConfigError(f"tracking.uri={masked(journal.head.uri)} is away")
        return delivery.MlflowDelivery(journal).deliver().place
    except ConfigError:
        raise
    except Exception as error:
        if store.is_away(error):
            away.add(journal.head.uri)
        raise ConfigError(
            f"tracking.uri={masked(journal.head.uri)}: MLflow did not take the records of {folder} "
            f"({store.reason(error)}); start it, or mend this, and type the same again"
        ) from error
    finally:
        journal.close()
