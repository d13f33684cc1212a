"""What a configuration asks for: an experiment, a calibration, or both."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from omegaconf import DictConfig

if TYPE_CHECKING:
    from credo.experiment.earlier import Outcome
    from credo.experiment.request import Request


def of(config: DictConfig) -> "Callable[[Request], Outcome]":
    """The function that runs it."""
    if (settings := config.get("calibrate")) and settings.get("beside"):
        from credo.calibration.beside import run as run_with_calibration

        return run_with_calibration
    if settings:
        from credo.calibration.run import run as calibrate

        return calibrate
    from credo.experiment.run import run

    return run
