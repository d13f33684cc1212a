"""An inference that was done before its job runs: batched with those of other jobs of a sweep."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credo.experiment import signals
from credo.inference.base import Checkpointer, Listener, NoCheckpointer, Snapshot

if TYPE_CHECKING:
    from credo.inference.result import Result


class Watch(NoCheckpointer):
    """Remembers what an inference reports to its listener and its checkpointer.

    Attributes:
        progresses: the arguments of each call of `progress`, in order.
        kept: where the inference ended.
    """

    def __init__(self, screen: Listener | None) -> None:
        """Show the progress on `screen`, too."""
        self._screen = screen
        self.progresses: list[tuple[str, int, int, Mapping[str, float]]] = []
        self.kept: Snapshot | None = None

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Remember, unless a signal stops the sweep."""
        signals.check()
        self.progresses.append((phase, done, total, numbers))
        if self._screen is not None:
            self._screen.progress(phase, done, total, numbers)

    def done(self, kept: Snapshot) -> None:
        """Remember."""
        self.kept = kept


@dataclass(frozen=True)
class Inferred:
    """An inference and its result, before its job is run.

    Attributes:
        result: of the inference, or what it raised.
        watch: what the inference reported.
        jobs: how many jobs one program inferred.
    """

    result: "Result | Exception"
    watch: Watch
    jobs: int

    def replay(self, listener: Listener, checkpointer: Checkpointer) -> "Result":
        """Report the progress once more, and return the result or raise what the inference raised."""
        for progress in self.watch.progresses:
            listener.progress(*progress)
        if isinstance(self.result, Exception):
            raise self.result
        if self.watch.kept is not None:
            checkpointer.done(self.watch.kept)
        return self.result


_CURRENT: ContextVar[Inferred | None] = ContextVar("credo_inferred", default=None)


def current() -> Inferred | None:
    """The inference of the job that runs here; `None` where the job has to infer by itself."""
    return _CURRENT.get()


@contextmanager
def using(inferred: Inferred | None) -> Iterator[None]:
    """Let the job that runs here use an inference."""
    token = _CURRENT.set(inferred)
    try:
        yield
    finally:
        _CURRENT.reset(token)
