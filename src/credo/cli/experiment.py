"""One experiment from the configuration that Hydra composed, alone or as a job of a sweep."""

import gc
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log
from omegaconf import DictConfig, OmegaConf

from credo.cli import runner
from credo.cli.errors import report
from credo.config import loading, paths
from credo.config.shadows import shadowing
from credo.errors import ConfigError, CredoError, PrunedError
from credo.experiment import signals
from credo.runs import folder as run_folder
from credo.runs.job import Job, Membership, State
from credo.runs.record import Fresh, Resumed
from credo.secrets import masked

if TYPE_CHECKING:
    from credo.experiment.earlier import Outcome


LOADED = "credo.experiment.run"
"""What takes time to load."""


class End(NamedTuple):
    """How an experiment ended.

    Attributes:
        exit_code: of the command.
        objective: the numbers that a sweeper optimises.
        reason: why it has no answer, or the folder of the run that has the same answer.
        state: as a job of a sweep has it.
        folder: where the answer is, if there is one.
    """

    exit_code: int
    objective: tuple[float, ...] | None = None
    reason: str = ""
    state: State = "FINISHED"
    folder: Path = Path()


def run_one(
    config: DictConfig, sweep: Membership | None = None, before: Job | None = None, began: float | None = None
) -> End:
    """Run one experiment, and report its errors.

    Args:
        config: as composed by Hydra.
        sweep: the sweep of which this is a job.
        before: how the job stood when it was run before; `None` for one that is new.
        began: since when somebody waits, on the clock of `time.monotonic`; by default from now on.
    """
    loading.make_importable(Path(HydraConfig.get().runtime.cwd), paths.built_in())
    try:
        found = outcome(config, sweep, before, began)
    except PrunedError as error:
        return End(0, reason=str(error), state="PRUNED")
    except CredoError as error:
        signals.check()
        return End(report(error), reason=str(error), state="FAILED")
    except Exception as error:  # noqa: BLE001 - the last resort: an error of our own, with its traceback
        signals.check()
        if shadowing(error):
            return End(report(error, ConfigError.exit_code), reason=str(error), state="FAILED")
        sys.stderr.write(masked(traceback.format_exc()))
        return End(1, reason=f"{type(error).__name__}: {error}", state="FAILED")
    if found.answered is not None:
        return End(0, found.objective, str(found.answered), "SKIPPED", found.answered)
    return End(found.exit_code, found.objective, folder=run_folder.chosen(HydraConfig.get()))


def outcome(
    config: DictConfig, sweep: Membership | None = None, before: Job | None = None, began: float | None = None
) -> "Outcome":
    """Run the experiment of a configuration that Hydra composed (see `run_one`).

    Raises:
        ConfigError: the configuration cannot work; nothing was run or recorded.
        RunError: the inference failed; the run is recorded as FAILED.
        Interrupted: the run was stopped; it is recorded as KILLED.
    """
    began = time.monotonic() if began is None else began
    job = HydraConfig.get()
    folder = run_folder.chosen(job)
    run_folder.require_own(job)
    from credo.experiment import earlier, inferred, preflight
    from credo.sweeps import search

    if sweep is None and before is None and earlier.skips(config):  # a sweep has asked this of its jobs
        found = earlier.at_once(config, Path(job.runtime.cwd))
        if found is not None:
            return found
    with signals.listening(), search.listening() as listeners:
        if sweep is None or LOADED not in sys.modules:  # of a sweep's next job, what `run` asks comes as soon
            preflight.refuse(config)
        from credo.experiment.request import Request
        from credo.runs import snapshot

        request = Request(
            config,
            choices={str(group): str(word) for group, word in job.runtime.choices.items()},
            overrides=tuple(cast("list[str]", OmegaConf.to_container(job.overrides.task, resolve=False))),
            folder=folder,
            start_folder=Path(job.runtime.cwd),
            start=Fresh() if before is None else Resumed(from_checkpoint=snapshot.is_open(folder)),
            sweep=sweep,
            listeners=tuple(listeners),
            inferred=inferred.current(),
            hydra=cast("DictConfig", HydraConfig.instance().cfg),
            began=began,
            on_accepted=lambda: configure_log(cast("DictConfig", job.job_logging), job.verbose),
        )
        run = runner.of(config)
        _all_is_loaded()
        return run(request)


def _all_is_loaded() -> None:
    """Look for garbage from now on, but never in what was loaded: that takes half a second (see `hydra_app.run`)."""
    if not gc.isenabled():
        if not gc.get_freeze_count():  # a process of many commands would keep the garbage of them all
            gc.freeze()
        gc.enable()
