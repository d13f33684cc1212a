"""`credo sync RUN [RUN ...]`: deliver what MLflow did not take of runs while it was away."""

import sys
from collections.abc import Sequence
from pathlib import Path

from credo import again
from credo.errors import ConfigError, RunError
from credo.secrets import masked
from credo.tracking import journal, store
from credo.tracking.delivery import Delivery

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
    named = [again.folder(word) for word in arguments]
    for folder in named:
        if not any(next(folder.rglob(name), None) for name in (".hydra", journal.FILE)):
            raise ConfigError(f"{folder} is no folder of a run: there is no .hydra in it or beneath it")
    return sorted({file.parent for folder in named for file in folder.rglob(journal.FILE)})


def deliver(runs: Sequence[Path]) -> None:
    """Deliver what waits in the folders of runs, and say where each is; a store that is away is asked once.

    Raises:
        RunError: something was not delivered; it goes on waiting.
    """
    away: set[str] = set()
    troubles: list[str] = []
    for folder in runs:
        try:
            place = _delivered(folder, away)
        except ConfigError as error:
            troubles.append(str(error))
        else:
            sys.stdout.write(f"{folder}: delivered\n  {place.splitlines()[0]}\n")
    if troubles:
        raise RunError(f"credo sync: {len(troubles)} of {len(runs)} runs still wait in their folders: {troubles[0]}")


def _delivered(folder: Path, away: set[str]) -> str:
    told = journal.read(folder)
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
