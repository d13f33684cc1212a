"""`credo --help`: the groups and their options, from the folders themselves, and the configuration.

Hydra's own help takes seconds, since it copies the configuration once per group.
"""

import sys
from collections.abc import Sequence

import hydra
from omegaconf import OmegaConf

from credo.config import paths, schema
from credo.errors import EXIT_CODES

TEXT = """\
credo: configured, diagnosed and logged experiments for probabilistic programming

Choose a word per group, and set any value by its key:

  credo data=eight_schools model=hierarchical inference=nuts
  credo experiment=coin_flips model.prior.p.concentration1=2
  credo model=gaussian prior@model.prior.loc=uniform model.prior.loc.low=-2
  credo -m inference=mle,map,nuts,mh        every combination, one run each
  credo calibrate KEY=VALUE ...             does the method find what the model hides? (SBC)
  credo KEY=VALUE ... --json                the answer as JSON on stdout; also -m, calibrate, resume, extend, show
  credo init FOLDER                         a folder of your own that runs at once
  credo resume RUN                          go on with a run that was interrupted
  credo extend RUN --draws N                add draws to a finished run (smc: --repeats N; vi: --steps N)
  credo compare RUN RUN ... | SWEEP         which of several runs to believe, and which predicts best
  credo reproduce RUN                       the same run once more: is the answer the same to the bit?
  credo reproduce RUN --code=recorded       ... by the code that the run kept, if you trust its folder
  credo resume RUN --trust                  ... with the code that it names, though your credo did not write it
  credo -m KEY=A,B ... --dry-run            the jobs of a sweep, what is finished, and about what the rest takes
  credo predict RUN FILE.csv                what a model says of new rows; also --samples, of states --steps
  credo predict RUN --grid age=20:80:10     ... of rows nobody observed; also --survival
  credo predict RUN --contrast sex=f,m      ... what a change makes of the target; also --slope age, --by ward
  credo export RUN FOLDER                   a trained network as an MLflow model, to load and serve
  credo list                                runs here, the newest first
  credo show RUN                            the answer of a run once more
  credo open RUN                            its report in the browser
  credo ui                                  MLflow with the runs of this folder
  credo sync RUN                            deliver the records that an MLflow server missed while it was away

{groups}

Exit codes: {codes}.

The configuration as it stands:

{config}
Hydra's flags (--cfg job, --info, --multirun, tab completion): credo --hydra-help
"""


def run(overrides: Sequence[str]) -> int:
    """Print the help with the configuration that the overrides give; returns the exit code."""
    options = {group: _options(group) for group in (*schema.GROUPS, "experiment")}
    with hydra.initialize_config_dir(str(paths.built_in() / "conf"), version_base="1.3"):
        config = hydra.compose("config", list(overrides))
    groups = "\n".join(f"  {group:12} {', '.join(words)}" for group, words in options.items())
    codes = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    sys.stdout.write(TEXT.format(groups=groups, codes=codes, config=OmegaConf.to_yaml(config)))
    return 0


def _options(group: str) -> list[str]:
    places = [folder / ("experiments" if group == "experiment" else f"conf/{group}") for folder in paths.folders()]
    return sorted({file.stem for place in places for file in place.glob("*.yaml")})
