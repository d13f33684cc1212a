"""`tracking.system_metrics`: the machine is measured while a run goes on, and while its server is away."""

import importlib.util
import sys
import time

import pytest
from fakes import URI, FakeServer

from credo.errors import ConfigError
from credo.runs.record import RunRecord
from credo.tracking.mlflow import system
from credo.tracking.mlflow.tracker import MlflowTracker

needs_psutil = pytest.mark.skipif(
    importlib.util.find_spec("psutil") is None, reason="psutil is not installed (pip install 'credo[system]')"
)


@needs_psutil
def test_the_machine_is_measured_until_the_run_ends(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "SECONDS", 0.05)
    server = FakeServer(record.start_folder)
    monkeypatch.setattr("credo.tracking.mlflow.store.connect", server.connect)
    server.is_up = False
    tracker = MlflowTracker(URI, "credo", {}, artifacts=False, system_metrics=True)
    before = time.time()
    tracker.start(record)
    sampler = tracker._sampler
    assert sampler is not None
    while len(sampler._samples) < 3:
        time.sleep(0.01)
    server.comes_back()
    ended = time.time()
    tracker.finish({}, {}, "", record.folder)
    assert not sampler._thread.is_alive()

    (run,) = server.runs
    names = {"cpu_utilization_percentage", "system_memory_usage_megabytes", "disk_usage_percentage"}
    assert {f"system/{name}" for name in names} <= set(run.data.metrics)
    points = server.client.get_metric_history(run.info.run_id, "system/system_memory_usage_percentage")
    assert len(points) >= 3  # two in the same millisecond are one
    assert max(point.timestamp for point in points) >= int(1000 * ended)
    for point in points:
        assert 0 < point.value < 100
        assert 1000 * (before - 1) <= point.timestamp <= 1000 * time.time()
        assert point.step == point.timestamp // 1000


def test_without_psutil_it_is_refused(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    tracker = MlflowTracker(None, "credo", {}, artifacts=False, system_metrics=True)
    with pytest.raises(ConfigError, match=r"^tracking\.system_metrics=true: .*pip install psutil"):
        tracker.start(record)
