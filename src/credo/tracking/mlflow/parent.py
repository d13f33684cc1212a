"""A sweep in MLflow: a parent run, under which the runs of its jobs fold.

It must exist before the jobs do, which name it in a tag. Later a server that is away is like one of a single run: the
sweep's folder and those of the jobs keep the records that it did not take.
"""

import logging
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from credo.errors import ConfigError
from credo.runs import job as jobs
from credo.secrets import masked
from credo.tracking.mlflow import behind, entities, store, worker
from credo.tracking.mlflow import delivery as deliveries
from credo.tracking.mlflow.delivery import Run
from credo.tracking.mlflow.worker import RefusedError, RemoteRun, WorkerDelivery
from credo.tracking.outbox import Head, InUseError, Journal

if TYPE_CHECKING:
    from credo.runs.job import Job


log = logging.getLogger("credo")


@dataclass
class ParentRun:
    """The run of a sweep.

    Attributes:
        run: in MLflow.
        journal: its records.
        warned: whether the store failed, so that it is not asked again.
    """

    run: Run | RemoteRun
    journal: Journal
    warned: bool = False

    @property
    def id(self) -> str:
        """MLflow's id of the run."""
        return self.run.id

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return self.run.place

    def settle(self, name: str, job: "Job", folder: Path) -> None:
        """Record the end of a job that could not do so: it was refused, or its process vanished."""
        behind.wait()
        words = {
            entities.PARENT: self.id,
            "overrides": shlex.join(masked(job.overrides)),
            "folder": str(folder),
            "mlflow.source.name": "credo",
        }
        head = replace(self.journal.head, name=name, began=int(1000 * job.began), tags=words)
        try:
            journal = deliveries.read(folder) or Journal(folder, head)
        except InUseError:
            return  # its process has not vanished after all
        status = "KILLED" if job.state == "KILLED" else "FAILED"
        journal.add("lost", status=status, error=job.reason, time=entities.now())
        self._deliver(WorkerDelivery(journal, worker=self._worker))

    def deliver_left(self, folder: Path) -> None:
        """Deliver what a finished job has left in its folder."""
        try:
            journal = deliveries.read(folder)
        except ConfigError as error:
            log.warning("%s", error)
            return
        if journal is not None:
            WorkerDelivery(journal, worker=self._worker).attempt()
            journal.close()

    def end(
        self,
        status: Literal["FINISHED", "FAILED", "KILLED"],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        description: str,
        files: Sequence[Path],
    ) -> None:
        """Record what came of the sweep; the files stand in its folder."""
        behind.end()
        words = dict(tags)
        numbers = {name: float(number) for name, number in metrics.items()}
        self.journal.add("log", metrics=numbers, step=0, time=entities.now(), tags=words)
        self.journal.add("children", text=description)
        self.journal.add("files", names=[file.name for file in files])
        self.journal.add("end", status=status, time=entities.now())
        self._deliver(WorkerDelivery(self.journal, self.run, worker=self._worker))

    @property
    def _worker(self) -> worker.Worker | None:
        return self.run.worker if isinstance(self.run, RemoteRun) else None

    def _deliver(self, delivery: WorkerDelivery) -> None:
        if self.warned:
            with suppress(OSError, ConfigError):
                delivery.journal.keep()
        else:
            self.warned = not delivery.attempt()
        delivery.journal.close()


def begin(where: store.Store, head: Head, folder: Path) -> ParentRun:
    """Create the run of a sweep, or resume the one that its folder has.

    What its jobs had for MLflow when an earlier process was killed is delivered.

    Raises:
        ConfigError: the store cannot be reached or written to, or the experiment was deleted.
    """
    journal = deliveries.read(folder) or Journal(folder, head)
    journal.add("running")
    delivery = WorkerDelivery(journal)
    if store.is_file_for(where, head.experiment):
        delivery.begin()
    with store.explained(where):
        try:
            run = delivery.deliver()
        except RefusedError:  # its sentence is that of MLflow in this process
            delivery.worker = delivery.run = None
            run = delivery.deliver()
    parent = ParentRun(run, journal)
    for place in jobs.folders(folder) if (folder / jobs.SWEEP).exists() else ():
        if (job := jobs.read(place)) is not None and job.is_done:
            parent.deliver_left(place)
    behind.begin()
    return parent
