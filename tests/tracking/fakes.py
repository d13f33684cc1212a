"""A server that goes away and comes back, in this process, and what of a run must be the same whatever it did."""

from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from requests import ConnectionError as NoConnection
from requests import Timeout

from credo.tracking.mlflow import store, view

URI = "http://127.0.0.1:1"


class FakeServer:
    """MLflow's client of a file, which answers as long as the server is up.

    Attributes:
        is_up: whether it answers.
        calls: the methods called so far.
        last: the number of the call after which it is down; `None` for never.
        hears_last: whether that call is carried out, though its answer is lost.
    """

    def __init__(self, folder: Path):
        self.client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        experiment = self.client.create_experiment("credo", artifact_location=(folder / "artifacts").as_uri())
        self.client.set_experiment_tag(experiment, view.TAG, view.content())
        self.is_up = True
        self.calls: list[str] = []
        self.last: int | None = None
        self.hears_last = False

    def connect(self, where: store.Store) -> "FakeServer":
        assert where.uri == URI
        return self

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            if self.last is not None and len(self.calls) >= self.last and self.is_up:
                self.is_up = False
                if self.hears_last:
                    method(*arguments, **named)
                    raise Timeout("timed out")
            if not self.is_up:
                raise NoConnection(111, "Connection refused")
            return method(*arguments, **named)

        return call

    def goes_away(self, after: int, hears_last: bool) -> None:
        self.calls, self.last, self.hears_last = [], after, hears_last

    def comes_back(self) -> None:
        self.is_up, self.last = True, None

    @property
    def runs(self) -> list[Run]:
        experiment = self.client.get_experiment_by_name("credo")
        assert experiment is not None
        return list(self.client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))


def account(client: MlflowClient, run: Run) -> dict[str, Any]:
    """All that MLflow has of a run, apart from ids and times."""
    histories = {
        name: [(point.step, repr(point.value)) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    assert run.inputs is not None
    return {
        "status": run.info.status,
        "name": run.info.run_name,
        "ended": run.info.end_time is not None,
        "params": run.data.params,
        "tags": {name: word for name, word in run.data.tags.items() if name != "folder"},
        "metrics": histories,
        "inputs": [one.dataset.to_dictionary() for one in run.inputs.dataset_inputs],
        "files": files(client, run.info.run_id),
    }


def files(client: MlflowClient, run: str, path: str = "") -> dict[str, int | None]:
    """A run's files with their sizes."""
    found: dict[str, int | None] = {}
    for file in client.list_artifacts(run, path):
        found |= files(client, run, file.path) if file.is_dir else {file.path: file.file_size}
    return found
