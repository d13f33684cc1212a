"""What finished jobs of a sweep have for MLflow, which a thread sends while the next job goes on.

The folder of each job keeps its records until the store has them, so that a process that is killed loses none: they are
delivered when the sweep is resumed, or by `credo sync`.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from credo.errors import ConfigError
from credo.tracking.mlflow.worker import WorkerDelivery

_thread: ThreadPoolExecutor | None = None
_sent: list[Future[None]] = []


def begin() -> None:
    """From now on take what finished runs of this process have."""
    global _thread
    if _thread is None:
        _thread = ThreadPoolExecutor(1, thread_name_prefix="mlflow")


def take(delivery: WorkerDelivery) -> bool:
    """Send the records of a finished run later; `False` where nobody does."""
    if _thread is None or delivery.worker is None:
        return False
    try:
        delivery.journal.keep()
    except (OSError, ConfigError):
        return False
    _sent.append(_thread.submit(_send, delivery))
    return True


def wait() -> None:
    """Wait until all is sent."""
    while _sent:
        _sent.pop(0).result()


def end() -> None:
    """Wait until all is sent, and take no more."""
    global _thread
    wait()
    _thread = None


def _send(delivery: WorkerDelivery) -> None:
    delivery.attempt()
    with suppress(OSError):
        delivery.journal.close()
