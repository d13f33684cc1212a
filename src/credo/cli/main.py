"""The console command: a Hydra app and a few verbs. JAX, ArviZ and MLflow are imported only when an experiment runs.

credo data=eight_schools model=hierarchical inference=nuts device=cpu
credo -m inference=mle,map,nuts,mh
credo resume RUN
"""

import logging
import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from omegaconf import OmegaConf

import credo
from credo.cli import complete, help, hydra_app  # noqa: A004 - it is what is typed
from credo.cli.errors import report
from credo.cli.flags import VERBS, wants_json
from credo.config import loading, messages, paths, schema, sources
from credo.errors import CredoError, Interrupted, RunError
from credo.experiment import signals
from credo.runs import folder


@signals.listening()
def command(arguments: Sequence[str], began: float | None = None) -> int:
    """Run a verb or an experiment.

    Args:
        arguments: what was typed.
        began: since when somebody waits, on the clock of `time.monotonic`; by default from now on.

    Returns:
        The exit code: 0 (ran), 1 (failed), 2 (wrong configuration), 3 (failed verdict) or 130 (stopped).
    """
    logging.raiseExceptions = False  # Hydra logs to pipes, whose readers may have gone
    try:
        register()
        return _run(arguments, time.monotonic() if began is None else began)
    except CredoError as error:
        return report(error)
    except messages.MISTAKES as error:
        return report(messages.explain(error))
    except (KeyboardInterrupt, Interrupted) as error:
        return report(error, Interrupted.exit_code)
    except BrokenPipeError:  # the reader of a pipe has seen enough, as in `credo --help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        return report(RunError(f"{error.filename}: {str(error.strerror).lower()}"))


def register() -> None:
    """Let Hydra know credo's schema, where configurations are, and that a run makes its own folder."""
    schema.register()
    sources.register()
    folder.register()
    OmegaConf.register_new_resolver("sweep_folder", _sweep_folder, replace=True)


def _run(arguments: Sequence[str], began: float) -> int:
    if wants_json(arguments):
        from credo.cli import as_json  # takes time to load

        return as_json.run(arguments, began)
    if arguments and arguments[0] in VERBS:
        code: int = import_module(f"credo.cli.{arguments[0]}").run(arguments[1:])
        return code
    if complete.is_over(arguments):
        return 0
    if "--version" in arguments:
        sys.stdout.write(f"credo {credo.__version__}\n")
        return 0
    loading.make_importable(Path.cwd(), paths.built_in())  # where the types of a user's own parts are read
    if {"--help", "-h"} & set(arguments):
        return help.run([word for word in arguments if not word.startswith("-")])
    return hydra_app.run(arguments, began)


def _sweep_folder(earlier: str | None, new: str) -> str:
    """Where a sweep leaves its files: where an earlier one did, by its folder or a tracker's id, or a new place."""
    if earlier is None:
        return new
    from credo.experiment import resume  # takes time to load

    return str(resume.folder(str(earlier)))
