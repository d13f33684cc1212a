"""Runs recorded by a real `mlflow server`, which is killed in the middle of a run and started again."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import account
from mlflow.entities import Run
from servers import Server

from credo.tracking import outbox

pytestmark = pytest.mark.slow

WORDS = ("data=eight_schools", "model=hierarchical", "inference=nuts", "device=cpu", "report=none", "seed=3")
LONG = ("inference.draws=30000", "inference.block=100", "inference.checkpoint.every=1")
MEASURED = re.compile(r"seconds|per_second|checkpoint|memory")
"""Metrics that are measured, not computed, and differ from run to run."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server", f"sqlite:///{tmp_path}/server/mlflow.db")
    server.start()
    yield server
    server.kill()


def begin(server: Server, here: Path, folder: str, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "credo", *words, f"hydra.run.dir={folder}", f"tracking.uri={server.uri}"]
    return subprocess.Popen(  # noqa: S603
        command, cwd=here, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def say(here: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "credo", *words]
    return subprocess.run(command, cwd=here, text=True, capture_output=True, check=False)  # noqa: S603


def wait_for(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def runs(server: Server) -> list[Run]:
    experiment = server.client.get_experiment_by_name("credo")
    return list(server.client.search_runs([experiment.experiment_id])) if experiment is not None else []


def lasting(server: Server, run: Run) -> dict[str, Any]:
    """All that MLflow has of a run that the same seed gives again."""
    told = account(server.client, run)
    told["metrics"] = {
        name: [step for step, _ in points] if MEASURED.search(name) else points
        for name, points in told["metrics"].items()
    }
    told["tags"] = {
        name: word for name, word in told["tags"].items() if name not in ("overrides", "mlflow.note.content")
    }
    told["files"] = sorted(told["files"])
    return told


def test_a_server_that_is_killed_in_the_middle_of_a_run_has_all_of_it_after_a_sync(
    server: Server, tmp_path: Path
) -> None:
    process = begin(server, tmp_path, "disturbed", *WORDS, *LONG)
    wait_for(lambda: any("progress/divergences" in run.data.metrics for run in runs(server)))
    server.kill()
    _, said = process.communicate(timeout=300)
    warned = [line for line in said.splitlines() if "tracking.uri" in line]
    assert (process.returncode, len(warned)) == (0, 1), said
    assert "Connection refused" in warned[0]
    assert f"credo sync {tmp_path}/disturbed" in warned[0]
    assert (tmp_path / "disturbed" / outbox.FILE).exists()

    still_away = say(tmp_path, "sync", "disturbed")
    assert (still_away.returncode, still_away.stdout, still_away.stderr.count("\n")) == (1, "", 1)
    server.start()
    (run,) = runs(server)
    assert run.info.status == "RUNNING"
    synced = say(tmp_path, "sync", "disturbed")
    assert (synced.returncode, synced.stderr) == (0, ""), synced.stderr
    assert not (tmp_path / "disturbed" / outbox.FILE).exists()
    assert "nothing to deliver" in say(tmp_path, "sync", "disturbed").stdout

    process = begin(server, tmp_path, "undisturbed", *WORDS, *LONG)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    second, first = runs(server)
    assert Path(first.data.tags["folder"]).name == "disturbed"
    expected = lasting(server, second)
    assert len(expected["metrics"]["progress/divergences"]) == 300
    assert lasting(server, first) == expected


def test_a_run_that_began_without_its_server_and_was_killed_is_taken_up_as_one_run(
    server: Server, tmp_path: Path
) -> None:
    server.kill()
    process = begin(server, tmp_path, "run", *WORDS, *LONG)
    file = tmp_path / "run" / outbox.FILE
    wait_for(lambda: file.exists() and file.read_text().count("progress/") > 3)
    wait_for(lambda: (tmp_path / "run" / "checkpoint").exists())
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    server.start()
    synced = say(tmp_path, "sync", "run")
    assert (synced.returncode, synced.stderr) == (0, "")
    (run,) = runs(server)
    assert (run.info.status, "progress/divergences" in run.data.metrics) == ("RUNNING", True)
    resumed = say(tmp_path, "resume", "run")
    assert resumed.returncode == 0, resumed.stderr
    (run,) = runs(server)
    assert run.info.status == "FINISHED"
    steps = [point.step for point in server.client.get_metric_history(run.info.run_id, "progress/divergences")]
    assert sorted(steps) == list(range(100, 30_001, 100))
