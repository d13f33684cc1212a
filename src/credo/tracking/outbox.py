"""Records of a run that its store does not have yet: in memory, and after a failure in `RUN/tracking.jsonl` too.

The file has one JSON object a line: first the head, by which the run is created or found again, then the records in
their order; NaN and infinities are spelt as Python's `json` spells them. It is put in its place whole and then only
appended to, so that a process which is killed loses nothing, and it is removed when everything is delivered. Any
tracker whose store may be away can keep its records here; `credo.tracking.delivery` sends them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from credo import writing
from credo.errors import ConfigError
from credo.runs import files, signature, trust
from credo.secrets import masked

if TYPE_CHECKING:
    from filelock import BaseFileLock

FILE = "tracking.jsonl"
LOCK = ".tracking.lock"

Record = Mapping[str, Any]
"""`{"kind": ..., ...}`: one record of a run, as JSON has it; the tracker names the kinds."""


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
        began: when the run started, in milliseconds since 1970.
        tags: the run's first tags; the run is the one that started then and has the tag `folder`.
        resumed: whether it is the folder's newest run, whenever that started.
    """

    uri: str
    start_folder: str
    experiment: str
    name: str
    began: int
    tags: Mapping[str, str]
    resumed: bool


@dataclass
class Journal:
    """The records of a run that are pending until its store takes them.

    Attributes:
        folder: the run's folder.
        head: by what the run is created.
        pending: the records that the store does not have yet, in order.
        trusted: whether the user trusts whoever wrote the run's folder.
    """

    folder: Path
    head: Head
    pending: list[Record] = field(default_factory=list)
    trusted: bool = False
    _lock: "BaseFileLock | None" = field(default=None, repr=False)

    @property
    def is_kept(self) -> bool:
        """Whether the pending records are in the file, too."""
        return self._lock is not None

    def add(self, kind: str, *, first: bool = False, **content: Any) -> None:
        """Add a record after all others; or in place of those of its kind, as early as the run goes on."""
        record = {"kind": kind, **content}
        if first:
            others = [other for other in self.pending if other["kind"] != kind]
            behind = max((place for place, other in enumerate(others, 1) if other["kind"] == "again"), default=0)
            self.pending = [*others[:behind], record, *others[behind:]]
        else:
            self.pending.append(record)
        if self.is_kept:
            try:
                with (self.folder / FILE).open("a", encoding="ascii") as file:
                    file.write(_line(record))
            except OSError:
                self.close()  # the next failure of the store is the next try to keep the whole

    def keep(self) -> None:
        """From now on keep the pending records in the file, which only its owner can read.

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

    def remove(self, records: Sequence[Record]) -> None:
        """Forget records that the store has; without any records left, there is no file."""
        delivered = set(map(id, records))
        self.pending = [record for record in self.pending if id(record) not in delivered]
        if self.is_kept and not self.pending:
            (self.folder / FILE).unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Let other processes have the file."""
        if self._lock is not None:
            (self.folder / LOCK).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def _write(self) -> None:
        head = {_HEAD.get(name, name): value for name, value in masked(asdict(self.head)).items()}
        text = "".join(map(_line, (head | {"signature": signature.word(head)}, *self.pending)))
        writing.write(self.folder / FILE, text, writing.PRIVATE)


def read(folder: Path, shape: Any = None, *, trusted: bool = False) -> Journal | None:
    """The journal that an earlier process left in a run's folder; `None` where everything was delivered.

    Args:
        folder: of the run.
        shape: the type of the tracker's records, a `TypedDict`; `None` for any.
        trusted: whether its records go where it says, whoever wrote it.

    Raises:
        InUseError: that process, or another one, still records this run.
        ConfigError: the file is damaged, or it is a stranger's and says where the records go.
    """
    if not (folder / FILE).exists():
        return None
    lock = _locked(folder)
    try:
        head, pending, is_own = _parsed(folder / FILE, shape or _Record)
        if not (trusted or is_own or trust.is_own_store(head.uri)):
            raise ConfigError(
                f"{folder / FILE} would send the records to {masked(head.uri)}; {trust.NOT_OWN} to credo sync"
            )
        if not (trusted or is_own):
            head = replace(head, start_folder=str(Path.cwd()))  # by which a path in the address is judged
        journal = Journal(folder, head, pending, trusted, lock)
        journal._write()  # noqa: SLF001 - without the half line
    except BaseException:
        lock.release()
        raise
    return journal


def _parsed(file: Path, shape: Any) -> tuple[Head, list[Record], bool]:
    """The head, the records, and whether the user's own credo wrote the head."""
    works = "the run's folder has all its files; remove this one if nothing of it is to be delivered any more"
    with files.reading(file, works):
        whole = files.text(file).split("\n")[:-1]  # a process that was killed left half a line
        head, *pending = [files.fitting(file, json.loads(line), dict[str, Any], works) for line in whole]
    signed = head.pop("signature", None)
    files.fitting(file, head, _Head, works)
    for record in pending:
        files.fitting(file, record, shape, works)
    settings = {name: head[_HEAD.get(name, name)] for name in Head.__annotations__}
    return Head(**settings), pending, signature.is_own_word(head, signed)


_HEAD = {"resumed": "again"}
"""Names of the head's fields in the file, where they differ."""


class _Head(TypedDict):
    uri: str
    start_folder: str
    experiment: str
    name: str
    began: int
    tags: dict[str, str]
    again: bool


class _Record(TypedDict):
    """What records of all kinds have."""

    kind: str


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
