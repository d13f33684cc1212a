"""A run's state on disk, so that it can be taken up again after it was killed, or made longer when it is done.

`checkpoint/` in the run's folder has `blocks-0.npz`, `blocks-1.npz`, ... (draws, each file once) and `state.npz` (all
else, replaced atomically). A finished run keeps its last state alone: its draws are in `posterior.nc`.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from credo.contracts import Kept
from credo.errors import ConfigError, RunError

MOST_NAMED = 5


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
    _files: list[int] = field(default_factory=list, init=False)  # how many blocks are in each file
    _last: Kept | None = field(default=None, init=False)

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.run / "checkpoint"

    def check(self) -> None:
        """Read how far the run is, if it is taken up.

        Raises:
            ConfigError: the question is another one; the sentence names what differs.
        """
        if self.resumed:
            head = read_head(self.run)
            _require_same(head["question"], json.loads(json.dumps(self.question, default=str)))
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
        blocks = [_arrays(self.folder / f"blocks-{i}.npz") for i in range(head["files"])]
        self._files = [1] * len(blocks)
        return Kept(arrays, head["numbers"], blocks)

    def is_due(self) -> bool:
        """Whether the last save is long enough ago."""
        return self.every is not None and time.monotonic() - self._saved >= self.every

    def save(self, kept: Kept) -> None:
        """Write the blocks that are new, and then the state.

        Raises:
            RunError: the disk is full, say; the files of the last save are untouched.
        """
        if self.every is None:
            return
        self.folder.mkdir(exist_ok=True)
        written = sum(self._files)
        files = list(self._files)
        if new := kept.blocks[written:]:
            joined = {name: np.concatenate([block[name] for block in new], axis=1) for name in new[0]}
            self._write(self.folder / f"blocks-{len(files)}.npz", joined)
            files.append(len(new))
        self._write_state(kept, len(files), finished=False)
        self._files = files
        self._saved = time.monotonic()

    def done(self, kept: Kept) -> None:
        """Save the end of a run that was saved before: its results are not yet written."""
        self._last = kept
        if self._files or self.resumed:
            self.save(kept)

    def finish(self) -> None:
        """Keep the last state alone: the results are written."""
        if self._last is None or self.every is None:
            return
        self.folder.mkdir(exist_ok=True)
        self._write_state(self._last, 0, finished=True)
        for file in self.folder.glob("blocks-*.npz"):
            file.unlink()

    def _write_state(self, kept: Kept, files: int, *, finished: bool) -> None:
        head = {"question": self.question, "numbers": kept.numbers, "files": files, "finished": finished}
        text = np.array(json.dumps(head | {"extensions": self.extensions}, default=str))
        self._write(self.folder / "state.npz", {**kept.arrays, "head": text})

    def _write(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """A file as a whole or not at all, even where the power fails."""
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise RunError(
                f"the checkpoint could not be written to {self.folder} ({error.strerror}); the one before it is whole: "
                f"make room, then credo resume {self.run}"
            ) from error


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

    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return {
            f"{group}/{name}": array.to_numpy()
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
