"""`+calibrate=200`: an experiment with the calibration of its model and its method beside, whose numbers it records."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from credo.calibration import calibrated
from credo.experiment.earlier import Outcome
from credo.experiment.prepare import Prepared
from credo.experiment.request import Request
from credo.experiment.run import run as run_experiment
from credo.runs.folder import remove
from credo.runs.record import Resumed

log = logging.getLogger("credo")

FOLDER = "calibration"
"""Of a run, where the files of its calibration are."""


def run(request: Request) -> Outcome:
    """Run an experiment and calibrate; raises what both do."""
    return run_experiment(replace(request, beside=_beside))


def _beside(prepared: Prepared) -> Callable[[], Mapping[str, float]]:
    """What gives the numbers of the calibration, once the experiment has its answer.

    Raises:
        ConfigError: the model cannot draw its data, or the method has no draws.
    """
    settings, simulator = calibrated.prepare(prepared)
    folder = prepared.record.folder / FOLDER

    def numbers() -> Mapping[str, float]:
        _make(folder, prepared.record.start)
        found, _ = calibrated.calibrate(prepared, settings, simulator, folder)
        if found.status != "calibrated":
            log.warning("+calibrate: %s", found.sentence)
        return calibrated.metrics(found)

    return numbers


def _make(folder: Path, start: object) -> None:
    if isinstance(start, Resumed) and start.times:
        remove(folder)  # its fits were shorter
    folder.mkdir(exist_ok=True)
