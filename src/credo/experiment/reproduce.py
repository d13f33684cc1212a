"""A run once more, planned from its folder; `credo.runs.reproduction` compares the two."""

import copy
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from credo.config import loading
from credo.errors import ConfigError
from credo.experiment import resume
from credo.runs import saved
from credo.runs.code import record
from credo.runs.saved import Provenance

_SETTINGS = {"reweighted": "reuse", "warm_start": "warm_start"}
"""What the sweep was told of runs that have something of others, by where their provenance says it."""


@dataclass(frozen=True)
class Plan:
    """A run to reproduce, and the one that does.

    Attributes:
        first: the folder of the run to reproduce.
        run: the run to make, in a new folder and recorded nowhere else.
        before: the provenance of the first.
        code: the files that the first run recorded, if it is their code that runs.
    """

    first: Path
    run: resume.Run
    before: Provenance
    code: Mapping[str, bytes] | None = None

    @property
    def expected(self) -> Mapping[str, Any] | None:
        """The record of the code that has to run, if it is not what is present."""
        return None if self.code is None else self.before.get("code")

    @contextmanager
    def folder_of_code(self) -> Iterator[Path]:
        """The folder whose modules run: where credo was started, or one with the recorded files alone."""
        if self.code is None:
            yield self.run.folder_of_code
            return
        sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != self.run.start_folder.resolve()]
        with tempfile.TemporaryDirectory(prefix="credo-code-", ignore_cleanup_errors=True) as scratch:
            record.Code(sources=self.code).write(Path(scratch))
            try:
                yield Path(scratch) / record.FOLDER
            finally:
                loading.forget(Path(scratch))


def plan(place: Path, name: str, now: datetime, *, recorded: bool = False, trusted: bool = False) -> Plan:
    """Plan the reproduction of a run.

    Args:
        place: the run's folder.
        name: what was typed for it.
        now: the time, which names the new folder.
        recorded: whether the code that the run kept runs, in place of the present one.
        trusted: whether the user trusts whoever wrote the folder.

    Raises:
        ConfigError: there is no such run, it did not finish, or its recorded code is not complete.
    """
    if saved.exists(place) and not (place / saved.PROVENANCE).exists():
        raise ConfigError(f"{name} did not finish, so that there is nothing to reproduce")
    first = resume.read(place, trusted=trusted or recorded, recorded_anew=True)
    if first.is_calibration:
        raise ConfigError(f"{name} is a calibration, which has no draws to reproduce; type its own command again")
    before = saved.provenance(place, saved.AGAIN_WITHOUT)
    for key, what in (("reweighted", "has reweighted draws"), ("warm_start", "has chains that began at those")):
        neighbour: Any = before.get(key)
        if neighbour is not None:
            raise ConfigError(
                f"{name} {what} of {neighbour['folder']} (sweep.{_SETTINGS[key]}), so that it cannot be made again by "
                "itself; reproduce that run, or type the command of this one without that setting"
            )
    code = record.recorded(first.folder, before.get("code")) if recorded else None
    config = copy.deepcopy(first.config)
    config.tracking, config.calibrate = resume.NOWHERE, None
    config.seed = before["seed"]
    short = re.sub(r"[^A-Za-z0-9_.-]+", "-", first.folder.name)
    folder = Path.cwd() / "reproductions" / f"{now:%Y-%m-%d_%H-%M-%S}_{short}"
    return Plan(first.folder, replace(first, config=config, folder=folder), before, code)
