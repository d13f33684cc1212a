"""What was told of a run and its store does not have yet: in memory, and after a failure in `RUN/tracking.jsonl` too.

The file has one JSON object a line: first the head, by which the run is created or found again, then the records in the
order told; NaN and infinities are spelt as Python's `json` spells them. It is put in its place whole and then only
appended to, so that a process which is killed loses nothing, and it is removed when everything was delivered.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from credo import writing
from credo.errors import ConfigError
from credo.runs import files, signature, trust
from credo.secrets import masked

if TYPE_CHECKING:
    from filelock import BaseFileLock

FILE = "tracking.jsonl"
LOCK = ".tracking.lock"

Record = Mapping[str, Any]
"""`{"kind": ..., ...}`: one thing told of a run, as JSON has it; `credo.tracking.mlflow.delivery` names the kinds."""


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
        trusted: whether the user trusts whoever wrote the run's folder.
    """

    folder: Path
    head: Head
    waiting: list[Record] = field(default_factory=list)
    trusted: bool = False
    _lock: "BaseFileLock | None" = field(default=None, repr=False)

    @property
    def is_kept(self) -> bool:
        """Whether what waits is in the file, too."""
        return self._lock is not None

    def tell(self, kind: str, *, first: bool = False, **content: Any) -> None:
        """Add a record behind all that wait; or in place of those of its kind, as early as the run goes on."""
        record = {"kind": kind, **content}
        if first:
            others = [other for other in self.waiting if other["kind"] != kind]
            behind = max((place for place, other in enumerate(others, 1) if other["kind"] == "again"), default=0)
            self.waiting = [*others[:behind], record, *others[behind:]]
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
        head = masked(asdict(self.head))
        text = "".join(map(_line, (head | {"signature": signature.word(head)}, *self.waiting)))
        writing.write(self.folder / FILE, text, writing.PRIVATE)


def read(folder: Path, *, trusted: bool = False) -> Journal | None:
    """The journal that an earlier process left in a run's folder; `None` where everything was delivered.

    Args:
        folder: of the run.
        trusted: whether its records go where it says, whoever wrote it.

    Raises:
        InUseError: that process, or another one, still records this run.
        ConfigError: the file is damaged, or it is a stranger's and says where the records go.
    """
    if not (folder / FILE).exists():
        return None
    lock = _locked(folder)
    try:
        head, waiting, is_own = _parsed(folder / FILE)
        if not (trusted or is_own or trust.is_own_store(head.uri)):
            raise ConfigError(
                f"{folder / FILE} would send the records to {masked(head.uri)}; {trust.NOT_OWN} to credo sync"
            )
        if not (trusted or is_own):
            head = replace(head, start_folder=str(Path.cwd()))  # by which a path in the address is judged
        journal = Journal(folder, head, waiting, trusted, lock)
        journal._write()  # noqa: SLF001 - without the half line
    except BaseException:
        lock.release()
        raise
    return journal


def _parsed(file: Path) -> tuple[Head, list[Record], bool]:
    """The head, the records, and whether the user's own credo wrote the head."""
    works = "the run's folder has all its files; remove this one if nothing of it is to be delivered any more"
    with files.reading(file, works):
        whole = files.text(file).split("\n")[:-1]  # a process that was killed left half a line
        head, *waiting = [files.fitting(file, json.loads(line), dict[str, Any], works) for line in whole]
    said = head.pop("signature", None)
    files.fitting(file, head, _Head, works)
    for record in waiting:
        files.fitting(file, record, _Record, works)
    return Head(**{name: head[name] for name in _Head.__annotations__}), waiting, signature.is_own_word(head, said)


class _Head(TypedDict):
    uri: str
    start_folder: str
    experiment: str
    name: str
    began: int
    tags: dict[str, str]
    again: bool


class _Record(TypedDict):
    """What records of all kinds have; see `credo.tracking.mlflow.delivery`."""

    kind: Literal["again", "log", "dataset", "files", "register", "end", "lost"]
    params: NotRequired[dict[str, Any]]
    metrics: NotRequired[dict[str, float]]
    tags: NotRequired[dict[str, str]]
    step: NotRequired[int]
    time: NotRequired[int | None]
    dataset: NotRequired[dict[str, Any]]
    names: NotRequired[list[str] | None]
    name: NotRequired[str]
    version: NotRequired[int]
    status: NotRequired[str]
    error: NotRequired[str]


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
