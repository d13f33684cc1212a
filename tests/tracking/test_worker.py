"""What the worker delivers is what the run would deliver itself, whatever becomes of the worker."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from fakes import account
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from credo.runs.record import Resumed, RunRecord
from credo.tracking import outbox
from credo.tracking.mlflow import store
from credo.tracking.mlflow import worker as workers
from credo.tracking.mlflow.tracker import MlflowTracker
from credo.tracking.mlflow.worker import Worker


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One for all tests, since it takes seconds to load MLflow."""
    yield from started()


@pytest.fixture
def short_lived() -> Iterator[Worker]:
    yield from started()


def started() -> Iterator[Worker]:
    one = Worker()
    with one._process:
        yield one
        one._process.send_signal(signal.SIGCONT)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, record: RunRecord) -> Callable[[Worker | None], None]:
    store.experiment(
        store.connect(store.locate(None, record.start_folder)), "credo", record.start_folder / "mlartifacts"
    )
    monkeypatch.setattr("credo.tracking.mlflow.tracker.PATIENCE", 0.0)
    monkeypatch.setattr("credo.tracking.mlflow.tracker.PAUSE", 0.0)
    return lambda one: monkeypatch.setattr(workers, "shared", lambda: one)


def when_ready(one: Worker) -> None:
    until = time.monotonic() + 60
    while not one.is_ready:
        assert time.monotonic() < until
        time.sleep(0.05)


def kill(one: Worker) -> None:
    one._process.kill()
    one._process.wait()


def runs_of(record: RunRecord, client: MlflowClient) -> list[Run]:
    found = client.get_experiment_by_name("credo")
    assert found is not None
    return list(client.search_runs([found.experiment_id], order_by=["attributes.start_time DESC"]))


def experiment(record: RunRecord, between: Mapping[int, Callable[[], None]] = MappingProxyType({})) -> dict[str, Any]:
    """A run, what happens between its steps, and what MLflow has of it."""

    def when(step: int) -> None:
        between.get(step, lambda: None)()

    tracker = MlflowTracker(None, "credo", {"paper": "draft"}, artifacts=True)
    tracker.start(record)
    when(0)
    tracker.progress("warmup", 10, 10, {"step_size": 0.1})
    when(1)
    tracker.progress("sampling", 20, 20, {"r_hat_max": float("nan"), "divergences": 20})
    when(2)
    place = tracker.finish({"draws": 0.1 + 0.2}, {"verdict": "passed"}, "# Eight schöols", record.folder)
    client = store.connect(store.locate(None, record.start_folder))
    run = runs_of(record, client)[0]
    assert place is not None
    assert run.info.run_id in place
    return account(client, run)


def test_it_delivers_what_the_run_delivers_itself(
    use: Callable[[Worker | None], None], worker: Worker, record: RunRecord, warnings_of: Callable[[], list[str]]
) -> None:
    use(None)
    by_itself = experiment(record)
    use(worker)
    assert experiment(record) == by_itself
    assert by_itself["status"] == "FINISHED"
    resumed = replace(record, start=Resumed(1))
    again = experiment(resumed)
    use(None)
    assert experiment(replace(record, start=Resumed(1)))["metrics"] == again["metrics"]
    assert warnings_of() == []
    assert not (record.folder / outbox.FILE).exists()


def test_a_run_whose_worker_dies_before_it_is_ready_delivers_by_itself(
    use: Callable[[Worker | None], None], short_lived: Worker, record: RunRecord, warnings_of: Callable[[], list[str]]
) -> None:
    use(None)
    undisturbed = experiment(record)
    use(short_lived)
    assert experiment(record, {0: lambda: kill(short_lived)}) == undisturbed
    assert warnings_of() == []
    assert not (record.folder / outbox.FILE).exists()


def test_what_the_store_refuses_is_said_and_kept(
    use: Callable[[Worker | None], None], worker: Worker, record: RunRecord, warnings_of: Callable[[], list[str]]
) -> None:
    (record.start_folder / "mlartifacts").write_text("no folder")
    kept = []
    for one in (None, worker):
        use(one)
        tracker = MlflowTracker(None, "credo", {}, artifacts=True)
        tracker.start(record)
        place = tracker.finish({"draws": 1.0}, {}, "", record.folder)
        assert place == f"not there yet: credo sync '{record.folder}'"
        kept.append((record.folder / outbox.FILE).read_text().splitlines()[1:])
        (record.folder / outbox.FILE).unlink()
    by_itself, by_worker = warnings_of()
    assert by_worker == by_itself
    assert "Not a directory" in by_worker
    assert kept[0] == kept[1] == ['{"kind": "files"}']


def test_a_run_does_not_wait_until_mlflow_is_loaded(
    use: Callable[[Worker | None], None], short_lived: Worker, record: RunRecord
) -> None:
    use(short_lived)
    short_lived._process.send_signal(signal.SIGSTOP)
    tracker = MlflowTracker(None, "credo", {}, artifacts=False)
    tracker.start(record)
    tracker.progress("warmup", 10, 10, {"step_size": 0.1})  # or it would wait for ever
    assert not short_lived.is_ready
    short_lived._process.kill()
    tracker.finish({}, {}, "", record.folder)
    assert not (record.folder / outbox.FILE).exists()


def test_it_hears_no_signal_of_the_run_and_ends_with_it(tmp_path: Path) -> None:
    """Even where the run is killed, and cannot say so."""
    words = (
        "import os, signal; from credo.tracking.mlflow.worker import Worker; w = Worker(); pid = w._process.pid\n"
        "w.ask(do='nothing')\n"
        "[os.kill(pid, n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]\n"
        "w.ask(do='nothing'); print(pid, os.getpgid(pid) != os.getpgid(0), flush=True); os.kill(os.getpid(), 9)"
    )
    said = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, cwd=tmp_path, check=False)  # noqa: S603
    assert (said.returncode, said.stderr) == (-signal.SIGKILL, "")
    pid, apart = said.stdout.split()
    assert apart == "True"
    for _ in range(100):
        if not is_alive(int(pid)):
            return
        time.sleep(0.1)
    pytest.fail("the worker is still there")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody waits for may stay as a zombie."""
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def test_a_worker_that_was_sent_half_a_line_is_given_up(
    use: Callable[[Worker | None], None], short_lived: Worker, record: RunRecord
) -> None:
    """As when a second signal arrives while a request is sent."""
    use(short_lived)
    short_lived._requests.write(b'{"number": 1, "do": "ta')
    assert experiment(record)["status"] == "FINISHED"


def test_a_run_whose_worker_dies_after_it_created_the_run_goes_on_with_this_run(
    use: Callable[[Worker | None], None], worker: Worker, record: RunRecord, warnings_of: Callable[[], list[str]]
) -> None:
    """The last test of the worker that they share."""
    use(None)
    undisturbed = experiment(record)
    use(worker)
    assert experiment(record, {0: lambda: when_ready(worker), 2: lambda: kill(worker)}) == undisturbed
    assert len(runs_of(record, store.connect(store.locate(None, record.start_folder)))) == 2
    assert warnings_of() == []


def test_a_first_run_is_recorded_by_the_worker_which_makes_the_store(
    monkeypatch: pytest.MonkeyPatch, short_lived: Worker, record: RunRecord
) -> None:
    monkeypatch.setattr(workers, "shared", lambda: short_lived)
    database = record.start_folder / "mlflow.db"
    database.unlink()
    tracker = MlflowTracker(None, "credo", {}, artifacts=False)
    with contextlib.chdir(record.start_folder):
        tracker.ahead()
    when_ready(short_lived)
    assert not database.exists()  # since the run may be refused yet
    short_lived._process.send_signal(signal.SIGSTOP)
    tracker.start(record)  # or it would wait for ever
    short_lived._process.send_signal(signal.SIGCONT)
    tracker.finish({}, {}, "", record.folder)
    assert database.exists()
    assert runs_of(record, store.connect(store.locate(None, record.start_folder)))[0].info.status == "FINISHED"
    assert not (record.folder / outbox.FILE).exists()
