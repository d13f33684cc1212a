"""All jobs of a sweep in one process, where they share what is compiled: `hydra/launcher=compiled`."""

import copy
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, flag_override

from credo.errors import ConfigError
from credo.experiment import inferred
from credo.runs import job
from credo.sweeps import batched, environment
from credo.sweeps.composer import Composer, subdirectory
from credo.sweeps.order import middle_first

log = logging.getLogger(__name__)


class CompiledLauncher(Launcher):
    """Runs jobs of the same structure by the programs that are compiled for the first of them.

    The jobs' numbers are arguments of those programs: prior scales, step sizes, seeds, data of equal shape. Where it
    saves time (`credo.sweeps.batched`), several jobs run at once, otherwise one after another. Jobs that differ in
    something else (a model, a method, a number of draws or units) have programs of their own; jobs that chose the same
    options follow each other, so that they share theirs.

    Args:
        together: so many jobs at once, at most; 1 for one after another.
    """

    def __init__(self, together: int) -> None:
        if together < 1:
            raise ConfigError(f"hydra.launcher.together: expected at least 1, but got {together}")
        self.most = together

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
        for some in self._batches(job_overrides):
            configs = [self.composer.compose(job_overrides[place], initial_job_idx + place) for place in some]
            for place, config, inference in zip(some, configs, self._inferred(configs), strict=True):
                log.info("\t#%d : %s", initial_job_idx + place, " ".join(filter_overrides(job_overrides[place])))
                with inferred.using(inference):
                    returns[place] = self._run(config)
        return [returns[place] for place in range(len(job_overrides))]

    def _batches(self, job_overrides: Sequence[Sequence[str]]) -> Iterator[list[int]]:
        """The places of the jobs that choose the same options, as many as may be together."""
        for alike in self.composer.together(job_overrides):
            if self.config.sweep.reuse or self.config.sweep.warm_start:
                order = middle_first([job_overrides[place] for place in alike])
                yield from ([alike[place]] for place in order)
                continue
            yield from (alike[first : first + self.most] for first in range(0, len(alike), self.most))

    def _inferred(self, configs: Sequence[DictConfig]) -> Iterable[inferred.Inferred | None]:
        """What can be inferred together; not where a job may turn out to be answered, pruned, resumed or stopped."""
        sweep, stop = self.config.sweep, Path(str(self.config.hydra.sweep.dir)) / job.STOP
        apart = (
            sweep.skip_finished
            or sweep.reuse
            or sweep.warm_start
            or stop.exists()
            or any((config.inference.get("groups") or 1) > 1 for config in configs)
            or any(_may_be_cut_off(config) for config in configs)
        )
        return [None] * len(configs) if apart or len(configs) < 2 else batched.infer([_task(one) for one in configs])

    def _run(self, config: DictConfig) -> JobReturn:
        returned = run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return returned


def _task(config: DictConfig) -> DictConfig:
    """A configuration as its job sees it, without Hydra's own part."""
    task = copy.deepcopy(config)
    with flag_override(task, ["struct", "readonly"], [False, False]):
        del task["hydra"]
    return task


def _may_be_cut_off(config: DictConfig) -> bool:
    """Whether a job has been, or a search may end it early."""
    checkpoint = Path(str(config.hydra.sweep.dir)) / subdirectory(config) / "checkpoint" / "state.npz"
    return bool(config.hydra.job.env_set.get(environment.TRIAL)) or checkpoint.exists()
