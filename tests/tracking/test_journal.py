"""A store that goes away, at whatever call, and comes back has in the end what one that was always there has."""

import contextlib
import json
import math
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import URI, FakeServer, account, files

from console import credo
from credo.cli import sync
from credo.errors import ConfigError, RunError
from credo.runs.job import Job, State
from credo.runs.record import Resumed, RunRecord
from credo.tracking import outbox
from credo.tracking.mlflow.tracker import MlflowTracker

METRICS = {"r_hat_max": math.nan, "elpd": -math.inf, "draws": 0.1 + 0.2}


@pytest.fixture
def server(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    server = FakeServer(record.start_folder)
    monkeypatch.setattr("credo.tracking.mlflow.store.connect", server.connect)
    return server


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between tries."""
    for name in ("PAUSE", "PAUSE_AFTER_FAILURE"):
        monkeypatch.setattr(f"credo.tracking.mlflow.tracker.{name}", 0.0)
    monkeypatch.setattr("credo.tracking.mlflow.tracker.SHARE_OF_FAILURES", math.inf)


@pytest.fixture
def tracker() -> MlflowTracker:
    return MlflowTracker(URI, "credo", {"paper": "draft"}, artifacts=True)


@contextlib.contextmanager
def away(server: FakeServer) -> Iterator[None]:
    server.is_up = False
    yield
    server.comes_back()


def experiment(record: RunRecord, fails: bool = False) -> str | None:
    """A run as `experiment.run.run` tells it."""
    tracker = MlflowTracker(URI, "credo", {"paper": "draft"}, artifacts=True)
    tracker.start(record)
    tracker.progress("warmup", 10, 10, {"step_size": 0.1})
    for done in (10, 20):
        tracker.progress("sampling", done, 20, {"r_hat_max": math.nan, "divergences": done})
    if fails:
        tracker.fail("FAILED", "The log density became NaN or infinite.", record.folder)
        return None
    return tracker.finish(METRICS, {"verdict": "passed"}, "# Eight schools", record.folder)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("fails", "hears_last"),
    [
        (False, True),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((False, False), (True, True), (True, False))),
    ],
)
def test_whenever_the_server_goes_away_it_has_everything_in_the_end(
    server: FakeServer, record: RunRecord, fails: bool, hears_last: bool, warnings_of: Callable[[], list[str]]
) -> None:
    experiment(record, fails)
    (undisturbed,) = server.runs
    expected, calls = account(server.client, undisturbed), len(server.calls)
    assert expected["metrics"]["warmup/step_size"] == [(10, "0.1")]
    assert expected["files"] == {".hydra/config.yaml": 8, "verdict.json": 2}
    assert warnings_of() == []

    for last in range(1, calls + 1):
        server.goes_away(last, hears_last)
        place = experiment(record, fails)
        assert (record.folder / outbox.FILE).exists(), server.calls
        assert place is None if fails else place == f"not there yet: credo sync '{record.folder}'"
        server.comes_back()
        sync.deliver(sync.folders([str(record.folder)]))
        assert len(server.runs) == last + 1, server.calls
        assert account(server.client, server.runs[-1]) == expected, server.calls
        assert sorted(path.name for path in record.folder.iterdir()) == [".hydra", "verdict.json"]
    assert len(warnings_of()) == calls


@pytest.mark.usefixtures("eager")
def test_a_server_that_is_back_during_the_run_gets_everything_and_no_file_is_left(
    server: FakeServer, record: RunRecord, tracker: MlflowTracker, warnings_of: Callable[[], list[str]]
) -> None:
    experiment(record)
    server.is_up = False
    tracker.start(record)
    tracker.progress("warmup", 10, 10, {"step_size": 0.1})
    tracker.progress("sampling", 10, 20, {"r_hat_max": math.nan, "divergences": 10})
    kept = [json.loads(line) for line in (record.folder / outbox.FILE).read_text().splitlines()]
    assert [record.get("kind") for record in kept] == [None, "log", "dataset", "log", "log"]
    assert stat.S_IMODE((record.folder / outbox.FILE).stat().st_mode) == 0o600
    server.comes_back()
    tracker.progress("sampling", 20, 20, {"r_hat_max": math.nan, "divergences": 20})
    assert not (record.folder / outbox.FILE).exists()
    assert server.runs[1].info.status == "RUNNING"
    place = tracker.finish(METRICS, {"verdict": "passed"}, "# Eight schools", record.folder)
    assert place is not None
    assert place.startswith(f"{URI}/#/experiments/")
    first, second = (account(server.client, run) for run in server.runs)
    assert first == second
    (said,) = warnings_of()
    assert said == (
        f"tracking.uri={URI}: MLflow did not take the records of the run (Connection refused); the run goes on, and "
        f"its folder keeps them until MLflow is back and credo sync '{record.folder}' delivers them"
    )


def test_a_server_that_is_away_is_not_asked_at_every_block(
    server: FakeServer, record: RunRecord, tracker: MlflowTracker
) -> None:
    server.is_up = False
    tracker.start(record)
    asked = len(server.calls)
    for done in range(100):
        tracker.progress("sampling", done, 100, {"divergences": done})
    assert len(server.calls) == asked
    tracker.finish(METRICS, {}, "", record.folder)
    assert asked < len(server.calls) <= 2 * asked


@pytest.mark.usefixtures("eager")
def test_a_run_that_was_killed_and_is_taken_up_is_one_run(server: FakeServer, record: RunRecord) -> None:
    """Its first process left half a line, and the blocks since its checkpoint are sampled once more."""
    server.is_up = False
    killed = MlflowTracker(URI, "credo", {}, artifacts=True)
    killed.start(record)
    for done in (10, 20):
        killed.progress("sampling", done, 40, {"divergences": done})
    assert killed._delivery is not None
    killed._delivery.journal.close()  # as the system does with the lock of a process that is gone
    with (record.folder / outbox.FILE).open("a") as file:
        file.write('{"kind": "log", "metr')

    again = MlflowTracker(URI, "credo", {}, artifacts=True)
    again.start(replace(record, start=Resumed()))
    for done in (20, 30):
        again.progress("sampling", done, 40, {"divergences": done})
    again.fail("KILLED", "interrupted", record.folder)
    server.comes_back()
    third = MlflowTracker(URI, "credo", {}, artifacts=True)
    third.start(replace(record, start=Resumed()))
    third.progress("sampling", 40, 40, {"divergences": 40})
    third.finish({"draws": 40}, {}, "", record.folder)

    (run,) = server.runs
    history = server.client.get_metric_history(run.info.run_id, "progress/divergences")
    assert [(point.step, point.value) for point in history] == [(10, 10), (20, 20), (30, 30), (40, 40)]
    assert (run.info.status, "error" in run.data.tags) == ("FINISHED", False)
    assert not (record.folder / outbox.FILE).exists()


@pytest.mark.usefixtures("eager")
def test_what_one_kind_of_record_meets_does_not_stop_the_others(
    server: FakeServer, record: RunRecord, monkeypatch: pytest.MonkeyPatch, warnings_of: Callable[[], list[str]]
) -> None:
    def forbidden(*arguments: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(server.client, "log_artifact", forbidden)
        experiment(record)
    (run,) = server.runs
    assert (run.info.status, run.data.metrics["draws"]) == ("FINISHED", METRICS["draws"])
    (said,) = warnings_of()
    assert "Permission denied" in said
    kept = [json.loads(line) for line in (record.folder / outbox.FILE).read_text().splitlines()[1:]]
    assert {record["kind"] for record in kept} >= {"files"}
    sync.deliver([record.folder])
    assert "verdict.json" in account(server.client, server.runs[0])["files"]


def test_a_server_that_answers_nonsense_is_refused(
    server: FakeServer, record: RunRecord, monkeypatch: pytest.MonkeyPatch, tracker: MlflowTracker
) -> None:
    def missing(name: str) -> None:
        raise ValueError("API request to endpoint /api/2.0/mlflow/experiments failed with error code 404 != 200")

    with monkeypatch.context() as patch:
        patch.setattr(server.client, "get_experiment_by_name", missing)
        with pytest.raises(ConfigError, match=r"^tracking\.uri=http.*404.*tracking=none"):
            tracker.start(record)
    assert not (record.folder / outbox.FILE).exists()
    tracker.fail("FAILED", "never started", record.folder)  # has nothing to say to nobody
    assert server.runs == []


def test_records_of_another_run_are_not_overwritten(
    server: FakeServer, record: RunRecord, tracker: MlflowTracker
) -> None:
    server.is_up = False
    experiment(record)
    before = (record.folder / outbox.FILE).read_bytes()
    with pytest.raises(ConfigError, match=r"^hydra\.run\.dir=.*credo sync"):
        tracker.start(record)
    assert (record.folder / outbox.FILE).read_bytes() == before


def test_records_that_cannot_be_kept_cost_no_answer(
    server: FakeServer, record: RunRecord, monkeypatch: pytest.MonkeyPatch, warnings_of: Callable[[], list[str]]
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("credo.tracking.outbox.Journal._write", full)
    server.is_up = False
    experiment(record)
    (said,) = warnings_of()
    assert "No space left on device" in said


def test_a_server_that_is_away_has_answered_nothing(
    server: FakeServer, record: RunRecord, tracker: MlflowTracker
) -> None:
    """Jobs of a sweep that skips what was answered run, then; a new sweep is refused, whose jobs name their parent."""
    with away(server):
        assert tracker.answered("a question", record.start_folder) is None
        with pytest.raises(ConfigError, match=r"^tracking\.uri=.*Connection refused"):
            tracker.begin_sweep("draws=1,2", {}, record.folder, record.start_folder)
    tracker.start(replace(record, provenance={**record.provenance, "fingerprint": "a question"}))
    assert tracker.answered("a question", record.start_folder) is None
    tracker.finish({}, {}, "", record.folder)
    assert tracker.answered("a question", record.start_folder) == record.folder


def as_of_a_sweep(folder: Path) -> None:
    """A sweep's folder has a plan, and no configuration of a run."""
    shutil.rmtree(folder / ".hydra")
    (folder / "sweep.json").write_text('{"jobs": []}')


def test_a_sweep_whose_server_goes_away_is_kept_with_its_lost_jobs(
    server: FakeServer, record: RunRecord, tracker: MlflowTracker, warnings_of: Callable[[], list[str]]
) -> None:
    """The jobs that recorded themselves are as they were, though the sweep settles them, too."""
    as_of_a_sweep(record.folder)
    folders = {name: record.folder / name for name in ("answered", "vanished", "refused")}
    for folder in folders.values():
        (folder / ".hydra").mkdir(parents=True)
    (record.folder / "sweep.csv").write_text("job,state\n")
    sweep = tracker.begin_sweep("draws=1,2,3", {"sweep": "today"}, record.folder, record.start_folder)
    for name in ("answered", "vanished"):
        job = MlflowTracker(URI, "credo", {}, artifacts=False)
        job.start(replace(record, folder=folders[name]))
        if name == "answered":
            job.finish({"draws": 1}, {}, "", folders[name])
    with away(server):
        for name, folder in folders.items():
            state: State = "FINISHED" if name == "answered" else "FAILED"
            sweep.settle(name, Job(("draws=1",), state, reason="its process vanished", began=1.0), folder)
        asked = len(server.calls)
        sweep.end("FINISHED", {"jobs": 3}, {"best": "1"}, "# Sweep", [record.folder / "sweep.csv"])
        assert len(server.calls) == asked
    assert len(warnings_of()) == 1
    sync.deliver(sync.folders([str(record.folder)]))

    runs = {Path(run.data.tags["folder"]).name: run for run in server.runs}
    states = {name: (run.info.status, run.data.tags.get("error")) for name, run in runs.items()}
    lost = ("FAILED", "its process vanished")
    assert states == {
        "run": ("FINISHED", None),
        "answered": ("FINISHED", None),
        "vanished": lost,
        "refused": lost,
    }
    assert runs["refused"].data.tags["mlflow.parentRunId"] == runs["run"].info.run_id == sweep.id
    assert runs["run"].data.metrics == {"jobs": 3}
    assert files(server.client, sweep.id) == {"sweep.csv": 10}


# The command


def test_two_syncs_create_one_run(server: FakeServer, record: RunRecord) -> None:
    """The first one is cut off while the server creates the run."""
    with away(server):
        experiment(record)
    server.goes_away(["get_experiment_by_name", "search_runs", "create_run"].index("create_run") + 1, hears_last=True)
    with pytest.raises(RunError, match="1 of 1 runs"):
        sync.deliver([record.folder])
    assert [run.info.status for run in server.runs] == ["RUNNING"]
    server.comes_back()
    sync.deliver([record.folder])
    assert [run.info.status for run in server.runs] == ["FINISHED"]


def test_sync_says_where_the_runs_are_and_then_that_nothing_is_left(
    server: FakeServer, record: RunRecord, tmp_path: Path
) -> None:
    as_of_a_sweep(record.folder)
    jobs = [record.folder / str(number) for number in range(2)]
    with away(server):
        for folder in jobs:
            (folder / ".hydra").mkdir(parents=True)
            experiment(replace(record, folder=folder))
    said = credo("sync", record.folder, cwd=tmp_path)
    assert (said.code, said.err) == (0, "")
    assert [line for line in said.out.splitlines() if line.endswith(": delivered")] == [
        f"{folder}: delivered" for folder in jobs
    ]
    assert said.out.count(f"{URI}/#/experiments/") == 2
    assert [run.info.status for run in server.runs] == ["FINISHED", "FINISHED"]
    said = credo("sync", *jobs, cwd=tmp_path)
    assert (said.code, said.out) == (0, "nothing to deliver: MLflow has all records of these runs\n")


def test_sync_while_the_server_is_still_away_loses_nothing(
    server: FakeServer, record: RunRecord, tmp_path: Path
) -> None:
    server.is_up = False
    experiment(record)
    before = (record.folder / outbox.FILE).read_bytes()
    said = credo("sync", record.folder, cwd=tmp_path)
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"credo: sync: 1 of 1 runs still have records to deliver: tracking.uri={URI}: MLflow did not take the "
        f"records of {record.folder} (Connection refused); start it, or mend this, and type the same again\n"
    )
    assert (record.folder / outbox.FILE).read_bytes() == before


def test_a_server_that_is_away_is_asked_once_for_all_runs(
    server: FakeServer, record: RunRecord, tmp_path: Path
) -> None:
    as_of_a_sweep(record.folder)
    server.is_up = False
    for number in range(3):
        (record.folder / str(number) / ".hydra").mkdir(parents=True)
        experiment(replace(record, folder=record.folder / str(number)))
    server.calls = []
    said = credo("sync", record.folder, cwd=tmp_path)
    assert (said.code, "3 of 3 runs" in said.err, len(server.calls)) == (1, True, 1)


def test_sync_leaves_a_run_that_is_going_on_alone(
    server: FakeServer, record: RunRecord, tracker: MlflowTracker, tmp_path: Path
) -> None:
    with away(server):
        tracker.start(record)
    said = credo("sync", record.folder, cwd=tmp_path)
    assert (said.code, "is going on in another process" in said.err) == (1, True)
    tracker.finish(METRICS, {}, "", record.folder)
    assert [run.info.status for run in server.runs] == ["FINISHED"]


@pytest.mark.parametrize("words", [(), ("--all",), ("nowhere",), (".",)])
def test_sync_of_what_is_no_run_is_a_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    said = credo("sync", *words, cwd=tmp_path)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)


@pytest.mark.usefixtures("eager")
def test_a_folder_with_a_quote_is_found_again(server: FakeServer, record: RunRecord) -> None:
    folder = record.folder / "St. Paul's"
    (folder / ".hydra").mkdir(parents=True)
    with away(server):
        experiment(replace(record, folder=folder))
    sync.deliver([folder])
    with away(server):
        tracker = MlflowTracker(URI, "credo", {}, artifacts=False)
        tracker.start(replace(record, folder=folder, start=Resumed(1)))
        tracker.finish({"draws": 40}, {}, "", folder)
    sync.deliver([folder])
    (run,) = server.runs
    assert run.data.metrics["draws"] == 40


def test_a_path_in_a_strangers_journal_starts_where_it_is_judged(
    record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path below the present folder is no leave to write below another one."""
    head = {"uri": "sqlite:///mlflow.db", "start_folder": "/srv/elsewhere", "experiment": "credo", "name": "x"}
    text = json.dumps(head | {"began": 1, "tags": {}, "again": False})
    (record.folder / outbox.FILE).write_text(f"{text}\n")
    monkeypatch.chdir(tmp_path)
    told = outbox.read(record.folder)
    assert told is not None
    told.close()
    assert told.head.start_folder == str(tmp_path)
