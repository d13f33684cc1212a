"""Many machines on one server: PostgreSQL below it, files through it, eight processes with 25 runs each at once."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import pytest
from fakes import files
from servers import Postgresql, Server

from credo.cli import sync
from credo.errors import ConfigError
from credo.runs.record import RunRecord
from credo.tracking import outbox
from credo.tracking.mlflow import store
from credo.tracking.mlflow.tracker import MlflowTracker

MISSING = [program for program in ("initdb", "pg_ctl") if shutil.which(program) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"PostgreSQL is not installed (apt-get install postgresql): no {MISSING}"),
    pytest.mark.skipif(
        importlib.util.find_spec("psycopg") is None, reason="psycopg is not installed (pip install 'credo[server]')"
    ),
]

WORKERS, RUNS = 8, 25

WORKER = """
import sys
from pathlib import Path

import mlflow.tracking  # the slow part first, so that all begin at the same moment
import numpy as np
import xarray as xr

from credo.runs.record import RunRecord
from credo.tracking.mlflow.tracker import MlflowTracker

here, uri, worker, runs = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
data = xr.Dataset({"y": ("obs", np.arange(8.0))})
choices = {"data": "eight_schools", "model": "hierarchical", "inference": "nuts", "device": "cpu"}
print("ready", flush=True)
sys.stdin.readline()
for number in range(runs):
    folder = here / worker / str(number)
    (folder / "plots").mkdir(parents=True)
    (folder / "plots" / "trace.svg").write_text(f"<svg>{worker} {number}</svg>")
    (folder / "verdict.json").write_text("{}")
    config = {"seed": number, "model": {f"weight_{i}": i for i in range(30)}}
    origin = {"data_hash": "ab" * 32, "user": worker}
    tracker = MlflowTracker(uri, "many", {}, artifacts=True)
    tracker.start(RunRecord(f"{worker} {number}", config, choices, (), folder, here, origin, {}, data))
    for done in (10, 20, 30):
        tracker.progress("sampling", done, 30, {"divergences": done + number})
    tracker.finish({f"posterior/{i}/mean": float(i + number) for i in range(40)}, {"verdict": "passed"}, "", folder)
"""


@pytest.fixture
def database() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory(prefix="credo-") as folder:
        database = Postgresql(Path(folder))
        database.start()
        yield database
        database.stop()


def test_two_hundred_runs_of_eight_processes_at_once(database: Postgresql, tmp_path: Path) -> None:
    server = Server(tmp_path, database.uri)
    server.start()
    try:
        began = time.monotonic()
        command = [sys.executable, "-c", WORKER, str(tmp_path / "runs"), server.uri]
        workers = [
            subprocess.Popen([*command, str(i), str(RUNS)], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)  # noqa: S603
            for i in range(WORKERS)
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        complaints = [worker.communicate(timeout=400)[1] for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * WORKERS, complaints
        assert complaints == [""] * WORKERS
        sys.stderr.write(f"{WORKERS} processes with {RUNS} runs each: {time.monotonic() - began:.0f} s\n")

        experiment = server.client.get_experiment_by_name("many")
        assert experiment is not None
        runs = server.client.search_runs([experiment.experiment_id], max_results=1000)
        names = [f"{worker} {number}" for worker in range(WORKERS) for number in range(RUNS)]
        assert sorted(run.info.run_name or "" for run in runs) == sorted(names)
        for run in runs:
            number = int(run.data.params["seed"])
            assert (run.info.status, run.info.end_time is not None) == ("FINISHED", True)
            assert {f"model.weight_{i}": str(i) for i in range(30)}.items() <= run.data.params.items()
            expected = {f"posterior/{i}/mean": float(i + number) for i in range(40)}
            assert run.data.metrics == expected | {"progress/divergences": 30.0 + number}
            points = server.client.get_metric_history(run.info.run_id, "progress/divergences")
            assert [(point.step, point.value) for point in points] == [(done, done + number) for done in (10, 20, 30)]
            size = len(f"<svg>{run.info.run_name}</svg>")
            assert files(server.client, run.info.run_id) == {"plots/trace.svg": size, "verdict.json": 2}
            assert run.inputs is not None
            assert len(run.inputs.dataset_inputs) == 1
        assert not list((tmp_path / "runs").rglob(outbox.FILE))
    finally:
        server.kill()


def test_a_database_that_goes_away_in_the_middle_of_a_run(
    database: Postgresql, record: RunRecord, warnings_of: Callable[[], list[str]]
) -> None:
    """At the start it is refused at once, since its address may be wrong; later the records are kept."""
    tracker = MlflowTracker(database.uri, "credo", {}, artifacts=True)
    tracker.start(record)
    tracker.progress("sampling", 10, 20, {"divergences": 1})
    database.stop()
    place = tracker.finish({"draws": 20}, {}, "", record.folder)
    assert place == f"not there yet: credo sync '{record.folder}'"
    (said,) = warnings_of()
    assert said.startswith(f"tracking.uri=postgresql://***@127.0.0.1:{database.port}/postgres: MLflow did not take")

    began = time.monotonic()
    other = record.folder / "other"
    other.mkdir()
    with pytest.raises(ConfigError, match=r"^tracking\.uri=postgresql://.*tracking=none"):
        MlflowTracker(database.uri, "credo", {}, artifacts=True).start(replace(record, folder=other))
    assert time.monotonic() - began < 10
    other.rmdir()

    database.start()
    sync.deliver([record.folder])
    client = store.connect(store.locate(database.uri, record.start_folder))
    experiment = client.get_experiment_by_name("credo")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"progress/divergences": 1, "draws": 20})
    assert not (record.folder / outbox.FILE).exists()
