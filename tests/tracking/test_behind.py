"""The records of a sweep's finished jobs are sent while the next job goes on, and none is lost."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from credo.runs import job as jobs
from credo.runs.record import RunRecord
from credo.tracking import outbox
from credo.tracking.mlflow import behind, store
from credo.tracking.mlflow import worker as workers
from credo.tracking.mlflow.tracker import MlflowTracker
from credo.tracking.mlflow.worker import Worker


@pytest.fixture(autouse=True)
def worker(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    where = store.locate(None, record.start_folder)
    store.experiment(store.connect(where), "credo", record.start_folder / "mlartifacts")
    one = Worker()
    monkeypatch.setattr(workers, "shared", lambda: one)
    with one._process:
        yield one
        one._process.send_signal(signal.SIGCONT)
        behind.end()


def states(record: RunRecord) -> dict[str, tuple[str, dict[str, float]]]:
    client: MlflowClient = store.connect(store.locate(None, record.start_folder))
    experiment = client.get_experiment_by_name("credo")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return {Path(run.data.tags["folder"]).name: (run.info.status, run.data.metrics) for run in runs}


def job_of(record: RunRecord, name: str) -> RunRecord:
    folder = record.folder / name
    (folder / ".hydra").mkdir(parents=True)
    return replace(record, folder=folder)


def ended(record: RunRecord) -> str | None:
    tracker = MlflowTracker(None, "credo", {}, artifacts=False)
    tracker.start(record)
    return tracker.finish({"draws": 7.0}, {}, "", record.folder)


def test_a_job_is_over_before_its_records_are_sent(record: RunRecord, worker: Worker) -> None:
    tracker = MlflowTracker(None, "credo", {}, artifacts=False)
    sweep = tracker.begin_sweep("scale=1,2", {}, record.folder, record.start_folder)
    some = [job_of(record, name) for name in ("first", "second")]
    worker._process.send_signal(signal.SIGSTOP)
    for one in some:
        assert ended(one) == f"not there yet: credo sync '{one.folder}'"
        assert (one.folder / outbox.FILE).exists()
    worker._process.send_signal(signal.SIGCONT)
    sweep.end("FINISHED", {"jobs": 2}, {}, "", [])
    answered = "FINISHED", {"draws": 7.0}
    assert states(record) == {"run": ("FINISHED", {"jobs": 2}), "first": answered, "second": answered}
    assert [file for one in some for file in one.folder.glob("*tracking*")] == []
    late = job_of(record, "late")
    assert ended(late) is not None
    assert states(record)["late"] == answered


def test_whoever_asks_for_finished_runs_hears_of_all(record: RunRecord) -> None:
    tracker = MlflowTracker(None, "credo", {"fingerprint": "abc"}, artifacts=False)
    sweep = tracker.begin_sweep("scale=1,2", {}, record.folder, record.start_folder)
    one = job_of(record, "first")
    tracker.start(one)
    tracker.finish({}, {}, "", one.folder)
    assert tracker.asked("abc", record.start_folder, "fingerprint") == one.folder
    sweep.end("FINISHED", {}, {}, "", [])


def test_what_a_killed_process_had_is_sent_when_the_sweep_is_resumed(
    record: RunRecord, worker: Worker, warnings_of: Callable[[], list[str]]
) -> None:
    tracker = MlflowTracker(None, "credo", {}, artifacts=False)
    sweep = tracker.begin_sweep("scale=1,2", {}, record.folder, record.start_folder)
    done, begun, damaged = (job_of(record, name) for name in ("done", "begun", "damaged"))
    (record.folder / "sweep.json").write_text(
        json.dumps({"jobs": [{"folder": n} for n in ("done", "begun", "damaged")]})
    )
    worker._process.send_signal(signal.SIGSTOP)
    states_of: tuple[tuple[RunRecord, jobs.State], ...]
    states_of = (done, "FINISHED"), (begun, "RUNNING"), (damaged, "FINISHED")
    for one, state in states_of:
        ended(one)
        jobs.Job(("scale=1",), state).write(one.folder)
    left = {one.folder: (one.folder / outbox.FILE).read_bytes() for one in (done, begun, damaged)}
    worker._process.kill()  # with the process that is to be killed, the thread and its locks would go, too
    behind.end()
    client = store.connect(store.locate(None, record.start_folder))
    for run in client.search_runs([client.get_run(sweep.id).info.experiment_id]):
        if run.info.run_id != sweep.id:
            client.delete_run(run.info.run_id)
    for folder, content in left.items():
        (folder / outbox.FILE).write_bytes(b"{" if folder == damaged.folder else content)
    again = tracker.begin_sweep("scale=1,2", {}, record.folder, record.start_folder)
    assert again.id == sweep.id
    assert {name: state for name, (state, _) in states(record).items()} == {"run": "RUNNING", "done": "FINISHED"}
    assert [(one.folder / outbox.FILE).exists() for one in (done, begun)] == [False, True]
    assert any(str(damaged.folder) in warning for warning in warnings_of())
