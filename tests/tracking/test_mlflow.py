import dataclasses
import json
import math
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from credo.cli import sync
from credo.errors import ConfigError
from credo.runs.record import Resumed, RunRecord
from credo.tracking.base import Tracker
from credo.tracking.mlflow import store, view
from credo.tracking.mlflow.names import TAG_LIMIT
from credo.tracking.mlflow.tracker import MlflowTracker


def client_of(record: RunRecord) -> MlflowClient:
    return store.connect(store.locate(None, record.start_folder))


def only_run(record: RunRecord) -> Run:
    client = client_of(record)
    experiment = client.get_experiment_by_name("credo")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def test_a_tracker_fits_its_contract(tracker: MlflowTracker) -> None:
    assert isinstance(tracker, Tracker)


def test_a_finished_run_can_be_read_back(tracker: MlflowTracker, record: RunRecord) -> None:
    tracker.start(record)
    started = only_run(record)
    assert started.info.status == "RUNNING"

    for done in (250, 500, 1000):
        tracker.progress("warmup", done, 1000, {"step_size": 1 / done})
        tracker.progress("sampling", done, 1000, {"r_hat_max": 1 + 1 / done, "divergences": 0})
    place = tracker.finish(
        {"r_hat_max": 1.01, "posterior/theta[Choate]/mean": 6.5},
        {"verdict": "passed"},
        "# Eight schools",
        record.folder,
    )

    run = only_run(record)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "eight_schools hierarchical nuts"
    assert run.data.params == {
        "data": "eight_schools",
        "model": "hierarchical",
        "inference": "nuts",
        "device": "cpu",
        "seed": "0",
        "model.prior.loc.loc": "0.0",
        "model.prior.loc.scale": "5.0",
        "model.layers": "[64, 64]",
        "model.bound": "null",
        "model.centred": "false",
        "inference.draws": "1000",
    }
    assert run.data.metrics["r_hat_max"] == 1.01
    assert run.data.metrics["posterior/theta.Choate/mean"] == 6.5
    tags = {
        "verdict": "passed",
        "model": "hierarchical",
        "data_hash": "ab" * 32,
        "git_commit": "c0ffee",
        "git_dirty": "true",
        "overrides": "model.prior.loc.scale=5.0 'tracking.uri=http://***@host'",
        "paper": "draft",
        "mlflow.user": "ada",
        "mlflow.source.name": "credo",
        "mlflow.source.git.commit": "c0ffee",
        "mlflow.note.content": "# Eight schools",
    }
    assert tags.items() <= run.data.tags.items()
    assert "not_finite" not in run.data.tags
    experiment = run.info.experiment_id
    assert [line for line in place.splitlines() if not line.startswith("after: ")] == [
        f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/{run.info.run_id}?workflowType=machine_learning",
        f"all runs: {view.table('http://127.0.0.1:5000', experiment)}",
    ]

    history = client_of(record).get_metric_history(run.info.run_id, "progress/r_hat_max")
    assert [(point.step, point.value) for point in history] == [(250, 1.004), (500, 1.002), (1000, 1.001)]
    assert len(client_of(record).get_metric_history(run.info.run_id, "warmup/step_size")) == 3


def test_the_files_and_the_data_set_are_kept(tracker: MlflowTracker, record: RunRecord) -> None:
    tracker.start(record)
    tracker.finish({}, {}, "", record.folder)

    run = only_run(record)
    kept = record.start_folder / "mlartifacts" / run.info.run_id / "artifacts"
    assert sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*.*")) == [
        ".hydra",
        ".hydra/config.yaml",
        "verdict.json",
    ]
    assert [file.path for file in client_of(record).list_artifacts(run.info.run_id)] == [".hydra", "verdict.json"]
    assert run.inputs is not None
    (known,) = run.inputs.dataset_inputs
    assert known.dataset.schema is not None
    assert (known.dataset.name, known.dataset.digest) == ("eight_schools", "abababababab")
    assert "y [obs]" in known.dataset.schema


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_a_run_that_did_not_finish_says_why(tracker: MlflowTracker, record: RunRecord, status: str) -> None:
    (record.folder / "checkpoint").mkdir()
    tracker.start(record)
    tracker.progress("sampling", 10, 1000, {"divergences": 3})
    tracker.progress("sampling", 20, 1000, {"divergences": 4})  # still waiting to be written when the run fails
    tracker.fail(status, "The log density became NaN or infinite.", record.folder)  # type: ignore[arg-type]

    run = only_run(record)
    assert run.info.status == status
    assert run.info.end_time is not None
    assert run.data.tags["error"] == "The log density became NaN or infinite."
    assert run.data.metrics["progress/divergences"] == 4
    assert [file.path for file in client_of(record).list_artifacts(run.info.run_id)] == [".hydra", "verdict.json"]


def test_metrics_that_are_not_finite_are_kept_and_named(tracker: MlflowTracker, record: RunRecord) -> None:
    tracker.start(record)
    tracker.progress("sampling", 10, 10, {"r_hat_max": math.nan})
    tracker.finish({"r_hat_max": math.nan, "elpd": -math.inf, "draws": 10}, {}, "", record.folder)

    run = only_run(record)
    assert math.isnan(run.data.metrics["r_hat_max"])
    assert math.isnan(run.data.metrics["progress/r_hat_max"])
    assert run.data.metrics["elpd"] < -1e308
    assert run.data.tags["not_finite"] == "r_hat_max=nan, elpd=-inf"


def test_more_than_one_call_takes_is_split(tracker: MlflowTracker, record: RunRecord) -> None:
    config = {"model": {f"weight_{i}": i for i in range(250)}}
    tracker.most_metrics = None
    tracker.start(dataclasses.replace(record, config=config, choices={}))
    metrics = {f"posterior/theta[{i}]/mean": float(i) for i in range(1700)}
    tracker.finish(metrics, {f"tag_{i}": "word" for i in range(120)}, "n" * 10_000, record.folder)

    run = only_run(record)
    assert len(run.data.params) == 250
    assert len(run.data.metrics) == 1700
    assert sum(tag.startswith("tag_") for tag in run.data.tags) == 120
    assert len(run.data.tags["mlflow.note.content"]) == TAG_LIMIT
    assert run.data.tags["mlflow.note.content"].endswith("report.html)*")


def test_a_server_that_is_away_is_a_sentence_within_seconds(
    record: RunRecord, warnings_of: Callable[[], list[str]]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tracker = MlflowTracker(f"http://me:secret@127.0.0.1:{port}", "credo", {}, artifacts=True)

    started = time.monotonic()
    tracker.start(record)
    tracker.progress("sampling", 10, 20, {"divergences": 0})
    tracker.fail("FAILED", "The log density became NaN or infinite.", record.folder)
    assert time.monotonic() - started < 15
    (said,) = warnings_of()
    assert said.startswith(
        f"tracking.uri=http://***@127.0.0.1:{port}: MLflow did not take the records of the run (Conn"
    )
    assert said.endswith(f"credo sync '{record.folder}' delivers them")


def test_a_folder_is_no_store(record: RunRecord) -> None:
    with pytest.raises(ConfigError, match=r"tracking\.uri=/runs: .*sqlite:////runs/mlflow\.db"):
        MlflowTracker("/runs", "credo", {}, artifacts=True).start(record)


@pytest.mark.parametrize("uri", ["http://", "http://127.0.0.1:port", "http://a b", "unknown://127.0.0.1/runs"])
def test_what_is_no_address_of_a_store_is_refused(record: RunRecord, uri: str) -> None:
    with pytest.raises(ConfigError, match=rf"^tracking\.uri={uri}: (expected|unknown is no kind of store)"):
        MlflowTracker(uri, "credo", {}, artifacts=True).start(record)
    assert sorted(path.name for path in record.folder.iterdir()) == [".hydra", "verdict.json"]


def test_a_file_that_is_no_database_is_a_sentence(record: RunRecord) -> None:
    (record.start_folder / "notes.txt").write_text("no database at all, but a good many words of text")
    tracker = MlflowTracker("sqlite:///notes.txt", "credo", {}, artifacts=True)
    with pytest.raises(ConfigError, match=r"tracking\.uri=sqlite:///.*file is not a database"):
        tracker.start(record)


def test_a_store_inside_the_runs_folder_is_refused(tracker: MlflowTracker, record: RunRecord) -> None:
    with pytest.raises(ConfigError, match=r"hydra\.run\.dir"):
        tracker.start(dataclasses.replace(record, folder=record.start_folder))


def test_a_deleted_experiment_is_a_sentence(tracker: MlflowTracker, record: RunRecord) -> None:
    tracker.start(record)
    client_of(record).delete_experiment(only_run(record).info.experiment_id)
    with pytest.raises(ConfigError, match=r"tracking\.experiment=credo: .*restore"):
        tracker.start(record)


def test_a_store_that_breaks_later_costs_one_warning_and_no_answer(
    tracker: MlflowTracker, record: RunRecord, monkeypatch: pytest.MonkeyPatch, warnings_of: Callable[[], list[str]]
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr("credo.tracking.mlflow.tracker.PAUSE", 0.0)
    tracker.start(record)
    for method in ("log_batch", "log_artifact", "log_artifacts", "set_terminated"):
        monkeypatch.setattr(MlflowClient, method, broken)
    tracker.progress("sampling", 10, 20, {"divergences": 0})
    tracker.progress("sampling", 20, 20, {"divergences": 0})
    assert tracker.finish({"r_hat_max": 1.0}, {}, "", record.folder) is not None
    (said,) = warnings_of()
    assert said.startswith(f"tracking.uri=sqlite:///{record.start_folder}/mlflow.db: MLflow did not take the records")
    assert "(Connection reset by peer); the run goes on" in said
    monkeypatch.undo()
    sync.deliver([record.folder])
    assert only_run(record).info.status == "FINISHED"
    assert only_run(record).data.metrics == {"progress/divergences": 0, "r_hat_max": 1.0}


def test_running_metrics_that_could_not_be_written_are_written_later(
    tracker: MlflowTracker,
    record: RunRecord,
    monkeypatch: pytest.MonkeyPatch,
    warnings_of: Callable[[], list[str]],
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr("credo.tracking.mlflow.tracker.PAUSE", 0.0)
    tracker.start(record)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", broken)
        tracker.progress("sampling", 10, 20, {"divergences": 1})
    assert len(warnings_of()) == 1
    tracker.finish({}, {}, "", record.folder)
    assert only_run(record).data.metrics["progress/divergences"] == 1


def test_the_run_table_shows_the_verdict_whoever_created_the_experiment(
    tracker: MlflowTracker, record: RunRecord
) -> None:
    client = client_of(record)
    client.create_experiment("credo")
    tracker.start(record)
    tracker.finish({}, {}, "", record.folder)
    view = json.loads(client.get_experiment(only_run(record).info.experiment_id).tags["mlflow.sharedViewState.credo"])
    assert view["selectedColumns"][0] == "tags.`verdict`"


def test_a_run_in_a_ready_file_is_recorded_when_it_lasts_and_keeps_its_times(
    tracker: MlflowTracker, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(record)
    experiment = client.create_experiment("credo")
    before = int(time.time() * 1000)
    tracker.start(record)
    tracker.progress("sampling", 10, 20, {"divergences": 3})
    after = int(time.time() * 1000)
    assert client.search_runs([experiment]) == []
    monkeypatch.setattr(tracker, "_next_try", 0.0)
    tracker.progress("sampling", 20, 20, {"divergences": 4})
    run = only_run(record)
    assert run.info.status == "RUNNING"
    assert before <= run.info.start_time <= after
    history = client.get_metric_history(run.info.run_id, "progress/divergences")
    assert [(point.step, point.value) for point in history] == [(10, 3.0), (20, 4.0)]
    assert before <= history[0].timestamp <= after


def test_a_run_in_a_ready_file_that_fails_at_once_is_recorded_as_failed(
    tracker: MlflowTracker, record: RunRecord
) -> None:
    client_of(record).create_experiment("credo")
    tracker.start(record)
    tracker.fail("FAILED", "no starting point", record.folder)
    assert (only_run(record).info.status, only_run(record).data.tags["error"]) == ("FAILED", "no starting point")


def test_files_stay_out_of_mlflow_where_they_are_not_wanted(record: RunRecord, tmp_path: Path) -> None:
    tracker = MlflowTracker(f"sqlite:///{tmp_path}/elsewhere/runs.db", "credo", {}, artifacts=False)
    tracker.start(record)
    tracker.finish({}, {}, "", record.folder)
    assert (tmp_path / "elsewhere" / "runs.db").exists()
    assert not (tmp_path / "elsewhere" / "mlartifacts").exists()


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_a_run_that_is_taken_up_and_stops_early_is_not_running(
    tracker: MlflowTracker, record: RunRecord, status: Literal["FAILED", "KILLED"]
) -> None:
    """Stopped before its store was told that it goes on."""
    tracker.start(record)
    tracker.fail("KILLED", "interrupted", record.folder)
    for reason in ("once more", "and again"):
        tracker.start(replace(record, start=Resumed()))
        tracker.fail(status, reason, record.folder)
        run = only_run(record)
        assert (run.info.status, run.data.tags["error"]) == (status, reason)
    tracker.start(replace(record, start=Resumed()))
    tracker.finish({}, {}, "", record.folder)
    run = only_run(record)
    assert run.info.status == "FINISHED"
    assert "error" not in run.data.tags


def test_a_run_that_is_stopped_while_it_is_created_is_not_created_twice(
    tracker: MlflowTracker, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = MlflowClient.create_run

    def interrupted(self: MlflowClient, *words: Any, **more: Any) -> Any:
        create(self, *words, **more)
        monkeypatch.setattr(MlflowClient, "create_run", create)
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "create_run", interrupted)
    monkeypatch.setattr(store, "is_file_for", lambda *_: False)
    with pytest.raises(KeyboardInterrupt):
        tracker.start(record)
    tracker.fail("KILLED", "interrupted", record.folder)
    assert only_run(record).info.status == "KILLED"
