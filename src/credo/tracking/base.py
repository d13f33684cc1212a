"""What a tracker must offer (`conf/tracking`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from credo.runs.record import Story

if TYPE_CHECKING:
    from credo.runs.job import Job


class SweepRecord(Protocol):
    """Where a sweep is recorded, with its runs under it."""

    @property
    def id(self) -> str:
        """The tracker's name of it."""
        ...

    @property
    def place(self) -> str:
        """Where a person finds it."""
        ...

    def settle(self, name: str, job: "Job", folder: Path) -> None:
        """Record the end of a job that could not do so itself: it was refused, or its process vanished."""
        ...

    def end(
        self,
        status: Literal["FINISHED", "FAILED", "KILLED"],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        note: str,
        files: "Sequence[Path]",
    ) -> None:
        """Record what came of it."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """Where runs are recorded (`conf/tracking`). A tracker only listens; its failure never changes an answer."""

    def start(self, story: Story) -> None:
        """Called once, when the configuration is known to be sound and before the inference starts."""
        ...

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """See `Listener.progress`."""
        ...

    def finish(self, metrics: Mapping[str, float], tags: Mapping[str, str], note: str, files: Path) -> str | None:
        """Record a finished run: its metrics, tags, a description in markdown and all files of its folder.

        Returns:
            Where a person finds the run, or `None`.
        """
        ...

    def fail(self, status: Literal["FAILED", "KILLED"], reason: str, files: Path) -> None:
        """Record a run that did not finish, with the reason and whatever files it left."""
        ...

    def begin_sweep(self, name: str, tags: Mapping[str, str], folder: Path, start_folder: Path) -> SweepRecord | None:
        """Record a sweep, or go on with the one that has this folder; `None` where sweeps are not recorded."""
        ...

    def answered(self, fingerprint: str, start_folder: Path) -> Path | None:
        """The folder of a finished run with this fingerprint, if there is one."""
        ...
