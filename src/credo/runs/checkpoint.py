"""A run's state on disk, so that it can be taken up again after it was killed, or made longer when it is done.

`checkpoint/` in the run's folder has `blocks-0.npz`, `blocks-1.npz`, ... (draws, each file once) and `state.npz` (all
else, replaced atomically), which has the checksums of these files and of itself. `before.npz` is the state of the save
before, from which the run goes on where the last one is damaged. The blocks of a run whose draws would not fit into
memory are written as they come, one array per file in the folders `spill-0`, `spill-1`, ... A finished run keeps its
last state alone: its draws are in `posterior.nc`.
"""

import hashlib
import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np

from credo.errors import ConfigError, RunError
from credo.inference.base import Snapshot
from credo.runs import files, saved, signature
from credo.runs.code.record import NO_CODE
from credo.runs.code.record import require_same as require_same_code
from credo.runs.files import DamagedError
from credo.writing import replacing

MOST_NAMED = 5
VERSION = 2
"""Of what a checkpoint holds; another one cannot be resumed."""

STATE, BEFORE = "state.npz", "before.npz"
PLACE = re.compile(r"blocks-\d+\.npz|spill-\d+")
NEW = "the run cannot go on without it; begin a new run of the same"
LONGER = "the answer can still be read, but no draws can be added to it; begin a new run with more draws"


class _Entry(TypedDict):
    phase: str
    done: int
    total: NotRequired[int]


class _Numbers(TypedDict):
    history: NotRequired[list[_Entry]]
    began: NotRequired[float]
    done: NotRequired[int]
    evaluations: NotRequired[int]
    divergences: NotRequired[int]
    next_look: NotRequired[float]
    ended: NotRequired[str | None]
    seconds: NotRequired[dict[str, float]]
    programs: NotRequired[int]


class Head(TypedDict):
    """What the checkpoint of a run says of it.

    Attributes:
        version: of the checkpoint (see `VERSION`); the first had none.
        question: what must be the same for the run to be resumed.
        numbers: counters and the history so far.
        files: names of files and folders with blocks, in order.
        checksums: SHA-256 by file; a spilled block has one of all its files.
        finished: whether the results are written.
        extensions: how many times the run was made longer after its end.
    """

    version: NotRequired[int]
    question: dict[str, Any]
    numbers: _Numbers
    files: list[str]
    checksums: NotRequired[dict[str, str]]
    finished: bool
    extensions: int


class Spilled(Mapping[str, np.ndarray]):
    """A block on disk; an array is mapped into memory when it is asked for, and only as long as it is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: list[str] = files.plain_json(folder / "names.json", list[str], NEW)

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            number = self._names.index(name)
        except ValueError:
            raise KeyError(name) from None
        return np.asarray(np.load(self.folder / f"{number}.npy", mmap_mode="r", allow_pickle=False))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass
class Checkpoint:
    """A checkpointer on disk (see `inference.base.Checkpointer`).

    Attributes:
        run: the run's folder.
        every: seconds between two saves; `None` keeps nothing.
        question: what must be the same for the run to be taken up: plain containers.
        resumed: whether to take up what is there.
        extensions: how many times the run was made longer after its end.
    """

    run: Path
    every: float | None
    question: Mapping[str, Any]
    resumed: bool = False
    extensions: int = 0
    _saved: float = field(default_factory=time.monotonic, init=False)
    _files: dict[str, str] = field(default_factory=dict, init=False)  # files and folders, in order, with checksums
    _written: int = field(default=0, init=False)  # how many blocks are in them
    _spilled: int = field(default=0, init=False)
    _last: Snapshot | None = field(default=None, init=False)
    _loaded: "Loaded | None" = field(default=None, init=False)
    _keeps: bool = field(default=True, init=False)  # whether the last state is whole, and kept as the one before

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.run / "checkpoint"

    def check(self) -> None:
        """Read the whole checkpoint of a run that is resumed, so that none of it fails later.

        Raises:
            ConfigError: a file is damaged, or the question or the code is another one; the sentence names what differs.
        """
        if not self.resumed:
            return
        head = head_of(self.run)
        before, now = head["question"], json.loads(json.dumps(self.question, default=str))
        require_same_code(before.pop("code", None), now.pop("code", NO_CODE), self.run)
        _require_same(before, now)
        self._loaded = loaded = read(self.run)
        self.extensions = loaded.head["extensions"] + loaded.head["finished"]
        if loaded.instead_of is not None:
            sys.stderr.write(
                f"{loaded.instead_of.file} {loaded.instead_of.why}; the run goes on from the save before it\n"
            )

    def load(self) -> Snapshot | None:
        """What is on disk, if the run is taken up; of a finished run its draws and its end, from which it goes on."""
        if (loaded := self._loaded) is None:
            return None
        self._loaded, self._keeps = None, loaded.instead_of is None
        if loaded.head["finished"]:
            snapshot = Snapshot(loaded.arrays, {**loaded.head["numbers"], "ended": None}, loaded.blocks)
            self.save(snapshot)
            return snapshot
        self._files = loaded.checksums
        self._written = len(loaded.blocks)
        self._spilled = sum(isinstance(block, Spilled) for block in loaded.blocks)
        return Snapshot(loaded.arrays, dict(loaded.head["numbers"]), loaded.blocks)

    def spill(self, block: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Write a block, and read from it what is asked for.

        Raises:
            RunError: the disk is full, say.
        """
        folder = self.folder / f"spill-{self._spilled}"
        folder.mkdir(parents=True, exist_ok=True)
        with self._explained():
            for number, array in enumerate(block.values()):
                np.save(folder / f"{number}.npy", array, allow_pickle=False)
            (folder / "names.json").write_text(json.dumps(list(block)))
        self._spilled += 1
        return Spilled(folder)

    def is_due(self) -> bool:
        """Whether the last save is long enough ago."""
        return self.every is not None and time.monotonic() - self._saved >= self.every

    def save(self, snapshot: Snapshot) -> None:
        """Write the blocks that are new, and then the state.

        Raises:
            RunError: the disk is full, say; the files of the last save are untouched.
        """
        if self.every is not None:
            self._save(snapshot)

    def _save(self, snapshot: Snapshot) -> None:
        with self._explained():
            self.folder.mkdir(exist_ok=True)
        checksums = dict(self._files)
        for spilled, blocks in groupby(snapshot.blocks[self._written :], lambda block: isinstance(block, Spilled)):
            if spilled:
                checksums |= {one.folder.name: _checksum(one.folder) for one in blocks if isinstance(one, Spilled)}
                continue
            loose = list(blocks)
            joined = {name: np.concatenate([block[name] for block in loose], axis=1) for name in loose[0]}
            file = self.folder / f"blocks-{len(checksums)}.npz"
            self._write(file, joined)
            checksums[file.name] = _checksum(file)
        self._write_state(snapshot, checksums, finished=False)
        self._files, self._written = checksums, len(snapshot.blocks)
        self._saved = time.monotonic()

    def done(self, snapshot: Snapshot) -> None:
        """Save the end of a run that was saved before: its results are not yet written."""
        self._last = snapshot
        if self._files or self.resumed:
            self.save(snapshot)

    def rescue(self) -> bool:
        """Save the end of a run whose results cannot be written, even one that keeps nothing; whether it can go on."""
        if self._last is not None:
            with suppress(RunError):
                self._save(self._last)
        return is_open(self.run)

    def finish(self) -> None:
        """Keep the last state alone: the results are written."""
        if self._last is None:
            return
        if self.every is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        with self._explained():
            self.folder.mkdir(exist_ok=True)
        self._write_state(self._last, {}, finished=True)
        for file in (self.folder / BEFORE, *self.folder.glob("blocks-*.npz")):
            file.unlink(missing_ok=True)
        for spill in self.folder.glob("spill-*"):
            shutil.rmtree(spill)

    def _write_state(self, snapshot: Snapshot, checksums: Mapping[str, str], *, finished: bool) -> None:
        head = {
            "version": VERSION,
            "question": self.question,
            "numbers": snapshot.numbers,
            "files": list(checksums),
            "checksums": dict(checksums),
            "finished": finished,
            "extensions": self.extensions,
        }
        arrays = {**snapshot.arrays, "head": np.array(json.dumps(head, default=str))}
        arrays["checksum"] = np.array(_checksum_of(arrays))
        # Otherwise the one before may do without a block that this needs.
        is_news = not checksums or checksums != self._files
        self._write(self.folder / STATE, arrays, self.folder / BEFORE if self._keeps and is_news else None)
        self._keeps = True

    def _write(self, path: Path, arrays: Mapping[str, np.ndarray], before: Path | None = None) -> None:
        """A file as a whole or not at all, even where the power fails; the one before it is kept under its own name."""
        with self._explained(), replacing(path, durable=True, before=before) as scratch, scratch.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """One sentence where the disk is full."""
        try:
            yield
        except OSError as error:
            raise RunError(
                f"the checkpoint could not be written to {self.folder} ({error.strerror or error}); the one before it "
                f"is whole: make room, then credo resume {self.run}"
            ) from error


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that is whole.

    Attributes:
        head: what it says of the run.
        arrays: the state, by name.
        blocks: what is finished, in order.
        checksums: of the files of the blocks, in order.
        instead_of: what is wrong with a later one, if there is one.
    """

    head: Head
    arrays: Mapping[str, np.ndarray]
    blocks: list[Mapping[str, np.ndarray]]
    checksums: dict[str, str]
    instead_of: DamagedError | None = None


def is_open(run: Path) -> bool:
    """Whether the run in this folder was cut off and can be taken up."""
    return _is_there(run) and not head_of(run)["finished"]


def _is_there(run: Path) -> bool:
    return any((run / "checkpoint" / name).exists() for name in (STATE, BEFORE))


def head_of(run: Path) -> Head:
    """What the last checkpoint of a run says of it, or the one before where that cannot be read.

    Raises:
        ConfigError: there is no checkpoint, or none that can be read.
    """
    return _first_whole(run, lambda file: _state(file)[0])[0]


def read(run: Path) -> Loaded:
    """The last checkpoint of a run that is whole, with its blocks.

    Raises:
        ConfigError: there is none.
    """
    loaded, damage = _first_whole(run, _loaded)
    return loaded if damage is None else replace(loaded, instead_of=damage)


def _first_whole[T](run: Path, take: Callable[[Path], T]) -> tuple[T, DamagedError | None]:
    """What is taken from the last checkpoint, or from the one before, with what is wrong with the last."""
    if not _is_there(run):
        raise ConfigError(
            f"{run} has no checkpoint to go on from: it was stopped before the first, or ran with "
            "inference.checkpoint.every=null; run it again"
        )
    last, before = (run / "checkpoint" / name for name in (STATE, BEFORE))
    try:
        return take(last), None
    except DamagedError as damage:
        if not before.exists():
            raise
        try:
            return take(before), damage
        except DamagedError as other:
            raise DamagedError(damage.file, f"{damage.why}, and {other.file} {other.why}", damage.works) from other


def _state(file: Path) -> tuple[Head, dict[str, np.ndarray]]:
    """The head and the arrays of a state, verified."""
    arrays = files.arrays(file, NEW)
    with files.reading(file, NEW):
        if "checksum" in arrays and str(arrays.pop("checksum")) != _checksum_of(arrays):
            raise DamagedError(file, "is damaged (its checksum is another one)", NEW)
        if "head" not in arrays:
            raise DamagedError(file, "is damaged (it has no head)", NEW)
        head = json.loads(str(arrays.pop("head")))
    if isinstance(head, dict) and head.get("version") != VERSION:
        raise ConfigError(
            f"{file} is a checkpoint of another version of credo, which this one cannot resume; run it again"
        )
    files.fitting(file, head, Head, NEW)
    if strange := [name for name in head["files"] if not PLACE.fullmatch(name)]:
        raise DamagedError(file, f"is damaged ({strange[0]!r} is no file of a checkpoint)", NEW)
    return head, arrays


def _loaded(file: Path) -> Loaded:
    """A checkpoint with its blocks, verified."""
    head, arrays = _state(file)
    run, checksums = file.parent.parent, head.get("checksums", {})
    if head["finished"]:
        return Loaded(head, arrays, [saved.draws(run, LONGER)], {})
    known = {name: _checksum_if_right(file.parent / name, checksums.get(name)) for name in head["files"]}
    return Loaded(head, arrays, [_block(file.parent / name) for name in known], known)


def _checksum_if_right(place: Path, known: str | None) -> str:
    with files.reading(place, NEW):
        checksum = _checksum(place)
    if known not in (None, checksum):
        raise DamagedError(place, "is damaged (its checksum is another one)", NEW)
    return checksum


def _block(place: Path) -> Mapping[str, np.ndarray]:
    if not place.name.startswith("spill"):
        return files.arrays(place, NEW)
    block = Spilled(place)
    for number, name in enumerate(block):  # nothing is read but what the arrays are like
        with files.reading(place / f"{number}.npy", NEW):
            block[name]
    return block


def _checksum(place: Path) -> str:
    """The SHA-256 of a file, or of all files of a spilled block."""
    if place.is_file():
        return signature.digest(place)
    each = "".join(f"{file.name} {signature.digest(file)}\n" for file in sorted(place.iterdir()))
    return hashlib.sha256(each.encode()).hexdigest()


def _checksum_of(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _require_same(before: Any, now: Any) -> None:
    differences = list(_differences(before, now, ""))
    if differences:
        more = f" and {len(differences) - MOST_NAMED} more" if len(differences) > MOST_NAMED else ""
        raise ConfigError(
            "the run asked another question than what is configured now: "
            f"{'; '.join(differences[:MOST_NAMED])}{more}; restore it, or start a new run"
        )


def _differences(before: Any, now: Any, name: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in (*before, *(key for key in now if key not in before)):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif before != now:
        yield f"{name} was {before} and is {now}"
