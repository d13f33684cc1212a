"""A run's state on disk, so that it can be taken up again after it was killed, or made longer when it is done.

`checkpoint/` in the run's folder has `blocks-0.npz`, `blocks-1.npz`, ... (draws, each file once) and `state.npz` (all
else, replaced atomically). The blocks of a run whose draws would not fit into memory are written as they come, one
array per file in the folders `shelf-0`, `shelf-1`, ... A finished run keeps its last state alone: its draws are in
`posterior.nc`.
"""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from credo.code.record import NO_CODE
from credo.code.record import require_same as require_same_code
from credo.contracts import Kept
from credo.errors import ConfigError, RunError
from credo.models.names import SITE
from credo.writing import replacing

MOST_NAMED = 5


class Shelved(Mapping[str, np.ndarray]):
    """A block on disk; an array is mapped into memory when it is asked for, and only as long as it is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: list[str] = json.loads((folder / "names.json").read_text())

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            number = self._names.index(name)
        except ValueError:
            raise KeyError(name) from None
        return np.asarray(np.load(self.folder / f"{number}.npy", mmap_mode="r"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass
class Checkpoint:
    """A keeper on disk (see `contracts.Keeper`).

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
    _files: list[str] = field(default_factory=list, init=False)  # names of files and shelves, in order
    _written: int = field(default=0, init=False)  # how many blocks are in them
    _shelves: int = field(default=0, init=False)
    _last: Kept | None = field(default=None, init=False)

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.run / "checkpoint"

    def check(self) -> None:
        """Read how far the run is, if it is taken up.

        Raises:
            ConfigError: the question or the code is another one; the sentence names what differs.
        """
        if self.resumed:
            head = read_head(self.run)
            before, now = head["question"], json.loads(json.dumps(self.question, default=str))
            require_same_code(before.pop("code", None), now.pop("code", NO_CODE), self.run)
            _require_same(before, now)
            self.extensions = head["extensions"] + head["finished"]

    def load(self) -> Kept | None:
        """What is on disk, if the run is taken up; of a finished run its draws and its end, from which it goes on."""
        if not self.resumed:
            return None
        head = read_head(self.run)
        arrays = _arrays(self.folder / "state.npz")
        del arrays["head"]
        if head["finished"]:
            kept = Kept(arrays, {**head["numbers"], "ended": None}, [_finished_draws(self.run / "posterior.nc")])
            self.save(kept)
            return kept
        self._files = head["files"]
        blocks = [self._block(name) for name in self._files]
        self._written = len(blocks)
        self._shelves = sum(isinstance(block, Shelved) for block in blocks)
        return Kept(arrays, head["numbers"], blocks)

    def _block(self, name: str) -> Mapping[str, np.ndarray]:
        return Shelved(self.folder / name) if name.startswith("shelf") else _arrays(self.folder / name)

    def shelve(self, block: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Write a block, and read from it what is asked for.

        Raises:
            RunError: the disk is full, say.
        """
        folder = self.folder / f"shelf-{self._shelves}"
        folder.mkdir(parents=True, exist_ok=True)
        with self._explained():
            for number, array in enumerate(block.values()):
                np.save(folder / f"{number}.npy", array, allow_pickle=False)
            (folder / "names.json").write_text(json.dumps(list(block)))
        self._shelves += 1
        return Shelved(folder)

    def is_due(self) -> bool:
        """Whether the last save is long enough ago."""
        return self.every is not None and time.monotonic() - self._saved >= self.every

    def save(self, kept: Kept) -> None:
        """Write the blocks that are new, and then the state.

        Raises:
            RunError: the disk is full, say; the files of the last save are untouched.
        """
        if self.every is not None:
            self._save(kept)

    def _save(self, kept: Kept) -> None:
        with self._explained():
            self.folder.mkdir(exist_ok=True)
        files = list(self._files)
        for shelved, blocks in groupby(kept.blocks[self._written :], lambda block: isinstance(block, Shelved)):
            if shelved:
                files += [block.folder.name for block in blocks if isinstance(block, Shelved)]
                continue
            loose = list(blocks)
            joined = {name: np.concatenate([block[name] for block in loose], axis=1) for name in loose[0]}
            files.append(f"blocks-{len(files)}.npz")
            self._write(self.folder / files[-1], joined)
        self._write_state(kept, files, finished=False)
        self._files, self._written = files, len(kept.blocks)
        self._saved = time.monotonic()

    def done(self, kept: Kept) -> None:
        """Save the end of a run that was saved before: its results are not yet written."""
        self._last = kept
        if self._files or self.resumed:
            self.save(kept)

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
        self._write_state(self._last, [], finished=True)
        for file in self.folder.glob("blocks-*.npz"):
            file.unlink()
        for shelf in self.folder.glob("shelf-*"):
            shutil.rmtree(shelf)

    def _write_state(self, kept: Kept, files: list[str], *, finished: bool) -> None:
        head = {"question": self.question, "numbers": kept.numbers, "files": files, "finished": finished}
        text = np.array(json.dumps(head | {"extensions": self.extensions}, default=str))
        self._write(self.folder / "state.npz", {**kept.arrays, "head": text})

    def _write(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """A file as a whole or not at all, even where the power fails."""
        with self._explained(), replacing(path, durable=True) as scratch, scratch.open("wb") as file:
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


def is_open(run: Path) -> bool:
    """Whether the run in this folder was cut off and can be taken up."""
    return (run / "checkpoint" / "state.npz").exists() and not read_head(run)["finished"]


def read_head(run: Path) -> dict[str, Any]:
    """What the checkpoint of a run says of it: `question, numbers, files, finished, extensions`.

    Raises:
        ConfigError: there is no checkpoint.
    """
    try:
        with np.load(run / "checkpoint" / "state.npz") as state:
            return dict(json.loads(str(state["head"])))
    except FileNotFoundError:
        raise ConfigError(
            f"{run} has no checkpoint to go on from: it was stopped before the first, or ran with "
            "inference.checkpoint.every=null; run it again"
        ) from None


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def _finished_draws(path: Path) -> dict[str, np.ndarray]:
    """The draws of a finished run as one block."""
    import xarray as xr

    with xr.open_datatree(path, engine="netcdf4") as tree:
        return {
            f"{group}/{array.attrs.get(SITE, name)}": array.to_numpy()
            for group, part in tree.children.items()
            for name, array in part.data_vars.items()
            if array.dims[:2] == ("chain", "draw")
        }


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
