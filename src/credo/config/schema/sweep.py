"""The keys of `sweep`, and of the sweepers and launchers in `conf/hydra`."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING


@dataclass
class Sweep:
    """How a sweep goes on.

    Attributes:
        resume: an earlier sweep, by its folder or MLflow id, whose unfinished jobs are run.
        fail_fast: begin no further job once one has failed.
        compare: compare the finished jobs with each other.
        skip_finished: do not run what a finished run with the same fingerprint has answered.
    """

    resume: str | None = MISSING
    fail_fast: bool = MISSING
    compare: bool = MISSING
    skip_finished: bool = MISSING


@dataclass
class Grid:
    """Every combination."""

    _target_: str = "hydra_plugins.hydra_credo.grid.GridSweeper"
    max_batch_size: int | None = MISSING
    params: Any = MISSING


@dataclass
class Optuna:
    """A search."""

    _target_: str = "hydra_plugins.hydra_credo.optuna.OptunaSweeper"
    n_trials: int = MISSING
    n_jobs: int = MISSING
    sampler: str = MISSING
    seed: int = MISSING
    direction: Any = MISSING
    pruner: str | None = MISSING
    prune_by: str | None = MISSING
    storage: str | None = MISSING
    study_name: str | None = MISSING
    params: Any = MISSING


@dataclass
class Compiled:
    """All jobs in one process."""

    _target_: str = "hydra_plugins.hydra_credo.compiled.CompiledLauncher"
    together: int = MISSING
    threads_per_job: int | None = MISSING


PLUGINS = {"sweeper": {"grid": Grid, "optuna": Optuna}, "launcher": {"compiled": Compiled}}
