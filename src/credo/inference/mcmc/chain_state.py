"""All that a run of Markov chains is between two blocks, and how a checkpointer takes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from credo.inference.base import Snapshot
from credo.inference.state import packed, unpacked

Block = Mapping[str, np.ndarray]
"""What is derived from the draws of a block: arrays [chains, draws, ...] by `GROUP/SITE`."""

_START = "start/"
"""Before the names of latents, among the arrays of a snapshot."""

_NUMBERS = (
    *("done", "history", "evaluations", "divergences", "next_look", "skipped", "ended", "seconds", "programs"),
    *("longest", "until", "settled", "target", "is_trial"),
)
_ARRAYS = ("z", "gradients", "told")


@dataclass(frozen=True)
class ChainState:
    """Where a run is between two blocks.

    Attributes:
        states: the states of all chains.
        start: where they began, by latent [chain, ...], unconstrained.
        done: draws per chain so far, those of the warm-up included.
        z, gradients: continuous latents and what the kernel reported of them [chains, draws, ...], of recent warm-up
            draws.
        told: what the kernel reported of the warm-up's window or trial (see `warmup.Told`) [4, chains, draws].
        blocks: what is derived from the draws, block by block.
        history: what the listener heard.
        evaluations: densities so far.
        divergences: in the sampling so far.
        next_look: draws at which R-hat and ESS are looked at next.
        seconds, programs: see `Cost`; of earlier processes that the run was in.
        skipped: draws of the warm-up that were not made (see `near`), which `done` counts.
        longest: draws of the warm-up, with those that were not made.
        until: draws at which the present part of the warm-up ends.
        settled: whether the metric is learned no more.
        target: which of the kernel's targets is taken.
        is_trial: whether the warm-up tries the step size of the sampling.
        ended: why the chains stopped before all draws were made.
    """

    states: Any
    start: Mapping[str, np.ndarray] = field(default_factory=dict)
    done: int = 0
    z: np.ndarray | None = None
    gradients: np.ndarray | None = None
    told: np.ndarray | None = None
    blocks: tuple[Block, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    evaluations: int = 0
    divergences: int = 0
    next_look: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    programs: int = 0
    skipped: int = 0
    longest: int = 0
    until: int = 0
    settled: bool = False
    target: int = 0
    is_trial: bool = False
    ended: str | None = None

    def snapshot(self) -> Snapshot:
        """As a checkpointer takes it."""
        arrays = packed(self.states) | {name: value for name in _ARRAYS if (value := getattr(self, name)) is not None}
        arrays |= {f"{_START}{name}": value for name, value in self.start.items()}
        return Snapshot(arrays, {name: getattr(self, name) for name in _NUMBERS}, self.blocks)


def restored(snapshot: Snapshot, shape: Any) -> ChainState:
    """The state of a snapshot; `shape` is the structure of all chains' states."""
    arrays: dict[str, Any] = {name: snapshot.arrays.get(name) for name in _ARRAYS}
    start = {name.removeprefix(_START): array for name, array in snapshot.arrays.items() if name.startswith(_START)}
    numbers: dict[str, Any] = {name: snapshot.numbers[name] for name in _NUMBERS if name in snapshot.numbers}
    states = unpacked(snapshot.arrays, shape)
    return ChainState(states, start, blocks=tuple(snapshot.blocks), **arrays, **numbers)
