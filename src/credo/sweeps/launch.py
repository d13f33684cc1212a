"""Jobs given to a launcher, whatever it does with them.

A launcher whose worker dies gives up all its jobs. Those that had not started are launched again. Those that had are
launched once more, each alone, so that only the guilty one is lost.
"""

import gc
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.plugins.launcher import Launcher

from credo.config import messages
from credo.config.failure import in_words
from credo.errors import CredoError, RunError, shortened
from credo.runs import job as jobs
from credo.runs.job import Job
from credo.sweeps.environment import quoted
from credo.sweeps.plan import PlannedJob

VANISHED = "the process ended without a word (killed, or out of memory)"
THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""The environment variables by which a process learns how many threads it may have."""

IN_THIS_PROCESS = ("BasicLauncher", "CompiledLauncher")
UNLIMITED = ("BasicLauncher", "SlurmLauncher")
"""Launchers of Hydra's that run in this process, or whose scheduler gives each job its cores."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launch:
    """A launcher for the jobs of one sweep.

    Attributes:
        launcher: Hydra's.
        folder: of the sweep.
    """

    launcher: Launcher
    folder: Path

    @property
    def is_here(self) -> bool:
        """Whether the jobs run in this process."""
        return type(self.launcher).__name__ in IN_THIS_PROCESS

    @property
    def is_stopped(self) -> bool:
        """Whether no further job starts."""
        return (self.folder / jobs.STOP).exists()

    def __call__(self, new: Sequence[PlannedJob]) -> dict[int, Job]:
        """Run jobs.

        Returns:
            How each ended, by number. Jobs that a stop kept from starting are missing.

        Raises:
            Exception: what the launcher raised, where it started none of the jobs.
        """
        waiting, before = list(new), {job.number: job.status() for job in new}
        while waiting:
            error = self._round(waiting)
            left = [job for job in waiting if job.status() == before[job.number] or not job.is_over]
            untouched = [job for job in left if job.status() == before[job.number]]
            if len(untouched) == len(waiting) and not self.is_stopped:
                raise _began_none(error) from error
            for suspect in (job for job in left if job not in untouched):
                if len(waiting) > 1:
                    error = self._round([suspect]) or error
                _declare_lost(suspect, error)
            waiting = [] if self.is_stopped else untouched
        gc.enable()  # where the jobs ran elsewhere: one in this process has done so (see `cli.experiment`)
        ended = {job.number: job.status() for job in new}
        return {number: job for number, job in ended.items() if job is not None and job != before[number]}

    def _round(self, some: Sequence[PlannedJob]) -> Exception | None:
        """Let the launcher run some jobs; returns what it raised. An interrupt goes through."""
        words = [
            [*job.overrides, *job.extra, f"hydra.sweep.subdir={quoted(str(job.folder.relative_to(self.folder)))}"]
            for job in some
        ]
        try:
            for returned in self.launcher.launch(words, initial_job_idx=some[0].number):
                _ = returned.return_value  # raises what the job raised
        except CredoError:
            raise
        except Exception as error:
            log.debug("the launcher stopped", exc_info=True)
            return error
        return None


def _began_none(error: Exception | None) -> Exception:
    """What is raised where a launcher began none of its jobs: what it raised, in a sentence where it has none."""
    if isinstance(error, (CredoError, *messages.MISTAKES)):
        return error
    reason = "" if error is None else f": {in_words(error).rstrip('.')}"
    return RunError(f"hydra/launcher: the launcher began none of its jobs{reason}; choose another one")


def threads(launcher: Mapping[str, object], cores: int) -> dict[str, str]:
    """The environment that keeps a launcher's processes from having more threads together than this machine has cores.

    Args:
        launcher: its configuration; `threads_per_job` is the number of threads of each process, or `None` for no limit.
            Without this key, which launchers of Hydra's plugins do not have, the processes share the cores.
        cores: of this machine.

    Returns:
        Variables that the user's own environment does not have.
    """
    if "threads_per_job" in launcher:
        each = launcher["threads_per_job"]
    elif str(launcher["_target_"]).endswith(UNLIMITED):
        each = None
    else:
        asked = int(str(launcher.get("n_jobs") or -1))  # joblib's; others start as many as there are cores, or more
        each = max(cores // (asked if asked > 0 else max(cores + 1 + asked, 1)), 1)
    return {} if each is None else {name: str(each) for name in THREADS if name not in os.environ}


def _declare_lost(lost: PlannedJob, error: Exception | None) -> None:
    """Write of a job that started and did not say how it ended that it failed."""
    job = lost.status()
    if job is not None and not job.is_over:
        first = shortened(" ".join(str(error or "").split()).split(". ")[0], 200)
        jobs.ended(job, "FAILED", 1, f"{VANISHED}: {first}" if first else VANISHED).write(lost.folder)
