"""What a way to log p(data) offers (`conf/evidence`)."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import jax

    from credo.inference.base import Inference
    from credo.inference.result import Result
    from credo.models.problem import Problem


@runtime_checkable
class Evidence(Protocol):
    """Estimates log p(data) once the draws are there."""

    derives: str
    """What it adds to a result, in words."""

    def check(self, problem: "Problem", method: "Inference") -> None:
        """Raise `ConfigError` where this problem has no log p(data), or this method not the draws that it takes."""
        ...

    def derived(self, problem: "Problem", result: "Result", key: "jax.Array") -> "Result":
        """The result with the group `evidence` (see `evidence.table`).

        Raises:
            RunError: it could not be estimated from these draws; the sentence says why.
        """
        ...
