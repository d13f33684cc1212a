"""Runs recorded in MLflow: params, tags, the data set, running and final metrics, files (`tracking=mlflow`).

`start` refuses a store that cannot be used; that a server is away is no reason. From then on the answer comes first:
whatever MLflow does, the run goes on. Its folder keeps the records that MLflow does not take, until it does or until
`credo sync` (see `credo.tracking.outbox`). A run in a local file is recorded once it has lasted for `PATIENCE`, or is
over: loading MLflow takes longer than a small model, and neither the verdict nor the prompt need wait for it (see
`credo.tracking.mlflow.worker`).
"""

import logging
import pkgutil
import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from credo.config import loading
from credo.errors import ConfigError, shortened
from credo.ranges import count
from credo.runs.record import Resumed, RunRecord
from credo.tracking import outbox
from credo.tracking.base import Tracker
from credo.tracking.mlflow import behind, entities, parent, store, system, worker
from credo.tracking.mlflow import delivery as deliveries
from credo.tracking.mlflow.names import parameters
from credo.tracking.mlflow.worker import WorkerDelivery
from credo.tracking.outbox import Head, Journal

PAUSE = 1.0
"""Seconds between two writes of running metrics, so that short blocks cost no more than long ones."""

PAUSE_AFTER_FAILURE = 30.0
SHARE_OF_FAILURES = 0.1
"""A store that is away is asked again after so many seconds, and never for more than so much of the run's time."""

PATIENCE = 5.0
"""Seconds after which a run in a local file is recorded while it goes on."""

LONGEST_NAME = 500
"""Of an experiment, in MLflow."""

log = logging.getLogger("credo")


@dataclass
class MlflowTracker(Tracker):
    """Records each run in an MLflow store.

    Attributes:
        uri: the store; `None` is `mlflow.db` in the folder where credo was started, with the files in `mlartifacts`.
        experiment: the name of MLflow's experiment, created if it is new.
        tags: the user's own tags.
        artifacts: whether the files of the run's folder are copied into MLflow.
        register: the name of the registered model of which a finished run's model becomes a version.
        system_metrics: whether the machine is measured while the run goes on.
        most_metrics: how many final metrics MLflow gets, the posterior's last; `None` for all, with which it is slow.
    """

    name: ClassVar[str] = "MLflow"
    keeps_runs: ClassVar[bool] = True

    uri: str | None
    experiment: str
    tags: Mapping[str, str]
    artifacts: bool
    register: str | None = None
    system_metrics: bool = False
    most_metrics: Annotated[int, count(1)] | None = 200
    _delivery: WorkerDelivery | None = field(default=None, init=False, repr=False)
    _step: int = field(default=0, init=False, repr=False)  # of the final metrics: how many ends the run had before
    _next_try: float = field(default=0.0, init=False, repr=False)
    _sampler: system.Sampler | None = field(default=None, init=False, repr=False)

    def start(self, record: RunRecord) -> None:
        """Create the run, with its params, tags and data set; in a local file, only when it is time.

        Raises:
            ConfigError: the store cannot be used, the experiment was deleted, or the run has no model to register.
        """
        where = self._located(record.start_folder)
        if self.artifacts:
            _refuse_store_inside(record.folder, where)
        if self.register is not None:
            _refuse_without_model(self.register, record)
        if self.system_metrics:
            system.require_psutil()
        self._step = record.start.times if isinstance(record.start, Resumed) else 0
        self._delivery = WorkerDelivery(self._journal(record, where))
        if store.is_file_for(where, self.experiment):
            self._next_try = time.monotonic() + PATIENCE
            if not self._loads_here:
                self._delivery.begin()
        else:
            self._begin(self._delivery, where)
        if self.system_metrics:
            self._sampler = system.Sampler()

    def precheck(self) -> None:
        """Look at the settings alone; `start` asks the store itself.

        Raises:
            ConfigError: no store can be meant by them.
        """
        self._located(Path.cwd())

    def ahead(self) -> None:
        """Let a process beside this one load MLflow, where it will be needed there."""
        if not self._loads_here and store.is_file_for(self._located(Path.cwd()), self.experiment):
            worker.ahead()

    @property
    def _loads_here(self) -> bool:
        """Whether a run loads MLflow in its own process."""
        return self.register is not None or self.system_metrics

    def _located(self, start_folder: Path) -> store.Store:
        if not self.experiment.strip() or len(self.experiment) > LONGEST_NAME:
            raise ConfigError(
                f"tracking.experiment: expected a name of at most {LONGEST_NAME} characters, but got "
                f"{shortened(self.experiment, 60)!r}; name one"
            )
        where = store.locate(self.uri, start_folder)
        store.require_place(where)
        return where

    def _journal(self, record: RunRecord, where: store.Store) -> Journal:
        """The records of the run so far; one that is resumed may have left some before."""
        resumed = isinstance(record.start, Resumed)
        if not resumed:
            _refuse_records_of_another(record.folder)
        journal = deliveries.read(record.folder) if resumed else None
        if journal is None:
            tags = entities.origin(record) | dict(self.tags)
            began, start_folder = entities.now(), str(record.start_folder)
            head = Head(where.uri, start_folder, self.experiment, record.name, began, tags, resumed)
            journal = Journal(record.folder, head)
        if resumed:
            journal.add("again")
        journal.add("log", params=parameters(record.config, record.choices, record.unread))
        journal.add("dataset", dataset=entities.dataset(record))
        return journal

    def _begin(self, delivery: WorkerDelivery, where: store.Store) -> None:
        began = time.monotonic()
        try:
            delivery.deliver()
            self._next_try = time.monotonic() + PAUSE
        except Exception as error:
            if delivery.run is None and not (where.is_server and store.is_away(error)):
                self._delivery = None
                delivery.journal.close()
                with store.explained(where):
                    raise
            delivery.keep(error)
            self._next_try = time.monotonic() + _pause_after_failure(began)

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:  # noqa: ARG002
        """Record running metrics as `warmup/NAME` or `progress/NAME`; the step is the draws (or steps) of the phase.

        They are written at most once in `PAUSE` seconds; `finish` or `fail` writes the rest.
        """
        if self._delivery is None:
            return
        section = "warmup" if phase == "warmup" else "progress"
        running = {f"{section}/{name}": float(number) for name, number in numbers.items()}
        self._delivery.journal.add("log", metrics=running, step=int(done), time=entities.now())
        self._add_measured(self._delivery.journal)
        if time.monotonic() >= self._next_try and self._delivery.is_ready:
            self._try(self._delivery)

    def finish(
        self, metrics: Mapping[str, float], tags: Mapping[str, str], description: str, folder: Path
    ) -> str | None:
        """Record the answer; metrics that are not finite are named in the tag `not_finite`."""
        if self._delivery is None:
            return None
        journal = self._delivery.journal
        words = {**tags} | entities.not_finite(metrics) | entities.description(description)
        numbers, left = entities.foremost(metrics, self.most_metrics)
        words |= {"metrics_left_out": f"{left} of the posterior, which metrics.json has"} if left else {}
        journal.add("log", metrics=numbers, step=self._step, time=entities.now(), tags=words)
        if self.artifacts:
            journal.add("files")
            journal.add("images", step=self._step)
        if self.register is not None:
            self._register(journal, self.register, folder)
        self._end(self._delivery, "FINISHED")
        run = self._delivery.run
        return run.place if run is not None and not journal.pending else f"not there yet: {self._delivery.command}"

    def fail(self, status: Literal["FAILED", "KILLED"], reason: str, folder: Path) -> None:  # noqa: ARG002
        """Record why the run did not finish; its checkpoint stays in its folder.

        The status comes first: a second, impatient interrupt must not leave the run `RUNNING` for ever.
        """
        if self._delivery is None:
            return
        journal = self._delivery.journal
        journal.add("log", tags={"error": reason})
        if self.artifacts:
            journal.add("files")
        self._end(self._delivery, status)

    def _end(self, delivery: WorkerDelivery, status: str) -> None:
        if self._sampler is not None:
            self._sampler.stop()
        self._add_measured(delivery.journal)
        delivery.journal.add("end", first=status != "FINISHED", status=status, time=entities.now())
        if status == "FINISHED" and behind.take(delivery):
            return
        self._try(delivery)
        delivery.journal.close()

    def begin_sweep(self, name: str, tags: Mapping[str, str], folder: Path, start_folder: Path) -> parent.ParentRun:
        """Create the parent run of a sweep, or go on with the one that has this folder.

        Raises:
            ConfigError: the store cannot be reached or written to, or the experiment was deleted.
        """
        where = self._located(start_folder)
        own = {"folder": str(folder), "mlflow.source.type": "LOCAL", "mlflow.source.name": "credo -m"}
        words = {**tags, **self.tags, **own}
        head = Head(where.uri, str(start_folder), self.experiment, name, entities.now(), words, resumed=True)
        return parent.begin(where, head, folder)

    def answered(self, fingerprint: str, start_folder: Path) -> Path | None:
        """The folder of the newest finished run with this fingerprint; a store that is away knows of none."""
        where = self._located(start_folder)
        behind.wait()
        if where.database is not None:
            return store.finished_in_file(where, self.experiment, "fingerprint", fingerprint)
        try:
            client = store.connect(where)
            experiment = store.experiment(client, self.experiment, where.artifacts)
            same = client.search_runs(
                [experiment],
                f"tags.fingerprint = '{fingerprint}' AND attributes.status = 'FINISHED'",
                max_results=1,
                order_by=["attributes.start_time DESC"],
            )
        except Exception as error:
            if where.is_server and store.is_away(error):
                return None
            with store.explained(where):
                raise
        return Path(same[0].data.tags["folder"]) if same else None

    def asked(self, mark: str, start_folder: Path, name: str = "question") -> Path | None:
        """The folder of the newest finished run with this mark; to ask a server, MLflow would have to be loaded."""
        where = self._located(start_folder)
        behind.wait()
        return None if where.database is None else store.finished_in_file(where, self.experiment, name, mark)

    def identity(self, folder: Path, start_folder: Path) -> str | None:
        """The id of the newest run that has a folder; a store that is not there, or is away, knows of none."""
        where = self._located(start_folder)
        if where.database is not None and not where.database.exists():
            return None
        try:
            client = store.connect(where)
            found = store.run_in(client, store.experiment(client, self.experiment, where.artifacts), folder)
        except Exception as error:
            if store.is_away(error):
                return None
            with store.explained(where):
                raise
        return None if found is None else str(found.info.run_id)

    def find(self, word: str) -> Path | None:
        """The folder of the run that has this id in MLflow, which is 32 hexadecimal digits.

        Raises:
            ConfigError: there is no such run, or it is not one of credo's.
        """
        return store.folder_of(word, self._located(Path.cwd())) if re.fullmatch(r"[0-9a-f]{32}", word) else None

    def _add_measured(self, journal: Journal) -> None:
        """Add what was measured of the machine; the step is the time in seconds."""
        for seconds, measured in self._sampler.take() if self._sampler is not None else ():
            journal.add("log", metrics=measured, step=int(seconds), time=int(1000 * seconds))

    def _register(self, journal: Journal, name: str, folder: Path) -> None:
        from credo.runs import exported  # takes time to load

        if exported.is_exported(folder):
            journal.add("register", name=name, version=self._step)
        else:
            message = "tracking.register=%s: the run left no model that can be exported, and no version was registered"
            log.warning(message, name)

    def _try(self, delivery: WorkerDelivery) -> None:
        began = time.monotonic()
        delivered = delivery.attempt()
        self._next_try = time.monotonic() + (PAUSE if delivered else _pause_after_failure(began))


def _pause_after_failure(began: float) -> float:
    """Seconds until a store is asked again that did not answer."""
    return max(PAUSE_AFTER_FAILURE, (time.monotonic() - began) / SHARE_OF_FAILURES)


def _refuse_store_inside(folder: Path, where: store.Store) -> None:
    if where.artifacts is not None and where.artifacts.is_relative_to(folder):
        raise ConfigError(
            f"hydra.run.dir={folder}: expected a folder of the run's own, and MLflow's {where.artifacts} lies inside "
            "it and would be copied into itself; choose another folder, or tracking.artifacts=false"
        )


def _refuse_records_of_another(folder: Path) -> None:
    if (folder / outbox.FILE).exists():
        raise ConfigError(
            f"hydra.run.dir={folder}: expected a folder of the run's own, and it has records of another run that "
            f"MLflow does not have yet; deliver them (credo sync {shlex.quote(str(folder))}), or choose another folder"
        )


def _refuse_without_model(name: str, record: RunRecord) -> None:
    """Refuse to register what is no model to predict with, as far as that is known before the run."""
    if not name.strip() or {"/", ":"} & set(name):
        raise ConfigError(f"tracking.register={name}: expected a name without slashes and colons, as MLflow demands it")
    from credo.models.base import Model  # takes time to load

    target = pkgutil.resolve_name(loading.importable(record.config["model"]["_target_"]))
    if isinstance(target, type) and issubclass(target, Model) and not (target.predicts or target.rows_alike):
        raise ConfigError(
            f"tracking.register={name}: expected a model that can be exported, as model=mdn is, and got "
            f"model={record.choices['model']}; choose such a model, or set tracking.register=null"
        )
