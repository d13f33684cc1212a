"""A sweep in MLflow: a parent run, under which the runs of its jobs fold."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from credo.provenance import without_password
from credo.tracking import record, store, view

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from credo.sweep.jobs import Job


@dataclass(frozen=True)
class Parent:
    """The run of a sweep.

    Attributes:
        client: of the store that holds it.
        where: the store.
        experiment: MLflow's id of the experiment.
        id: MLflow's name of the run.
    """

    client: "MlflowClient"
    where: store.Store
    experiment: str
    id: str

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return view.place(self.where.uri, self.where.is_server, self.experiment, self.id)

    def settle(self, name: str, job: "Job", folder: Path) -> None:
        """Record the end of a job that could not do so: it was refused, or its process vanished."""
        found = store.run_in(self.client, self.experiment, folder)
        if found is None:
            words = {
                record.PARENT: self.id,
                "overrides": without_password(shlex.join(job.overrides)),
                "folder": str(folder),
                "mlflow.source.name": "credo",
            }
            found = self.client.create_run(self.experiment, int(1000 * job.began), tags=words, run_name=name)
        elif found.info.status not in ("RUNNING", "SCHEDULED"):
            return
        status = "KILLED" if job.state == "KILLED" else "FAILED"
        self.client.log_batch(found.info.run_id, tags=record.tags({"error": job.reason}))
        self.client.set_terminated(found.info.run_id, status=status)

    def end(
        self,
        status: Literal["FINISHED", "FAILED", "KILLED"],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        note: str,
        files: Sequence[Path],
    ) -> None:
        """Record what came of the sweep."""
        words = record.tags(dict(tags) | record.description(note))
        self.client.log_batch(self.id, metrics=record.metrics(metrics, step=0), tags=words)
        for file in files:
            self.client.log_artifact(self.id, str(file))
        self.client.set_terminated(self.id, status=status)


def begun(where: store.Store, experiment: str, name: str, tags: Mapping[str, str], folder: Path) -> Parent:
    """The run of a sweep, new, or taken up where the folder's has one.

    Raises:
        ConfigError: the store cannot be reached or written to, or the experiment was deleted.
    """
    with store.explained(where):
        client = store.connect(where)
        number = store.experiment(client, experiment, where.artifacts)
        before = store.run_in(client, number, folder)
        if before is not None:
            client.update_run(before.info.run_id, status="RUNNING")
            return Parent(client, where, number, before.info.run_id)
        words = dict(tags) | {"folder": str(folder), "mlflow.source.type": "LOCAL", "mlflow.source.name": "credo -m"}
        run = client.create_run(number, tags={t.key: t.value for t in record.tags(words)}, run_name=name)
        return Parent(client, where, number, run.info.run_id)
