"""A sweep in MLflow: a parent run, under which the runs of its jobs fold.

It must be there before the jobs are, which name it in a tag. Later a server that is away is like one of a single run:
what it did not take waits in the sweep's folder, and in those of the jobs.
"""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from credo.errors import ConfigError
from credo.secrets import masked
from credo.tracking import outbox as journal
from credo.tracking.mlflow import record, store
from credo.tracking.mlflow.delivery import Delivery, Run
from credo.tracking.outbox import Head, InUseError, Journal

if TYPE_CHECKING:
    from credo.runs.job import Job


@dataclass
class Parent:
    """The run of a sweep.

    Attributes:
        run: in MLflow.
        journal: what it is told.
        warned: whether the store failed; it is not asked again, then.
    """

    run: Run
    journal: Journal
    warned: bool = False

    @property
    def id(self) -> str:
        """MLflow's name of the run."""
        return self.run.id

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return self.run.place

    def settle(self, name: str, job: "Job", folder: Path) -> None:
        """Record the end of a job that could not do so: it was refused, or its process vanished."""
        words = {
            record.PARENT: self.id,
            "overrides": shlex.join(masked(job.overrides)),
            "folder": str(folder),
            "mlflow.source.name": "credo",
        }
        head = replace(self.journal.head, name=name, began=int(1000 * job.began), tags=words)
        try:
            told = journal.read(folder) or Journal(folder, head)
        except InUseError:
            return  # its process has not vanished after all
        status = "KILLED" if job.state == "KILLED" else "FAILED"
        told.tell("lost", status=status, error=job.reason, time=record.now())
        self._deliver(Delivery(told))

    def end(
        self,
        status: Literal["FINISHED", "FAILED", "KILLED"],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        note: str,
        files: Sequence[Path],
    ) -> None:
        """Record what came of the sweep; the files stand in its folder."""
        words = dict(tags) | record.description(note)
        numbers = {name: float(number) for name, number in metrics.items()}
        self.journal.tell("log", metrics=numbers, step=0, time=record.now(), tags=words)
        self.journal.tell("files", names=[file.name for file in files])
        self.journal.tell("end", status=status, time=record.now())
        self._deliver(Delivery(self.journal, self.run))

    def _deliver(self, delivery: Delivery) -> None:
        if self.warned:
            with suppress(OSError, ConfigError):
                delivery.journal.keep()
        else:
            self.warned = not delivery.attempt()
        delivery.journal.close()


def begun(where: store.Store, head: Head, folder: Path) -> Parent:
    """The run of a sweep, new, or taken up where the folder's has one.

    Raises:
        ConfigError: the store cannot be reached or written to, or the experiment was deleted.
    """
    told = journal.read(folder) or Journal(folder, head)
    with store.explained(where):
        run = Delivery(told).deliver()
        run.client.update_run(run.id, status="RUNNING")
    return Parent(run, told)
