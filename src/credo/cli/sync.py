"""`credo sync RUN [RUN ...]`: deliver what MLflow did not take of runs while it was away."""

import sys
from collections.abc import Sequence
from pathlib import Path

from credo.errors import ConfigError, RunError
from credo.experiment import resume
from credo.runs.job import SWEEP
from credo.runs.walk import beneath
from credo.secrets import masked
from credo.tracking import outbox
from credo.tracking.mlflow import store
from credo.tracking.mlflow.delivery import Delivery

USAGE = (
    "credo sync: expected folders of runs, or of sweeps with runs beneath, as in credo sync outputs/2026-01-31/12-00-00"
)


def folders(arguments: Sequence[str]) -> list[Path]:
    """The runs that have something to deliver, at or beneath the folders named.

    Raises:
        ConfigError: a folder has no run, or none was named.
    """
    if not arguments or any(word.startswith("-") for word in arguments):
        raise ConfigError(USAGE)
    found: list[Path] = []
    for folder in map(resume.folder, arguments):
        runs = beneath(folder, _is_run)
        if (folder / outbox.FILE).exists():  # a sweep has records of its own, beside those of its jobs
            runs.insert(0, folder.resolve())
        if not runs:
            raise ConfigError(f"{folder} is no folder of a run: there is no .hydra in it or beneath it")
        found += runs
    return [place for place in dict.fromkeys(found) if (place / outbox.FILE).exists()]


def _is_run(place: Path) -> bool:
    """A job that was refused has records without a configuration; a sweep has them, too, and holds runs."""
    return (place / ".hydra").exists() or ((place / outbox.FILE).exists() and not (place / SWEEP).exists())


def deliver(runs: Sequence[Path], *, trusted: bool = False) -> None:
    """Deliver what waits in the folders of runs, and say where each is; a store that is away is asked once.

    Args:
        runs: the folders.
        trusted: whether the records go where a folder says, whoever wrote it.

    Raises:
        RunError: something was not delivered; it goes on waiting.
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
        raise RunError(f"credo sync: {len(troubles)} of {len(runs)} runs still wait in their folders: {troubles[0]}")


def _delivered(folder: Path, away: set[str], *, trusted: bool) -> str:
    told = outbox.read(folder, trusted=trusted)
    if told is None:
        raise ConfigError(f"{folder}: another credo sync was quicker")
    try:
        if told.head.uri in away:
            raise ConfigError(f"tracking.uri={masked(told.head.uri)} is away")
        return Delivery(told).deliver().place
    except ConfigError:
        raise
    except Exception as error:
        if store.is_away(error):
            away.add(told.head.uri)
        raise ConfigError(
            f"tracking.uri={masked(told.head.uri)}: MLflow did not take the records of {folder} "
            f"({store.reason(error)}); start it, or mend this, and type the same again"
        ) from error
    finally:
        told.close()
