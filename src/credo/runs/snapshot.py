"""One saved state of a run, as it is on disk, and its reading with every checksum."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np

from credo.errors import ConfigError
from credo.runs import files, saved, signature
from credo.runs.files import DamagedError

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
    longest: NotRequired[int]
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
        identity: what must be the same for the run to be resumed.
        numbers: counters and the history so far.
        files: names of files and folders with blocks, in order.
        checksums: SHA-256 by file; a spilled block has one of all its files.
        finished: whether the results are written.
        extensions: how many times the run was made longer after its end.
        extends: the setting by which it is made longer; null where it cannot be.
    """

    version: NotRequired[int]
    identity: dict[str, Any]
    numbers: _Numbers
    files: list[str]
    checksums: NotRequired[dict[str, str]]
    finished: bool
    extensions: int
    extends: NotRequired[str | None]


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
        if "checksum" in arrays and str(arrays.pop("checksum")) != checksum_of(arrays):
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
    actual = {name: _checksum_if_right(file.parent / name, checksums.get(name)) for name in head["files"]}
    return Loaded(head, arrays, [_block(file.parent / name) for name in actual], actual)


def _checksum_if_right(place: Path, expected: str | None) -> str:
    with files.reading(place, NEW):
        actual = checksum(place)
    if expected not in (None, actual):
        raise DamagedError(place, "is damaged (its checksum is another one)", NEW)
    return actual


def _block(place: Path) -> Mapping[str, np.ndarray]:
    if not place.name.startswith("spill"):
        return files.arrays(place, NEW)
    block = Spilled(place)
    for number, name in enumerate(block):  # nothing is read but what the arrays are like
        with files.reading(place / f"{number}.npy", NEW):
            block[name]
    return block


def checksum(place: Path) -> str:
    """The SHA-256 of a file, or of all files of a spilled block."""
    if place.is_file():
        return signature.digest(place)
    each = "".join(f"{file.name} {signature.digest(file)}\n" for file in sorted(place.iterdir()))
    return hashlib.sha256(each.encode()).hexdigest()


def checksum_of(arrays: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of arrays, with their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
