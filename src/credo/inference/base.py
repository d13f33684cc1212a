"""What an inference method must offer (`conf/inference`), and who listens to it and keeps its state."""

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
    """How the unknowns are found (`conf/inference`)."""

    def check(self, problem: "Problem") -> None:
        """Raise `ConfigError` if this method cannot do this problem, naming one that can. Compiles nothing."""
        ...

    def run(self, problem: "Problem", key: "jax.Array", listener: "Listener", checkpointer: "Checkpointer") -> "Result":
        """Infer the latents of `problem`, from the beginning or from where the checkpointer has it.

        Raises:
            RunError: the inference could not be done (no finite starting point, say).
        """
        ...


class Listener(Protocol):
    """Who watches an inference between its blocks: the progress display and the tracker."""

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Told after each block.

        Args:
            phase: `warmup`, `sampling`, `optimisation` or `training`.
            done: draws per chain (or optimiser steps, or epochs) of this phase so far.
            total: draws per chain of this phase altogether.
            numbers: what is known by now, e.g. `step_size`, `divergences`, `r_hat_max`, `ess_bulk_min`, `objective`.
        """
        ...


@dataclass(frozen=True)
class Snapshot:
    """Where an inference is between two blocks: all that is needed to go on to the same bits.

    Attributes:
        arrays: the state, by name.
        numbers: counters and the history so far, as JSON has them.
        blocks: what is finished, block by block in order; a longer run has the same blocks and more.
    """

    arrays: "Mapping[str, np.ndarray]"
    numbers: Mapping[str, Any]
    blocks: "Sequence[Mapping[str, np.ndarray]]" = ()


class Checkpointer(Protocol):
    """Who keeps the state of an inference, so that it can be taken up again."""

    def load(self) -> Snapshot | None:
        """What is kept; `None` to begin at the beginning."""
        ...

    def is_due(self) -> bool:
        """Whether it is time to save."""
        ...

    def spill(self, block: "Mapping[str, np.ndarray]") -> "Mapping[str, np.ndarray]":
        """Put a block of a large run out of memory; its arrays are read when they are asked for."""
        ...

    def save(self, snapshot: Snapshot) -> None:
        """Keep this, all or nothing.

        Raises:
            RunError: it could not be kept; what was kept before is as it was.
        """
        ...

    def done(self, snapshot: Snapshot) -> None:
        """Told where the inference ended."""
        ...


class NoCheckpointer:
    """Keeps nothing."""

    def load(self) -> Snapshot | None:
        """Nothing."""
        return None

    def is_due(self) -> bool:
        """Never."""
        return False

    def spill(self, block: "Mapping[str, np.ndarray]") -> "Mapping[str, np.ndarray]":
        """The block itself."""
        return block

    def save(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def done(self, snapshot: Snapshot) -> None:
        """Nothing."""


NO_CHECKPOINTER = NoCheckpointer()
