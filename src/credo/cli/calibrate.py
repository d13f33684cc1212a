"""`credo calibrate KEY=VALUE ...`: does a method find what a model hides? Simulation-based calibration of both."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from credo.cli import flags, hydra_app
from credo.cli.errors import misused
from credo.cli.experiment import End
from credo.config import loading, paths

USAGE = (
    "credo calibrate: expected what credo takes for one experiment, as in credo calibrate experiment=eight_schools "
    "inference=nuts calibrate.replications=500"
)
HELP = """\
credo calibrate KEY=VALUE ...   does the method find what the model hides? (SBC)

It draws parameters from the prior and data from the model, fits them, and asks
whether the true values lie among the draws as often everywhere. It takes the
words of one experiment, and:

  calibrate.replications=500    how many data sets are drawn and fitted
  calibrate.save=20             replications between two saves
  calibrate.around=RUN          true values from the posterior of this run
                                in place of the prior's; type its words besides

  credo calibrate experiment=eight_schools inference=nuts inference.draws=250
  credo -m inference=nuts,smc +calibrate=200 beside the jobs of a sweep
  credo resume RUN                           goes on with an interrupted one
  credo extend RUN --replications N          adds replications
"""


def run(arguments: Sequence[str], hear: Callable[[End], object] = lambda _: None) -> int:
    """Calibrate; returns the exit code.

    Args:
        arguments: as typed.
        hear: is called with how it ended.

    Raises:
        ConfigError: the configuration cannot work, or the model cannot draw its data.
    """
    if {"--help", "-h"} & set(arguments):
        sys.stdout.write(HELP)
        return 0
    if {"-m", "--multirun"} & set(arguments):
        raise misused(USAGE, arguments)
    loading.make_importable(Path.cwd(), paths.built_in())
    words = flags.with_option(arguments, "standard")
    typed = any(word.lstrip("+").startswith("calibrate=") for word in words)
    return hydra_app.run([*([] if typed else ["+calibrate=standard"]), *words], hear=hear)
