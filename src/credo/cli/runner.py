"""What a configuration asks for: an experiment, or a calibration where it has `calibrate`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from omegaconf import DictConfig

if TYPE_CHECKING:
    from credo.experiment.earlier import Outcome
    from credo.experiment.request import Request


def of(config: DictConfig) -> "Callable[[Request], Outcome]":
    """The function that runs it."""
    if config.get("calibrate"):
        from credo.calibration.run import run as calibrate

        return calibrate
    from credo.experiment.run import run

    return run
