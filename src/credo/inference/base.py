"""What an inference method offers (`conf/inference`), and who listens to it and saves its state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import jax
    import numpy as np

    from credo.inference.result import Result
    from credo.models.problem import Problem


@runtime_checkable
class Inference(Protocol):
    """How the unknowns are found (`conf/inference`).

    A class attribute `extends` names the setting that `credo extend` raises, where a longer run goes on from the last
    state of a finished one: `draws`, `repeats` or `steps`. An attribute `in_turn` says whether it has chains whose
    draws are the same on any number of devices.
    """

    def check(self, problem: "Problem") -> None:
        """Raise `ConfigError` if this method cannot do this problem, naming one that can. Compiles nothing."""
        ...

    def run(self, problem: "Problem", key: "jax.Array", listener: "Listener", checkpointer: "Checkpointer") -> "Result":
        """Infer the latents of `problem`, from the beginning or from the checkpointer's snapshot.

        Raises:
            RunError: the inference could not be done (no finite starting point, say).
        """
        ...


class Listener(Protocol):
    """Who watches an inference between its blocks: the progress display and the tracker."""

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Hear of a block that has been made.

        Args:
            phase: `warmup`, `sampling`, `optimisation` or `training`.
            done: draws per chain (or optimiser steps, or epochs) of this phase so far.
            total: draws per chain of this phase altogether.
            numbers: the state of things, e.g. `step_size`, `divergences`, `r_hat_max`, `ess_bulk_min`, `objective`.
        """
        ...


class NoListener:
    """Hears nothing; what is computed for listeners alone, as R-hat between two blocks, is left out."""

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Let the news go."""


NO_LISTENER = NoListener()


@dataclass(frozen=True)
class Snapshot:
    """All that an inference is between two blocks: from it, the inference goes on to the same bits.

    Attributes:
        arrays: the state, by name.
        numbers: counters and the history so far, as JSON has them.
        blocks: what is finished, block by block in order: arrays whose second axis is of draws, along which a
            checkpointer may join them. A longer run has the same blocks and more.
    """

    arrays: "Mapping[str, np.ndarray]"
    numbers: Mapping[str, Any]
    blocks: "Sequence[Mapping[str, np.ndarray]]" = ()


class Checkpointer(Protocol):
    """Who saves the state of an inference, so that the inference can be resumed."""

    def load(self) -> Snapshot | None:
        """Return the snapshot to go on from; `None` to begin at the beginning."""
        ...

    def is_due(self) -> bool:
        """Whether it is time to save."""
        ...

    def spill(self, block: "Mapping[str, np.ndarray]") -> "Mapping[str, np.ndarray]":
        """Write a block of a large run to disk; return one whose arrays are read when they are used."""
        ...

    def save(self, snapshot: Snapshot) -> None:
        """Save a snapshot, all or nothing.

        Raises:
            RunError: it could not be saved; the one before is untouched.
        """
        ...

    def done(self, snapshot: Snapshot) -> None:
        """Hear how the inference ended."""
        ...


class NoCheckpointer:
    """Saves nothing, and resumes nothing."""

    def load(self) -> Snapshot | None:
        """Return `None`: there is no snapshot."""
        return None

    def is_due(self) -> bool:
        """Return `False`: no save is ever due."""
        return False

    def spill(self, block: "Mapping[str, np.ndarray]") -> "Mapping[str, np.ndarray]":
        """Return the block itself, in memory."""
        return block

    def save(self, snapshot: Snapshot) -> None:
        """Let the snapshot go."""

    def done(self, snapshot: Snapshot) -> None:
        """Let the snapshot go."""


NO_CHECKPOINTER = NoCheckpointer()
