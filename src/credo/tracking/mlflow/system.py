"""The machine under a run: CPU, memory, disk, network and GPU as metrics `system/...` (`tracking.system_metrics`).

MLflow's collectors say what is measured. Its monitor is not used: it asks the store at every sample whether the run
still goes on, and ends for good when a server is away; here the samples are kept for it, like all records.
"""

import importlib.util
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from credo.errors import ConfigError

if TYPE_CHECKING:
    from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor

SECONDS = 10.0
"""Between two samples, as MLflow has it; the last one is taken when the run ends."""


class Sampler:
    """Measures in a thread until it is stopped."""

    def __init__(self) -> None:
        self._collectors = _collectors()
        self._samples: deque[tuple[float, dict[str, float]]] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="system metrics", daemon=True)
        self._thread.start()

    def take(self) -> Iterator[tuple[float, dict[str, float]]]:
        """What was measured since the last call, with the times in seconds since 1970."""
        while self._samples:
            yield self._samples.popleft()

    def stop(self) -> None:
        """Measure once more and end."""
        self._stop.set()
        self._thread.join(SECONDS)

    def _measure(self) -> None:
        stopped = False
        while not stopped:
            stopped = self._stop.wait(SECONDS)
            numbers: dict[str, float] = {}
            for collector in self._collectors:
                collector.collect_metrics()
                numbers |= collector.aggregate_metrics()
                collector.clear_metrics()
            self._samples.append((time.time(), {f"system/{name}": value for name, value in numbers.items()}))


def require_psutil() -> None:
    """Refuse system metrics where nothing can measure them.

    Raises:
        ConfigError: psutil is not installed.
    """
    if importlib.util.find_spec("psutil") is None:
        raise ConfigError(
            "tracking.system_metrics=true: expected the package psutil, which measures them, and it is not installed; "
            "install it (pip install psutil), or set tracking.system_metrics=false"
        )


def _collectors() -> "list[BaseMetricsMonitor]":
    import psutil

    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # as in `store.connect`
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
        from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
    psutil.cpu_percent()  # which tells of the time since it was asked last
    collectors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    try:
        return [*collectors, GPUMonitor()]
    except Exception:  # noqa: BLE001 - whatever NVIDIA's library says where there is no GPU
        return collectors
