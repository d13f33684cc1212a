"""Runs recorded in MLflow: params, tags, the data set, running and final metrics, files (`tracking=mlflow`).

`start` refuses a store that cannot be reached. From then on the answer comes first: whatever MLflow does, the run goes
on, and one warning says what was not recorded. A run that is recorded in a file of its own machine is recorded once it
has lasted for `PATIENCE`, or is over: loading MLflow takes longer than a small model, and the verdict need not wait.
"""

import logging
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from credo.contracts import Story, SweepRecord
from credo.errors import ConfigError
from credo.provenance import without_password
from credo.tracking import parent, record, store, view

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.entities import Run as Entity
    from mlflow.tracking import MlflowClient

METRICS_PER_CALL = 800
OTHERS_PER_CALL = 100
"""MLflow takes 100 params, 100 tags and 1,000 entries altogether in one call."""

PAUSE = 1.0
"""Seconds between two writes of running metrics, so that short blocks cost no more than long ones."""

PAUSE_AFTER_FAILURE = 30.0

PATIENCE = 5.0
"""Seconds after which a run in a local file is recorded while it goes on."""

log = logging.getLogger("credo")


@dataclass(frozen=True)
class Run:
    """A run that MLflow knows.

    Attributes:
        client: MLflow's client for the store that holds it.
        id: MLflow's name of the run.
        place: where a person finds it.
        known: metrics with their steps that it has already, from before it was taken up.
    """

    client: "MlflowClient"
    id: str
    place: str
    known: set[tuple[str, int]] = field(default_factory=set)

    def log(
        self, metrics: "Sequence[Metric]" = (), params: "Sequence[Param]" = (), tags: "Sequence[RunTag]" = ()
    ) -> None:
        """Write everything that is new in as few calls as MLflow allows."""
        metrics = [metric for metric in metrics if (metric.key, metric.step) not in self.known]
        calls = max(-(-len(metrics) // METRICS_PER_CALL), -(-max(len(params), len(tags)) // OTHERS_PER_CALL))
        for call in range(calls):
            many = slice(call * METRICS_PER_CALL, (call + 1) * METRICS_PER_CALL)
            few = slice(call * OTHERS_PER_CALL, (call + 1) * OTHERS_PER_CALL)
            self.client.log_batch(self.id, metrics=metrics[many], params=params[few], tags=tags[few])

    def copy(self, folder: Path) -> None:
        """Copy all that is in `folder` into the run's artifacts, but for its checkpoint."""
        for path in sorted(folder.iterdir()):
            if path.name == "checkpoint":
                continue
            if path.is_dir():
                self.client.log_artifacts(self.id, str(path), artifact_path=path.name)
            else:
                self.client.log_artifact(self.id, str(path))

    def end(self, status: str) -> None:
        """Say that the run is over."""
        self.client.set_terminated(self.id, status=status)


@dataclass
class MlflowTracker:
    """Records each run in an MLflow store.

    Attributes:
        uri: the store; `None` is `mlflow.db` in the folder where credo was started, with the files in `mlartifacts`.
        experiment: the name of MLflow's experiment, created if it is new.
        tags: the user's own tags.
        artifacts: whether the files of the run's folder are copied into MLflow.
    """

    uri: str | None
    experiment: str
    tags: Mapping[str, str]
    artifacts: bool
    _run: Run | None = field(default=None, init=False, repr=False)
    _story: Story | None = field(default=None, init=False, repr=False)
    _step: int = field(default=0, init=False, repr=False)  # of the final metrics: how many ends the run had before
    _began: float = field(default=0.0, init=False, repr=False)
    _waiting: list[tuple[dict[str, float], int, int]] = field(default_factory=list, init=False, repr=False)
    _next_write: float = field(default=0.0, init=False, repr=False)
    _warned: bool = field(default=False, init=False, repr=False)

    def start(self, story: Story) -> None:
        """Create the run, with its params, tags and data set; in a local file that exists, only when it is time.

        Raises:
            ConfigError: the store cannot be reached or written to, or the experiment was deleted.
        """
        where = store.locate(self.uri, story.start_folder)
        if self.artifacts:
            _refuse_store_inside(story.folder, where)
        self._story, self._began, self._next_write = story, time.time(), time.monotonic() + PATIENCE
        self._step = story.taken_up or 0
        if not store.is_usable_file(where, self.experiment):
            self._create(story, where)
            self._next_write = time.monotonic() + PAUSE

    def _create(self, story: Story, where: store.Store) -> None:
        with store.explained(where):
            client = store.connect(where)
            experiment = store.experiment(client, self.experiment, where.artifacts)
            if story.taken_up is not None and (before := store.run_in(client, experiment, story.folder)) is not None:
                self._run = _taken_up(client, before, _place(where, experiment, before.info.run_id))
                self._describe(
                    self._run,
                    story,
                    params=not before.data.params,
                    data=before.inputs is None or not before.inputs.dataset_inputs,
                )
                return
            tags = {tag.key: tag.value for tag in record.tags(record.origin(story) | dict(self.tags))}
            info = client.create_run(experiment, int(1000 * self._began), tags=tags, run_name=story.name).info
        self._run = Run(client, info.run_id, _place(where, experiment, info.run_id))
        self._describe(self._run, story, params=True, data=True)

    def _describe(self, run: Run, story: Story, *, params: bool, data: bool) -> None:
        with self._guard("the configuration"):
            if params:
                run.log(params=record.params(story))
            if data:
                run.client.log_inputs(run.id, datasets=[record.dataset(story)])

    def _recorded(self) -> Run | None:
        """The run, created by now; `None` where it was not started, or cannot be recorded."""
        if self._run is None and self._story is not None:
            with self._guard("the run"):
                self._create(self._story, store.locate(self.uri, self._story.start_folder))
            self._story = None  # one try; an interrupt while MLflow loads is none, and `fail` creates the run
        return self._run

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:  # noqa: ARG002
        """Record running metrics as `warmup/NAME` or `progress/NAME`; the step is the draws (or steps) of the phase.

        They are written at most once in `PAUSE` seconds; what waits is written by `finish` or `fail`.
        """
        section = "warmup" if phase == "warmup" else "progress"
        named = {f"{section}/{name}": number for name, number in numbers.items()}
        self._waiting.append((named, done, record.now()))
        if time.monotonic() >= self._next_write:
            self._next_write = time.monotonic() + PAUSE_AFTER_FAILURE
            if (run := self._recorded()) is not None:
                with self._guard("running metrics"):
                    self._write_waiting(run)
                    self._next_write = time.monotonic() + PAUSE

    def finish(self, metrics: Mapping[str, float], tags: Mapping[str, str], note: str, files: Path) -> str | None:
        """Record the answer; metrics that are not finite are named in the tag `not_finite`."""
        run = self._recorded()
        if run is None:
            return None
        words = dict(tags) | record.not_finite(metrics) | record.description(note)
        with self._guard("the answer"):
            run.log(metrics=record.metrics(metrics, step=self._step), tags=record.tags(words))
        with self._guard("running metrics"):
            self._write_waiting(run)
        self._copy(run, files)
        with self._guard("the end of the run"):
            run.end("FINISHED")
        return run.place

    def fail(self, status: Literal["FAILED", "KILLED"], reason: str, files: Path) -> None:
        """Record why the run did not finish; its checkpoint stays in its folder.

        The status comes first: a second, impatient interrupt must not leave the run `RUNNING` for ever.
        """
        run = self._recorded()
        if run is None:
            return
        with self._guard("the failure"):
            run.end(status)
            run.log(tags=record.tags({"error": reason}))
        with self._guard("running metrics"):
            self._write_waiting(run)
        self._copy(run, files)

    def begin_sweep(self, name: str, tags: Mapping[str, str], folder: Path, start_folder: Path) -> SweepRecord:
        """Create the parent run of a sweep, or go on with the one that has this folder.

        Raises:
            ConfigError: the store cannot be reached or written to, or the experiment was deleted.
        """
        where = store.locate(self.uri, start_folder)
        return parent.begun(where, self.experiment, name, {**tags, **self.tags}, folder)

    def answered(self, fingerprint: str, start_folder: Path) -> Path | None:
        """The folder of the newest finished run with this fingerprint."""
        where = store.locate(self.uri, start_folder)
        with store.explained(where):
            client = store.connect(where)
            experiment = store.experiment(client, self.experiment, where.artifacts)
            found = client.search_runs(
                [experiment],
                f"tags.fingerprint = '{fingerprint}' AND attributes.status = 'FINISHED'",
                max_results=1,
                order_by=["attributes.start_time DESC"],
            )
        return Path(found[0].data.tags["folder"]) if found else None

    def _write_waiting(self, run: Run) -> None:
        run.log(metrics=[metric for numbers in self._waiting for metric in record.metrics(*numbers)])
        self._waiting.clear()

    def _copy(self, run: Run, files: Path) -> None:
        if self.artifacts:
            with self._guard("the files"):
                run.copy(files)

    @contextmanager
    def _guard(self, what: str) -> Iterator[None]:
        """Let no failure of the tracker reach the run, and say so once."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever breaks here, the answer must not be lost
            if not self._warned:
                said = "MLflow did not record %s (%s); the run goes on, and its own folder keeps everything."
                log.warning(said, what, store.reason(error))
            self._warned = True


def _taken_up(client: "MlflowClient", run: "Entity", place: str) -> Run:
    """A run that MLflow knows, running again; its error of before is gone."""
    client.update_run(run.info.run_id, status="RUNNING")
    if "error" in run.data.tags:
        client.delete_tag(run.info.run_id, "error")
    known = {
        (point.key, point.step)
        for name in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, name)
    }
    return Run(client, run.info.run_id, place, known)


def _refuse_store_inside(folder: Path, where: store.Store) -> None:
    if where.artifacts is not None and where.artifacts.is_relative_to(folder):
        raise ConfigError(
            f"hydra.run.dir={folder}: expected a folder of the run's own, and MLflow's {where.artifacts} lies inside "
            "it and would be copied into itself; choose another folder, or tracking.artifacts=false."
        )


def _place(where: store.Store, experiment: str, run: str) -> str:
    """Say where the run is found; for a local store also how to look into it."""
    uri = without_password(where.uri)
    server = uri.rstrip("/") if where.is_server else "http://127.0.0.1:5000"
    lines = [view.page(server, experiment, run), f"all runs: {view.table(server, experiment)}"]
    if not where.is_server:
        server = f"mlflow ui --backend-store-uri {shlex.quote(uri)} --host 127.0.0.1"
        lines.append(f"start it: MLFLOW_DISABLE_TELEMETRY=true {server}")
    return "\n".join(lines)
