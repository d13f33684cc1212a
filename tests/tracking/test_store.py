import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from credo.tracking.mlflow import store

RACER = """
import sys
from pathlib import Path
from credo.tracking.mlflow import store

where = store.locate(None, Path(sys.argv[1]))
import mlflow.tracking  # the slow part first, so that all open the store at the same moment
print("ready", flush=True)
sys.stdin.readline()
client = store.connect(where)
experiment = store.experiment(client, "credo", where.artifacts)
client.set_terminated(client.create_run(experiment).info.run_id)
"""


@pytest.mark.slow
def test_four_first_users_at_the_same_moment_share_one_store(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path)]
    racers = [subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) for _ in range(4)]  # noqa: S603
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    complaints = [racer.communicate(timeout=120)[1] for racer in racers]

    assert [racer.returncode for racer in racers] == [0, 0, 0, 0], complaints
    assert complaints == [""] * 4
    client = store.connect(store.locate(None, tmp_path))
    experiment = client.get_experiment_by_name("credo")
    assert experiment is not None
    assert {run.info.status for run in client.search_runs([experiment.experiment_id])} == {"FINISHED"}
    assert len(client.search_runs([experiment.experiment_id])) == 4
