"""A job of a sweep, run by whichever launcher: it says in its folder how it ended."""

import math
from pathlib import Path
from typing import cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from credo.cli import experiment
from credo.errors import Interrupted
from credo.runs import job as jobs
from credo.sweeps import environment


def run(config: DictConfig) -> float | list[float] | None:
    """Run a job and write `job.json` into its folder. An interrupt ends the sweep with the job.

    Returns:
        The objective; NaN where the job failed, or the sweep was stopped before it.
    """
    hydra = HydraConfig.get()
    sweep, folder, stop = environment.membership(), Path(hydra.runtime.output_dir), Path(hydra.sweep.dir) / jobs.STOP
    if stop.exists():
        return math.nan
    before = jobs.read(folder)
    job = jobs.started(cast("list[str]", OmegaConf.to_container(hydra.overrides.task, resolve=False)))
    job.write(folder)
    try:
        end = experiment.run_one(config, sweep, before)
    except (KeyboardInterrupt, Interrupted) as error:
        jobs.ended(job, "KILLED", Interrupted.exit_code, str(error) or "interrupted").write(folder)
        raise
    jobs.ended(job, end.state, end.exit_code, end.reason, end.objective).write(folder)
    if end.exit_code and sweep is not None and sweep.fail_fast:
        stop.touch()
    if end.objective is None:
        return math.nan if end.state == "FAILED" else None
    return end.objective[0] if len(end.objective) == 1 else list(end.objective)
