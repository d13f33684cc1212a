"""What cuts a run off in a test, and keeps it to be taken up again."""

import json
from collections.abc import Mapping

import numpy as np

from credo.inference.base import Snapshot


class Memory:
    """A checkpointer as a file would be one: everything is copied, numbers by way of JSON, all blocks in one."""

    def __init__(self, kept: Snapshot | None = None, due: bool = False) -> None:
        self.kept, self.due, self.saved = kept, due, 0

    def load(self) -> Snapshot | None:
        return self.kept

    def is_due(self) -> bool:
        return self.due

    def spill(self, block: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return block

    def save(self, kept: Snapshot) -> None:
        arrays = {name: np.array(value) for name, value in kept.arrays.items()}
        first = kept.blocks[0] if kept.blocks else {}
        together = {name: np.concatenate([block[name] for block in kept.blocks], 1) for name in first}
        self.kept = Snapshot(arrays, json.loads(json.dumps(kept.numbers)), [together] if kept.blocks else [])
        self.saved += 1

    def done(self, kept: Snapshot) -> None:
        self.save(kept)


class Cut:
    """A listener that interrupts the run when it is told for the n-th time."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.heard: list[tuple[str, int, int, dict[str, float]]] = []

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        if len(self.heard) == self.at:
            raise KeyboardInterrupt
        self.heard.append((phase, done, total, dict(numbers)))
