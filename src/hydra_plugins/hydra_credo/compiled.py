"""All jobs of a sweep in one process, where they share what is compiled: `hydra/launcher=compiled`."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from credo.sweep.composer import Composer

log = logging.getLogger(__name__)


class CompiledLauncher(Launcher):
    """Runs jobs of the same structure one after another, by the programs that the first of them compiled.

    What the jobs' numbers are is an argument of those programs: prior scales, step sizes, seeds, data of equal shape.
    Jobs that differ otherwise (in a model, a method, a number of draws or units) have programs of their own; to let
    them share, jobs that chose the same options follow each other.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config
        self.composer = Composer(hydra_context.config_loader, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; returns what each returned, in the order given."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        log.info("Launching %d jobs in this process", len(job_overrides))
        returns: dict[int, JobReturn] = {}
        for place in self.composer.together(job_overrides):
            number, words = initial_job_idx + place, job_overrides[place]
            log.info("\t#%d : %s", number, " ".join(filter_overrides(words)))
            returns[place] = self._run(words, number)
        return [returns[place] for place in range(len(job_overrides))]

    def _run(self, words: Sequence[str], number: int) -> JobReturn:
        state: Any = Singleton.get_state()
        returned = run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=self.composer.compose(words, number),
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        Singleton.set_state(state)
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return returned
