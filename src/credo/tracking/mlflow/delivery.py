"""How a run's records come into MLflow.

Kinds of records: `again` (the run goes on), `running` (a sweep does), `log` (params, tags, and metrics of one step),
`dataset`, `files`, `images` (plots, which the UI shows side by side), `children` (of a sweep: links to its runs, and
summaries over seeds), `register` (the model that the run trained), `end`, and `lost` (the end of a run whose process
did not say how it ended). Each may come twice and counts once: MLflow itself recognises a metric's point, a param and a
data set.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NotRequired, TypedDict

from credo.tracking import outbox
from credo.tracking.delivery import Delivery
from credo.tracking.mlflow import children, entities, store, view
from credo.tracking.outbox import Journal, Record

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

METRICS_PER_CALL = 800
OTHERS_PER_CALL = 100
"""MLflow takes 100 params, 100 tags and 1,000 entries altogether in one call."""

OWN = ("checkpoint", outbox.FILE)
"""What stays in the run's folder, beside hidden files other than the configuration."""


class Shape(TypedDict):
    """The records in a journal for MLflow."""

    kind: Literal["again", "running", "log", "dataset", "files", "images", "children", "register", "end", "lost"]
    params: NotRequired[dict[str, Any]]
    metrics: NotRequired[dict[str, float]]
    tags: NotRequired[dict[str, str]]
    step: NotRequired[int]
    time: NotRequired[int | None]
    dataset: NotRequired[dict[str, Any]]
    names: NotRequired[list[str] | None]
    name: NotRequired[str]
    version: NotRequired[int]
    text: NotRequired[str]
    status: NotRequired[str]
    error: NotRequired[str]


def read(folder: Path, *, trusted: bool = False) -> Journal | None:
    """The journal for MLflow that an earlier process left in a run's folder (see `outbox.read`)."""
    return outbox.read(folder, Shape, trusted=trusted)


@dataclass
class MlflowDelivery(Delivery["Run"]):
    """A journal on its way into MLflow."""

    store: ClassVar[str] = "MLflow"

    def open(self, *, tried: bool) -> "Run":
        """Create the run, or find it (see `Delivery.open`)."""
        journal, head = self.journal, self.journal.head
        where = store.locate(head.uri, Path(head.start_folder))
        client = store.connect(where)
        experiment = store.experiment(client, head.experiment, where.artifacts)
        run = None
        if head.resumed or journal.is_kept or tried:
            run = store.run_in(client, experiment, Path(head.tags["folder"]), None if head.resumed else head.began)
        if run is None:
            tags = {tag.key: tag.value for tag in entities.tags(head.tags)}
            run = client.create_run(experiment, head.began, tags=tags, run_name=head.name)
        place = view.place(where.uri, where.is_server, experiment, run.info.run_id)
        params, artifacts = set(run.data.params), run.info.artifact_uri
        return Run(client, run.info.run_id, place, journal.folder, artifacts, params, trusted=journal.trusted)

    def is_away(self, error: Exception) -> bool:
        """See `store.is_away`."""
        return store.is_away(error)

    def reason(self, error: Exception) -> str:
        """See `store.reason`."""
        return store.reason(error)


@dataclass
class Run:
    """A run in MLflow.

    Attributes:
        client: MLflow's client for the store that holds it.
        id: MLflow's id of the run.
        place: where a person finds it.
        folder: its files.
        artifacts: where MLflow has them.
        params: the names of the params that it has.
        points: metrics with their steps that it had before it was resumed.
        trusted: whether the user trusts whoever wrote the folder.
    """

    client: "MlflowClient"
    id: str
    place: str
    folder: Path
    artifacts: str
    params: set[str]
    points: set[tuple[str, int]] = field(default_factory=set)
    trusted: bool = False

    def take(self, kind: str, records: Sequence[Record]) -> None:
        """Store records of one kind."""
        if kind == "log":
            self._log(records)
            return
        takes: Mapping[str, Callable[[Record], None]] = {
            "again": lambda _: self._resume(),
            "running": lambda _: self.client.update_run(self.id, status="RUNNING"),
            "dataset": lambda one: self._describe(one["dataset"]),
            "files": lambda one: self._copy(one.get("names")),
            "images": lambda one: self._show(one["step"]),
            "children": lambda one: self._link(one["text"]),
            "register": lambda one: self._register(one["name"], one["version"]),
            "end": lambda one: self.client.set_terminated(self.id, status=one["status"], end_time=one["time"]),
            "lost": self._lose,
        }
        for one in records:
            takes[kind](one)

    def _lose(self, record: Record) -> None:
        """End a run whose process did not say how it ended."""
        if self.client.get_run(self.id).info.status in ("RUNNING", "SCHEDULED"):
            self.client.log_batch(self.id, tags=entities.tags({"error": record["error"]}))
            self.client.set_terminated(self.id, status=record["status"], end_time=record["time"])

    def _log(self, records: Sequence[Record]) -> None:
        """Write everything that is new in as few calls as MLflow allows."""
        metrics = [
            metric
            for one in records
            for metric in entities.metrics(one.get("metrics", {}), one.get("step", 0), one.get("time"))
            if (metric.key, metric.step) not in self.points
        ]
        params = entities.params({k: v for one in records for k, v in one.get("params", {}).items()}, self.params)
        tags = [tag for one in records for tag in entities.tags(one.get("tags", {}))]
        calls = max(-(-len(metrics) // METRICS_PER_CALL), -(-max(len(params), len(tags)) // OTHERS_PER_CALL))
        for call in range(calls):
            many = slice(call * METRICS_PER_CALL, (call + 1) * METRICS_PER_CALL)
            few = slice(call * OTHERS_PER_CALL, (call + 1) * OTHERS_PER_CALL)
            self.client.log_batch(self.id, metrics=metrics[many], params=params[few], tags=tags[few])
        self.params |= {param.key for param in params}

    def _resume(self) -> None:
        """Let the run go on, without its error of before and without a second point at any step of a metric."""
        data = self.client.get_run(self.id).data
        self.client.update_run(self.id, status="RUNNING")
        if "error" in data.tags:
            self.client.delete_tag(self.id, "error")
        histories = (self.client.get_metric_history(self.id, name) for name in data.metrics)
        self.points = {(point.key, point.step) for points in histories for point in points}

    def _describe(self, dataset: Mapping[str, str]) -> None:
        """Name the data set; where another run named the same at the same moment, MLflow takes the second try."""
        inputs = [entities.dataset_input(dataset)]
        try:
            self.client.log_inputs(self.id, datasets=inputs)
        except Exception as error:
            if store.is_away(error):
                raise
            self.client.log_inputs(self.id, datasets=inputs)

    def _copy(self, names: Sequence[str] | None) -> None:
        """Copy what is named; otherwise all that is in the run's folder, but for what is of use only there."""
        for path in sorted(self.folder.iterdir()):
            if (
                path.name in OWN
                or (path.name.startswith(".") and path.name != ".hydra")
                or (names is not None and path.name not in names)
            ):
                continue
            if path.is_dir():
                self.client.log_artifacts(self.id, str(path), artifact_path=path.name)
            else:
                self.client.log_artifact(self.id, str(path))

    def _show(self, step: int) -> None:
        """Log the plots as images, which MLflow compares across runs by their names."""
        from PIL import Image

        for file in sorted((self.folder / "plots").glob("*.png")):
            with Image.open(file) as image:
                plot: Any = image.convert("RGB")
            plot.save = partial(shutil.copyfile, file)  # what MLflow calls: to encode it once more takes longest
            self.client.log_image(self.id, plot, key=file.stem, step=step, synchronous=True)

    def _link(self, text: str) -> None:
        """Describe a sweep with links to its runs, and summarise those that differ in their seeds."""
        experiment = self.client.get_run(self.id).info.experiment_id
        runs, summaries = children.of(self.client, experiment, self.id)
        described = entities.description("\n\n".join(filter(None, (text, children.links(runs)))))
        self.client.log_batch(self.id, tags=entities.tags(described))
        for old in summaries:  # of an earlier end of the sweep
            self.client.delete_run(old.info.run_id)
        children.summarise(self.client, experiment, self.id, runs)

    def _register(self, name: str, version: int) -> None:
        """Make the model that the run trained a new version of a registered one."""
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

        from credo.runs.export import base as export
        from credo.runs.export.mlflow import Mlflow

        source = f"{self.artifacts}/registered/{version}"
        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
        versions = self.client.search_model_versions(f"name='{name}' AND run_id='{self.id}'")
        if any(one.source == source for one in versions):
            return
        with tempfile.TemporaryDirectory(prefix="credo-") as scratch:
            export.write(Mlflow(), self.folder, Path(scratch) / "model", trusted=self.trusted)
            self.client.log_artifacts(self.id, f"{scratch}/model", artifact_path=f"registered/{version}")
        self.client.create_model_version(name, source, self.id)
