"""A run's state on disk, so that it can be taken up again after it was killed, or made longer when it is done.

`checkpoint/` in the run's folder has `blocks-0.npz`, `blocks-1.npz`, ... (draws, each file once) and `state.npz` (all
else, replaced atomically), which has the checksums of these files and of itself. `before.npz` is the state of the save
before, from which the run goes on where the last one is damaged. The blocks of a run whose draws would not fit into
memory are written as they come, one array per file in the folders `spill-0`, `spill-1`, ... A finished run keeps its
last state alone: its draws are in `posterior.nc`.
"""

import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from credo.errors import ConfigError, RunError
from credo.inference.base import Snapshot
from credo.runs.code.record import NO_CODE
from credo.runs.code.record import require_same as require_same_code
from credo.runs.snapshot import BEFORE, STATE, VERSION, Loaded, Spilled, checksum, checksum_of, head_of, is_open, read
from credo.writing import replacing

MOST_NAMED = 5


@dataclass
class Checkpoint:
    """A checkpointer on disk (see `inference.base.Checkpointer`).

    Attributes:
        run: the run's folder.
        every: seconds between two saves; `None` keeps nothing.
        identity: what must be the same for the run to be resumed: plain containers.
        resumed: whether to take up what is there.
        extensions: how many times the run was made longer after its end.
        extends: the setting of the method by which the run is made longer; `None` where it cannot be.
    """

    run: Path
    every: float | None
    identity: Mapping[str, Any]
    resumed: bool = False
    extensions: int = 0
    extends: str | None = None
    _saved: float = field(default_factory=time.monotonic, init=False)
    _files: dict[str, str] = field(default_factory=dict, init=False)  # files and folders, in order, with checksums
    _written: int = field(default=0, init=False)  # how many blocks are in them
    _spilled: int = field(default=0, init=False)
    _last: Snapshot | None = field(default=None, init=False)
    _loaded: Loaded | None = field(default=None, init=False)
    _keeps: bool = field(default=True, init=False)  # whether the last state is whole, and kept as the one before

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.run / "checkpoint"

    def check(self) -> None:
        """Read the whole checkpoint of a run that is resumed, so that none of it fails later.

        Raises:
            ConfigError: a file is damaged, or the configuration or the code differs; the sentence names what does.
        """
        if not self.resumed:
            return
        head = head_of(self.run)
        before, now = head["identity"], json.loads(json.dumps(self.identity, default=str))
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
                checksums |= {one.folder.name: checksum(one.folder) for one in blocks if isinstance(one, Spilled)}
                continue
            loose = list(blocks)
            joined = {name: np.concatenate([block[name] for block in loose], axis=1) for name in loose[0]}
            file = self.folder / f"blocks-{len(checksums)}.npz"
            self._write(file, joined)
            checksums[file.name] = checksum(file)
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

    def can_go_on(self) -> bool:
        """Whether the run can be taken up now; the end of its inference is saved, unless it keeps nothing."""
        return is_open(self.run) if self.every is None else self.rescue()

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
            "identity": self.identity,
            "numbers": snapshot.numbers,
            "files": list(checksums),
            "checksums": dict(checksums),
            "finished": finished,
            "extensions": self.extensions,
            "extends": self.extends,
        }
        arrays = {**snapshot.arrays, "head": np.array(json.dumps(head, default=str))}
        arrays["checksum"] = np.array(checksum_of(arrays))
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


def _require_same(before: Any, now: Any) -> None:
    differences = list(_differences(before, now, ""))
    if differences:
        more = f" and {len(differences) - MOST_NAMED} more" if len(differences) > MOST_NAMED else ""
        raise ConfigError(
            "the run was configured otherwise than what is asked now: "
            f"{'; '.join(differences[:MOST_NAMED])}{more}; restore it, or start a new run"
        )


def _differences(before: Any, now: Any, name: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in (*before, *(key for key in now if key not in before)):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif before != now:
        yield f"{name} was {before} and is {now}"
