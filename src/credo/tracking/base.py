"""What a tracker must offer (`conf/tracking`)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from credo.runs.record import RunRecord

if TYPE_CHECKING:
    from credo.runs.job import Job


class SweepRecord(Protocol):
    """Where a sweep is recorded, with its runs under it."""

    @property
    def id(self) -> str:
        """The tracker's id of the sweep, which the records of its jobs have as their parent."""
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
        description: str,
        files: Sequence[Path],
    ) -> None:
        """Record the end of the sweep, with a description in markdown and files of its folder."""
        ...


class Tracker(ABC):
    """Where runs are recorded (`conf/tracking`). A tracker only listens; its failure never changes an answer.

    A tracker of a user's own implements `start`, `finish` and `fail`; everything else has a default.

    Attributes:
        name: what people call it, on the terminal, e.g. `MLflow`.
        keeps_runs: whether it finds finished runs again (`answered`).
    """

    name: ClassVar[str] = "tracker"
    keeps_runs: ClassVar[bool] = False

    def ahead(self) -> None:  # noqa: B027 - a default
        """Begin to load what takes time, beside this process; called where the settings are sound, before `start`."""

    @abstractmethod
    def start(self, record: RunRecord) -> None:
        """Record a run whose configuration is sound, before its inference starts.

        Raises:
            ConfigError: it cannot be recorded; it is not run.
        """

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:  # noqa: B027 - a default
        """Record numbers of a run that goes on (see `inference.base.Listener.progress`)."""

    @abstractmethod
    def finish(
        self, metrics: Mapping[str, float], tags: Mapping[str, str], description: str, folder: Path
    ) -> str | None:
        """Record a finished run: its metrics, its tags, a description in markdown and the files of its folder.

        Returns:
            Where a person finds the run; `None` where that is its folder alone.
        """

    @abstractmethod
    def fail(self, status: Literal["FAILED", "KILLED"], reason: str, folder: Path) -> None:
        """Record a run that did not finish, with the reason and whatever files it left."""

    def begin_sweep(  # noqa: B027 - a default
        self, name: str, tags: Mapping[str, str], folder: Path, start_folder: Path
    ) -> SweepRecord | None:
        """Record a sweep, or go on with the one that has this folder; `None` where sweeps are not recorded."""

    def answered(self, fingerprint: str, start_folder: Path) -> Path | None:  # noqa: B027 - a default
        """The folder of a finished run with this fingerprint, if there is one."""

    def asked(self, mark: str, start_folder: Path, name: str = "question") -> Path | None:  # noqa: B027 - a default
        """The folder of a finished run with this question (see `runs.question`), if that can be known at once.

        Args:
            mark: the question, or the fingerprint.
            start_folder: where credo was started.
            name: which of the two it is, `question` or `fingerprint`.
        """

    def identity(self, folder: Path, start_folder: Path) -> str | None:  # noqa: ARG002 - a default
        """The id of the run that has a folder; `None` where it is not recorded here."""
        return None

    def find(self, word: str) -> Path | None:  # noqa: B027 - a default
        """The folder of the run, or of the sweep, that has this id; `None` where the word is no id of this tracker.

        Raises:
            ConfigError: the word may be one of its ids, but there is no such run.
        """
