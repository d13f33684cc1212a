"""What was told of a run and its store does not have yet: in memory, and after a failure in `RUN/tracking.jsonl` too.

The file has one JSON object a line: first the head, by which the run is created or found again, then the records in the
order told; NaN and infinities are spelt as Python's `json` spells them. It is put in its place whole and then only
appended to, so that a process which is killed loses nothing, and it is removed when everything was delivered.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credo.errors import ConfigError
from credo.secrets import masked

if TYPE_CHECKING:
    from filelock import BaseFileLock

FILE = "tracking.jsonl"
LOCK = ".tracking.lock"

Record = Mapping[str, Any]
"""`{"kind": ..., ...}`: one thing told of a run, as JSON has it; `credo.tracking.delivery` names the kinds."""


class InUseError(ConfigError):
    """Another process records this run at the moment."""


@dataclass(frozen=True)
class Head:
    """By what a run is created, or found where it was.

    Attributes:
        uri: the store; in the file it is without its password, which the environment has on another day.
        start_folder: the folder in which credo was started.
        experiment: the name of MLflow's experiment.
        name: the run's name.
        began: when the run began, in milliseconds since 1970.
        tags: the run's first tags; the run is the one that began then and has the tag `folder`.
        again: whether it is the folder's newest run, whenever that began.
    """

    uri: str
    start_folder: str
    experiment: str
    name: str
    began: int
    tags: Mapping[str, str]
    again: bool


@dataclass
class Journal:
    """The records of a run that wait for its store.

    Attributes:
        folder: the run's folder.
        head: by what the run is created.
        waiting: what the store does not have yet, in the order told.
    """

    folder: Path
    head: Head
    waiting: list[Record] = field(default_factory=list)
    _lock: "BaseFileLock | None" = field(default=None, repr=False)

    @property
    def is_kept(self) -> bool:
        """Whether what waits is in the file, too."""
        return self._lock is not None

    def tell(self, kind: str, *, first: bool = False, **content: Any) -> None:
        """Add a record behind all that wait; or before them, and in place of those of its kind."""
        record = {"kind": kind, **content}
        if first:
            self.waiting = [record, *(other for other in self.waiting if other["kind"] != kind)]
        else:
            self.waiting.append(record)
        if self.is_kept:
            try:
                with (self.folder / FILE).open("a", encoding="ascii") as file:
                    file.write(_line(record))
            except OSError:
                self.close()  # the next failure of the store is the next try to keep the whole

    def keep(self) -> None:
        """From now on keep what waits in the file, which is its owner's alone.

        Raises:
            InUseError: another process records this run.
            OSError: the file cannot be written.
        """
        if self._lock is None:
            self._lock = _locked(self.folder)
            try:
                self._write()
            except OSError:
                self.close()
                raise

    def delivered(self, records: Sequence[Record]) -> None:
        """Forget what the store has; without any records left, there is no file."""
        known = set(map(id, records))
        self.waiting = [record for record in self.waiting if id(record) not in known]
        if self.is_kept and not self.waiting:
            (self.folder / FILE).unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Let other processes have the file."""
        if self._lock is not None:
            (self.folder / LOCK).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def _write(self) -> None:
        scratch = self.folder / f".{FILE}"
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.writelines(map(_line, (asdict(self.head), *self.waiting)))
        scratch.replace(self.folder / FILE)


def read(folder: Path) -> Journal | None:
    """The journal that an earlier process left in a run's folder; `None` where everything was delivered.

    Raises:
        InUseError: that process, or another one, still records this run.
    """
    if not (folder / FILE).exists():
        return None
    lock = _locked(folder)
    whole = (folder / FILE).read_text(encoding="ascii").split("\n")[:-1]  # a process that was killed left half a line
    head, *waiting = map(json.loads, whole)
    journal = Journal(folder, Head(**head), waiting, lock)
    journal._write()  # noqa: SLF001 - without the half line
    return journal


def _line(record: Record) -> str:
    return json.dumps(masked(record)) + "\n"


def _locked(folder: Path) -> "BaseFileLock":
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InUseError(f"{folder}: the run is going on in another process, or just being delivered; wait") from None
    return lock
