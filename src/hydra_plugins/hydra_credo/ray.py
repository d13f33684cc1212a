"""Jobs on the workers of Ray, on this machine or on a cluster: `hydra/launcher=ray`.

The published launcher asks for older packages than credo's, and this one needs nothing of Ray but `init`, `remote` and
`get`. A job is a task: Ray puts it on a free worker, and a worker that dies takes that job with it alone, which
`credo.sweeps.launch` begins once more. Machines of a cluster need the same Python environment and the same folders.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from credo.config.messages import not_installed
from credo.errors import ConfigError

log = logging.getLogger(__name__)


class RayLauncher(Launcher):
    """Runs every job as a task of Ray.

    Args:
        address: of a cluster, as `auto` or `HOST:PORT`; `None` starts Ray on this machine for the time of the sweep.
        n_jobs: jobs at once where Ray is started here; `None` for one per core.
        cpus: cores that a job asks of its worker.
        gpus: GPUs that a job asks of its worker.
    """

    def __init__(self, address: str | None, n_jobs: int | None, cpus: float, gpus: float) -> None:
        for name, value in (("cpus", cpus), ("gpus", gpus)):
            if value < 0:
                raise ConfigError(f"hydra.launcher.{name}: expected a number of at least 0, but got {value}")
        if n_jobs is not None and n_jobs < 1:
            raise ConfigError(f"hydra.launcher.n_jobs: expected at least 1, or null, but got {n_jobs}")
        if address is not None and n_jobs is not None:
            raise ConfigError(f"hydra.launcher.n_jobs: the cluster at {address} says how many run; leave it out")
        self.address, self.n_jobs, self.cpus, self.gpus = address, n_jobs, cpus, gpus
        self.ray = _loaded()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; returns what each returned, in the order given.

        Raises:
            RayError: a worker died; the jobs that other workers have go on to their ends.
        """
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        log.info("Launching %d jobs by Ray", len(job_overrides))
        for place, overrides in enumerate(job_overrides):
            log.info("\t#%d : %s", initial_job_idx + place, " ".join(filter_overrides(overrides)))
        ours = not self.ray.is_initialized()
        if ours:
            self._start()
        try:
            return self._run(job_overrides, initial_job_idx)
        finally:
            if ours:
                self.ray.shutdown()

    def _start(self) -> None:
        cores = None if self.n_jobs is None else int(self.n_jobs * max(self.cpus, 1))
        here = {} if self.address else {"include_dashboard": False, "num_cpus": cores}
        try:
            self.ray.init(address=self.address or "local", logging_level=logging.ERROR, **here)
        except Exception as error:
            raise ConfigError(
                f"hydra.launcher.address={self.address}: Ray cannot be reached there ({str(error).splitlines()[0]}); "
                "start it, or use null for this machine"
            ) from error

    def _run(self, job_overrides: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        task = self.ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0, max_calls=1)(_job)
        hydra = (self.hydra_context, self.config, self.task_function, Singleton.get_state())
        shared = [self.ray.put(one) for one in hydra]
        running = [task.remote(first + place, list(words), *shared) for place, words in enumerate(job_overrides)]
        self.ray.wait(running, num_returns=len(running))  # all end, whatever becomes of one
        returned: list[JobReturn] = self.ray.get(running)
        return returned


def _loaded() -> Any:
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # a line of a job is no repetition of another one's
    try:
        import ray
    except ImportError as error:
        raise not_installed("hydra/launcher=ray", "ray") from error
    return ray


def _job(
    number: int, overrides: list[str], context: HydraContext, config: DictConfig, task: TaskFunction, singletons: Any
) -> JobReturn:
    """Run a job in the worker's process."""
    setup_globals()
    Singleton.set_state(singletons)
    own = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(own):
        own.hydra.job.id, own.hydra.job.num = str(number), number
    HydraConfig.instance().set_config(own)
    returned: JobReturn = run_job(
        hydra_context=context,
        task_function=task,
        config=own,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    return returned
