"""What an inference found before its job is run: together with other jobs, by one compiled program."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from credo.experiment import signals
from credo.inference.base import Keeper, Kept, Listener, NoKeeper

if TYPE_CHECKING:
    from credo.inference.result import Result


class Watch(NoKeeper):
    """Remembers what it is told as a `Listener` and a `Keeper`.

    Attributes:
        told: to the listener, in order.
        kept: where the inference ended.
    """

    def __init__(self, screen: Listener | None) -> None:
        """Tell `screen`, too."""
        self._screen = screen
        self.told: list[tuple[str, int, int, Mapping[str, float]]] = []
        self.kept: Kept | None = None

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Remember, unless a signal stops the sweep."""
        signals.check()
        self.told.append((phase, done, total, numbers))
        if self._screen is not None:
            self._screen.progress(phase, done, total, numbers)

    def done(self, kept: Kept) -> None:
        """Remember."""
        self.kept = kept


@dataclass(frozen=True)
class Inferred:
    """What an inference found before its job is run.

    Attributes:
        result: or what it raised.
        watch: who saw how it went.
        jobs: so many were inferred by one program.
    """

    result: "Result | Exception"
    watch: Watch
    jobs: int

    def tell(self, listener: Listener, keeper: Keeper) -> "Result":
        """Tell how it went, and return the result or raise what the inference raised."""
        for news in self.watch.told:
            listener.progress(*news)
        if isinstance(self.result, Exception):
            raise self.result
        if self.watch.kept is not None:
            keeper.done(self.watch.kept)
        return self.result
