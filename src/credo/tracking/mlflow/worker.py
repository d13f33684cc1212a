"""MLflow in a process of its own, which loads it and writes to its database while the run samples.

The run sends requests, one JSON object a line, and the worker answers each with its number. A worker ends with its
pipe, however the run ends, and hears no signal that is meant for the run. Where it is gone, or says nonsense, the run
delivers its records itself: its journal has them until the store has taken them.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, ClassVar, cast

from credo.tracking.delivery import Delivery
from credo.tracking.mlflow import store
from credo.tracking.mlflow.delivery import MlflowDelivery, Run
from credo.tracking.outbox import Head, Journal, Record


class GoneError(Exception):
    """The worker has ended, or what it says cannot be understood."""


class RefusedError(Exception):
    """The store refused something, and the worker says why.

    Attributes:
        is_away: whether the store did not answer, so that it may take the same on another day.
    """

    def __init__(self, reason: str, *, is_away: bool):
        super().__init__(reason)
        self.is_away = is_away


class Worker:
    """The worker, as a run sees it; runs of several threads may share it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # what could not be sent is not sent again at the end of this process
            start_new_session=True,
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        self._sending, self._receiving = threading.Lock(), threading.Lock()
        self._sent = self._answered = 0
        self._asked: dict[int, dict[str, Any] | None] = {}  # by number: the answers that somebody waits for

    @property
    def is_ready(self) -> bool:
        """Whether it answers at once, as it does when it has loaded MLflow; one that is gone does, too."""
        return self._answered > 0 or bool(select.select([self._answers], [], [], 0.0)[0])

    def tell(self, **request: Any) -> None:
        """Send a request, and do not wait for its answer; one that is gone says so when it is asked."""
        with self._sending, suppress(GoneError):
            self._send(request)

    def ask(self, **request: Any) -> Any:
        """Send a request, and return its answer.

        Raises:
            GoneError: nobody answers.
            RefusedError: the store refused it.
        """
        with self._sending:
            number = self._sent + 1
            self._asked[number] = None
            self._send(request)
        with self._receiving:
            while (answer := self._asked[number]) is None:
                self._receive()
        del self._asked[number]
        if "refused" in answer:
            raise RefusedError(answer["refused"], is_away=answer["is_away"])
        return answer["result"]

    def _send(self, request: dict[str, Any]) -> None:
        self._sent += 1
        rest = f"{json.dumps({'number': self._sent, **request})}\n".encode()
        try:
            while rest:
                rest = rest[self._requests.write(rest) :]
        except OSError as error:
            raise GoneError from error

    def _receive(self) -> None:
        """Take the next answer; one to what was only told is of no use."""
        try:
            answer: dict[str, Any] = json.loads(self._answers.readline())
        except ValueError as error:
            raise GoneError from error
        self._answered = answer["number"]
        if self._answered in self._asked:
            self._asked[self._answered] = answer


@cache
def shared() -> Worker | None:
    """The worker of all runs of this process; `None` where it would bring nothing, or cannot be had."""
    if "mlflow" in sys.modules or os.cpu_count() == 1:
        return None
    try:
        return Worker()
    except OSError:
        return None


def ahead() -> None:
    """Let the worker load MLflow for a run that may come; nothing is written yet."""
    if (worker := shared()) is not None:
        worker.tell(do="load")


@dataclass
class RemoteRun:
    """A run in MLflow, which the worker knows by its number."""

    worker: Worker
    number: int
    id: str
    place: str

    def take(self, kind: str, records: Sequence[Record]) -> None:
        """Store records of one kind."""
        self.worker.ask(do="take", run=self.number, kind=kind, records=records)


@dataclass
class WorkerDelivery(Delivery[Run | RemoteRun]):
    """A journal on its way into MLflow, by the worker as long as there is one."""

    store: ClassVar[str] = "MLflow"

    worker: Worker | None = None

    @property
    def is_ready(self) -> bool:
        """Whether a try does not wait until MLflow is loaded."""
        return self.worker is None or self.worker.is_ready

    def begin(self) -> None:
        """Let the worker load MLflow and open the store, if there is to be one."""
        self.worker = shared()
        if self.worker is not None:
            self.worker.tell(do="prepare", head=asdict(self.journal.head))

    def open(self, *, tried: bool) -> Run | RemoteRun:
        """Create the run, or find it (see `Delivery.open`)."""
        if self.worker is None:
            return MlflowDelivery(self.journal).open(tried=tried)
        folder, head = str(self.journal.folder.absolute()), asdict(self.journal.head)
        opened = self.worker.ask(do="open", folder=folder, head=head, tried=tried or self.journal.is_kept)
        return RemoteRun(self.worker, **opened)

    def deliver(self) -> Run | RemoteRun:
        """Send all pending records (see `Delivery.deliver`); without a worker the run does so itself."""
        try:
            return super().deliver()
        except GoneError:
            self.worker = self.run = None
            return super().deliver()

    def is_away(self, error: Exception) -> bool:
        """Whether the store did not answer; a worker that is gone has not either."""
        if isinstance(error, RefusedError):
            return error.is_away
        return isinstance(error, GoneError) or store.is_away(error)

    def reason(self, error: Exception) -> str:
        """See `store.reason`."""
        return store.reason(error)


def _serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer requests until there is nobody who asks."""
    runs: list[Run] = []
    for line in requests:
        request = json.loads(line)
        try:
            answer = {"result": _result(request, runs)}
        except Exception as error:  # noqa: BLE001 - the run decides what it means
            answer = {"refused": store.reason(error), "is_away": store.is_away(error)}
        answers.write(json.dumps({"number": request["number"], **answer}) + "\n")
        answers.flush()


def _result(request: dict[str, Any], runs: list[Run]) -> Any:
    match request["do"]:
        case "load":
            store.load()
        case "prepare":
            head = Head(**request["head"])
            client = store.connect(store.locate(head.uri, Path(head.start_folder)))
            client.get_experiment_by_name(head.experiment)
        case "open":
            journal = Journal(Path(request["folder"]), Head(**request["head"]))
            runs.append(MlflowDelivery(journal).open(tried=request["tried"]))
            return {"number": len(runs) - 1, "id": runs[-1].id, "place": runs[-1].place}
        case "take":
            runs[request["run"]].take(request["kind"], request["records"])
    return None


def _main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what others print is no answer
    with suppress(BrokenPipeError, ValueError):
        _serve(sys.stdin, answers)
    os._exit(0)  # at once: there is nothing left to do


if __name__ == "__main__":
    _main()
