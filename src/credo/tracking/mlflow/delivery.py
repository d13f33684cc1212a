"""How a run's records come into MLflow. Each may be told twice and counts once, so that a try can be repeated.

Kinds of records: `again` (the run goes on), `log` (params, tags, and metrics of one step), `dataset`, `files`,
`register` (the model that the run trained), `end`, and `lost` (the end of a run whose process did not say how it
ended). MLflow itself knows a metric's point, a param and a data set again.
"""

import logging
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from credo.errors import ConfigError
from credo.secrets import masked
from credo.tracking.mlflow import record, store, view
from credo.tracking.outbox import FILE, Head, Journal, Record

if TYPE_CHECKING:
    from mlflow.entities import Run as Entity
    from mlflow.tracking import MlflowClient

METRICS_PER_CALL = 800
OTHERS_PER_CALL = 100
"""MLflow takes 100 params, 100 tags and 1,000 entries altogether in one call."""

log = logging.getLogger("credo")

OWN = ("checkpoint", FILE)
"""What stays in the run's folder, beside all that is hidden but for its configuration."""


@dataclass
class Delivery:
    """A journal on its way.

    Attributes:
        journal: what waits.
        run: the run in the store, once it is known.
        warned: whether a failure was told already.
    """

    journal: Journal
    run: "Run | None" = None
    warned: bool = False
    _tried: bool = field(default=False, init=False)  # whether the run may be in the store without our knowledge

    @property
    def command(self) -> str:
        """What delivers it on another day."""
        return f"credo sync {shlex.quote(str(self.journal.folder))}"

    def attempt(self) -> bool:
        """Deliver, and let no failure of the store reach the run: what is not delivered is kept, and this is said once.

        Returns:
            Whether everything was delivered.
        """
        try:
            self.deliver()
        except Exception as error:  # noqa: BLE001 - whatever breaks here, the answer must not be lost
            self.keep(error)
            return False
        return True

    def keep(self, error: Exception) -> None:
        """Keep what the store did not take, and say so once."""
        try:
            self.journal.keep()
            kept = f"its folder keeps them until MLflow is back and {self.command} delivers them"
        except (OSError, ConfigError) as trouble:
            kept = f"they could not be kept in its folder either ({trouble})"
        if not self.warned:
            said = "tracking.uri=%s: MLflow did not take the records of the run (%s); the run goes on, and %s"
            log.warning(said, masked(self.journal.head.uri), store.reason(error), kept)
        self.warned = True

    def deliver(self) -> "Run":
        """Tell the store all that waits; what it does not take goes on waiting.

        Raises:
            Exception: what MLflow raised first.
        """
        if self.run is None:
            tried, self._tried = self._tried, True
            self.run = _created_or_found(self.journal, tried)
        refused: Exception | None = None
        for kind, group in groupby(list(self.journal.waiting), itemgetter("kind")):
            records = list(group)
            try:
                self.run.tell(kind, records)
            except Exception as error:
                if store.is_away(error):
                    raise
                refused = refused or error  # of this kind alone, perhaps: the others are tried
            else:
                self.journal.delivered(records)
        if refused is not None:
            raise refused
        return self.run


@dataclass
class Run:
    """A run that MLflow knows.

    Attributes:
        client: MLflow's client for the store that holds it.
        id: MLflow's name of the run.
        place: where a person finds it.
        folder: its files.
        artifacts: where MLflow has them.
        params: the names of the params that it has.
        known: metrics with their steps that it had before it was taken up.
        trusted: whether the user trusts whoever wrote the folder.
    """

    client: "MlflowClient"
    id: str
    place: str
    folder: Path
    artifacts: str
    params: set[str]
    known: set[tuple[str, int]] = field(default_factory=set)
    trusted: bool = False

    def tell(self, kind: str, records: Sequence[Record]) -> None:
        """Tell MLflow records of one kind."""
        if kind == "log":
            self._log(records)
        for one in records:
            match kind:
                case "again":
                    self._again()
                case "dataset":
                    self._describe(one["dataset"])
                case "files":
                    self._copy(one.get("names"))
                case "register":
                    self._register(one["name"], one["version"])
                case "end":
                    self.client.set_terminated(self.id, status=one["status"], end_time=one["time"])
                case "lost" if self.client.get_run(self.id).info.status in ("RUNNING", "SCHEDULED"):
                    self.client.log_batch(self.id, tags=record.tags({"error": one["error"]}))
                    self.client.set_terminated(self.id, status=one["status"], end_time=one["time"])

    def _log(self, records: Sequence[Record]) -> None:
        """Write everything that is new in as few calls as MLflow allows."""
        metrics = [
            metric
            for one in records
            for metric in record.metrics(one.get("metrics", {}), one.get("step", 0), one.get("time"))
            if (metric.key, metric.step) not in self.known
        ]
        params = record.params({k: v for one in records for k, v in one.get("params", {}).items()}, self.params)
        tags = [tag for one in records for tag in record.tags(one.get("tags", {}))]
        calls = max(-(-len(metrics) // METRICS_PER_CALL), -(-max(len(params), len(tags)) // OTHERS_PER_CALL))
        for call in range(calls):
            many = slice(call * METRICS_PER_CALL, (call + 1) * METRICS_PER_CALL)
            few = slice(call * OTHERS_PER_CALL, (call + 1) * OTHERS_PER_CALL)
            self.client.log_batch(self.id, metrics=metrics[many], params=params[few], tags=tags[few])
        self.params |= {param.key for param in params}

    def _again(self) -> None:
        """The run goes on; its error of before is gone, and what it is told once more of a step is not new."""
        data = self.client.get_run(self.id).data
        self.client.update_run(self.id, status="RUNNING")
        if "error" in data.tags:
            self.client.delete_tag(self.id, "error")
        histories = (self.client.get_metric_history(self.id, name) for name in data.metrics)
        self.known = {(point.key, point.step) for points in histories for point in points}

    def _describe(self, dataset: Mapping[str, str]) -> None:
        """Name the data set; where another run named the same at the same moment, MLflow takes the second try."""
        inputs = [record.dataset_input(dataset)]
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

    def _register(self, name: str, version: int) -> None:
        """Make the model that the run trained a new version of a registered one."""
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

        from credo.models import export

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
            export.to_mlflow(self.folder, Path(scratch) / "model", trusted=self.trusted)
            self.client.log_artifacts(self.id, f"{scratch}/model", artifact_path=f"registered/{version}")
        self.client.create_model_version(name, source, self.id)


def _created_or_found(journal: Journal, tried: bool) -> Run:
    """The run of a journal; one that was tried before may have been created without our knowledge."""
    head = journal.head
    where = store.locate(head.uri, Path(head.start_folder))
    client = store.connect(where)
    experiment = store.experiment(client, head.experiment, where.artifacts)
    run = _found(client, experiment, head) if head.again or journal.is_kept or tried else None
    if run is None:
        tags = {tag.key: tag.value for tag in record.tags(head.tags)}
        run = client.create_run(experiment, head.began, tags=tags, run_name=head.name)
    place = view.place(where.uri, where.is_server, experiment, run.info.run_id)
    params = set(run.data.params)
    return Run(client, run.info.run_id, place, journal.folder, run.info.artifact_uri, params, trusted=journal.trusted)


def _found(client: "MlflowClient", experiment: str, head: Head) -> "Entity | None":
    return store.run_in(client, experiment, Path(head.tags["folder"]), None if head.again else head.began)
