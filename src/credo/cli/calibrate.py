"""`credo calibrate KEY=VALUE ...`: does a method find what a model hides? Simulation-based calibration of both."""

import sys
from collections.abc import Sequence
from pathlib import Path

from credo.cli import hydra_app
from credo.cli.errors import misused
from credo.config import loading, paths

USAGE = (
    "credo calibrate: expected what credo takes for one experiment, as in credo calibrate experiment=eight_schools "
    "inference=nuts calibrate.replications=500"
)


def run(arguments: Sequence[str]) -> int:
    """Calibrate; returns the exit code.

    Raises:
        ConfigError: the configuration cannot work, or the model cannot draw its data.
    """
    if {"--help", "-h"} & set(arguments):
        sys.stdout.write(f"{USAGE}\n")
        return 0
    if {"-m", "--multirun"} & set(arguments):
        raise misused(USAGE, arguments)
    loading.make_importable(Path.cwd(), paths.built_in())
    typed = any(word.lstrip("+").startswith("calibrate=") for word in arguments)
    return hydra_app.run([*([] if typed else ["+calibrate=standard"]), *arguments])
