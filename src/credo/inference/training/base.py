"""What a training of networks must offer (`conf/training`)."""

from collections.abc import Collection, Generator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import jax

    from credo.inference.base import Checkpointer, Listener
    from credo.inference.calls import Call, Calls
    from credo.inference.result import Result
    from credo.models.problem import Problem


@runtime_checkable
class Training(Protocol):
    """How the networks of a model are trained (`conf/training`); the point estimates and the chains' starts use it."""

    curve: str
    """What its learning curves show, as metrics are named."""
    of_density: bool
    """Whether the trained energy stands for a density of states."""
    by_samples: bool
    """Whether it is trained by samples of the model."""
    derives: str
    """What `derived` adds, as a message calls it."""

    def fitted(self, rows: int, free: Collection[str]) -> "Training":
        """This training with those of its settings that nobody chose (`free`) as so many rows allow."""
        ...

    def check(self, problem: "Problem") -> None:
        """Raise `ConfigError` if the networks of this problem cannot be trained so. Compiles nothing."""
        ...

    def calls(
        self, method: "Any", problem: "Problem", key: "jax.Array", listener: "Listener", checkpointer: "Checkpointer"
    ) -> "Calls":
        """Train by a method's density, from the beginning or from its snapshot (see `inference.calls`)."""
        ...

    def modes(
        self, problem: "Problem", key: "jax.Array", members: int, listener: "Listener"
    ) -> "Generator[Call, Any, dict[str, jax.Array]]":
        """Trained weights for chains to begin at, [member, ...] by site, unconstrained."""
        ...

    def derived(self, problem: "Problem", result: "Result", key: "jax.Array") -> "Result":
        """The result with groups more that only this training has."""
        ...
