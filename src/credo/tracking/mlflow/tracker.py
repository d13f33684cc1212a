"""Runs recorded in MLflow: params, tags, the data set, running and final metrics, files (`tracking=mlflow`).

`start` refuses a store that cannot be used; that a server is away is no reason. From then on the answer comes first:
whatever MLflow does, the run goes on, and what MLflow does not take waits in the run's folder, until it does or until
`credo sync` (see `credo.tracking.outbox`). A run that is recorded in a file of its own machine is recorded once it has
lasted for `PATIENCE`, or is over: loading MLflow takes longer than a small model, and the verdict need not wait.
"""

import logging
import pkgutil
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from credo.code import loading
from credo.errors import ConfigError, shortened
from credo.models import export
from credo.runs.record import Story
from credo.tracking import outbox
from credo.tracking.base import SweepRecord
from credo.tracking.mlflow import parent, record, store, system
from credo.tracking.mlflow.delivery import Delivery
from credo.tracking.mlflow.names import parameters
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
class MlflowTracker:
    """Records each run in an MLflow store.

    Attributes:
        uri: the store; `None` is `mlflow.db` in the folder where credo was started, with the files in `mlartifacts`.
        experiment: the name of MLflow's experiment, created if it is new.
        tags: the user's own tags.
        artifacts: whether the files of the run's folder are copied into MLflow.
        register: the name of the registered model of which a finished run's model becomes a version.
        system_metrics: whether the machine is measured while the run goes on.
    """

    uri: str | None
    experiment: str
    tags: Mapping[str, str]
    artifacts: bool
    register: str | None = None
    system_metrics: bool = False
    _delivery: Delivery | None = field(default=None, init=False, repr=False)
    _step: int = field(default=0, init=False, repr=False)  # of the final metrics: how many ends the run had before
    _next_try: float = field(default=0.0, init=False, repr=False)
    _sampler: system.Sampler | None = field(default=None, init=False, repr=False)

    def start(self, story: Story) -> None:
        """Create the run, with its params, tags and data set; in a local file that exists, only when it is time.

        Raises:
            ConfigError: the store cannot be used, the experiment was deleted, or the run has no model to register.
        """
        where = self._located(story.start_folder)
        if self.artifacts:
            _refuse_store_inside(story.folder, where)
        if self.register is not None:
            _refuse_without_model(self.register, story)
        if self.system_metrics:
            system.require_psutil()
        self._step = story.taken_up or 0
        self._delivery = Delivery(self._journal(story, where))
        if store.is_usable_file(where, self.experiment):
            self._next_try = time.monotonic() + PATIENCE
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

    def _located(self, start_folder: Path) -> store.Store:
        if not self.experiment.strip() or len(self.experiment) > LONGEST_NAME:
            raise ConfigError(
                f"tracking.experiment: expected a name of at most {LONGEST_NAME} characters, but got "
                f"{shortened(self.experiment, 60)!r}; name one"
            )
        return store.locate(self.uri, start_folder)

    def _journal(self, story: Story, where: store.Store) -> Journal:
        """What is known of the run by now; one that is taken up may have left records of before."""
        again = story.taken_up is not None
        if not again:
            _refuse_records_of_another(story.folder)
        told = outbox.read(story.folder) if again else None
        if told is None:
            tags = record.origin(story) | dict(self.tags)
            began, start_folder = record.now(), str(story.start_folder)
            head = Head(where.uri, start_folder, self.experiment, story.name, began, tags, again)
            told = Journal(story.folder, head)
        if again:
            told.tell("again")
        told.tell("log", params=parameters(story.config, story.choices))
        told.tell("dataset", dataset=record.dataset(story))
        return told

    def _begin(self, delivery: Delivery, where: store.Store) -> None:
        asked = time.monotonic()
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
            self._next_try = time.monotonic() + _pause_after_failure(asked)

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:  # noqa: ARG002
        """Record running metrics as `warmup/NAME` or `progress/NAME`; the step is the draws (or steps) of the phase.

        They are written at most once in `PAUSE` seconds; what waits is written by `finish` or `fail`.
        """
        if self._delivery is None:
            return
        section = "warmup" if phase == "warmup" else "progress"
        named = {f"{section}/{name}": float(number) for name, number in numbers.items()}
        self._delivery.journal.tell("log", metrics=named, step=int(done), time=record.now())
        self._tell_measured(self._delivery.journal)
        if time.monotonic() >= self._next_try:
            self._try(self._delivery)

    def finish(self, metrics: Mapping[str, float], tags: Mapping[str, str], note: str, files: Path) -> str | None:
        """Record the answer; metrics that are not finite are named in the tag `not_finite`."""
        if self._delivery is None:
            return None
        told = self._delivery.journal
        words = dict(tags) | record.not_finite(metrics) | record.description(note)
        numbers = {name: float(number) for name, number in metrics.items()}
        told.tell("log", metrics=numbers, step=self._step, time=record.now(), tags=words)
        if self.artifacts:
            told.tell("files")
        if self.register is not None:
            self._register(told, self.register, files)
        self._end(self._delivery, "FINISHED")
        run = self._delivery.run
        return run.place if run is not None and not told.waiting else f"not there yet: {self._delivery.command}"

    def fail(self, status: Literal["FAILED", "KILLED"], reason: str, files: Path) -> None:  # noqa: ARG002
        """Record why the run did not finish; its checkpoint stays in its folder.

        The status comes first: a second, impatient interrupt must not leave the run `RUNNING` for ever.
        """
        if self._delivery is None:
            return
        told = self._delivery.journal
        told.tell("log", tags={"error": reason})
        if self.artifacts:
            told.tell("files")
        self._end(self._delivery, status)

    def _end(self, delivery: Delivery, status: str) -> None:
        if self._sampler is not None:
            self._sampler.stop()
        self._tell_measured(delivery.journal)
        delivery.journal.tell("end", first=status != "FINISHED", status=status, time=record.now())
        self._try(delivery)
        delivery.journal.close()

    def begin_sweep(self, name: str, tags: Mapping[str, str], folder: Path, start_folder: Path) -> SweepRecord:
        """Create the parent run of a sweep, or go on with the one that has this folder.

        Raises:
            ConfigError: the store cannot be reached or written to, or the experiment was deleted.
        """
        where = self._located(start_folder)
        own = {"folder": str(folder), "mlflow.source.type": "LOCAL", "mlflow.source.name": "credo -m"}
        words = {**tags, **self.tags, **own}
        head = Head(where.uri, str(start_folder), self.experiment, name, record.now(), words, again=True)
        return parent.begun(where, head, folder)

    def answered(self, fingerprint: str, start_folder: Path) -> Path | None:
        """The folder of the newest finished run with this fingerprint; a server that is away knows of none."""
        where = self._located(start_folder)
        try:
            client = store.connect(where)
            experiment = store.experiment(client, self.experiment, where.artifacts)
            found = client.search_runs(
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
        return Path(found[0].data.tags["folder"]) if found else None

    def _tell_measured(self, told: Journal) -> None:
        """Add what was measured of the machine; the step is the time in seconds."""
        for seconds, measured in self._sampler.take() if self._sampler is not None else ():
            told.tell("log", metrics=measured, step=int(seconds), time=int(1000 * seconds))

    def _register(self, told: Journal, name: str, files: Path) -> None:
        if export.is_exported(files):
            told.tell("register", name=name, version=self._step)
        else:
            said = "tracking.register=%s: the run left no model that can be exported, and no version was registered"
            log.warning(said, name)

    def _try(self, delivery: Delivery) -> None:
        asked = time.monotonic()
        delivered = delivery.attempt()
        self._next_try = time.monotonic() + (PAUSE if delivered else _pause_after_failure(asked))


def _pause_after_failure(asked: float) -> float:
    """Until a store is asked again that was asked in vain."""
    return max(PAUSE_AFTER_FAILURE, (time.monotonic() - asked) / SHARE_OF_FAILURES)


def _refuse_store_inside(folder: Path, where: store.Store) -> None:
    if where.artifacts is not None and where.artifacts.is_relative_to(folder):
        raise ConfigError(
            f"hydra.run.dir={folder}: expected a folder of the run's own, and MLflow's {where.artifacts} lies inside "
            "it and would be copied into itself; choose another folder, or tracking.artifacts=false."
        )


def _refuse_records_of_another(folder: Path) -> None:
    if (folder / outbox.FILE).exists():
        raise ConfigError(
            f"hydra.run.dir={folder}: expected a folder of the run's own, and it has records of another run that "
            f"MLflow does not have yet; deliver them (credo sync {shlex.quote(str(folder))}), or choose another folder."
        )


def _refuse_without_model(name: str, story: Story) -> None:
    """Refuse to register what is no model to predict with, as far as that is known before the run."""
    if not name.strip() or {"/", ":"} & set(name):
        raise ConfigError(f"tracking.register={name}: expected a name without slashes and colons, as MLflow demands it")
    target = pkgutil.resolve_name(loading.importable(story.config["model"]["_target_"]))
    if isinstance(target, type) and not hasattr(target, "exported"):
        raise ConfigError(
            f"tracking.register={name}: expected a model that can be exported, as model=mdn is, and got "
            f"model={story.choices['model']}; choose such a model, or set tracking.register=null"
        )
