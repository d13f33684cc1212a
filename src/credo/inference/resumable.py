"""A loop of compiled calls that can be cut off anywhere and goes on to the same bits: written once, for all methods."""

import abc
from collections.abc import Generator
from typing import Any

from credo.errors import Interrupted
from credo.inference.base import Checkpointer, Snapshot
from credo.inference.calls import Call


class Loop[S](abc.ABC):
    """What a method does between its calls; S is all that it is between two of them, and is never changed."""

    @abc.abstractmethod
    def begin(self) -> Generator[Call, Any, S]:
        """Make the first state."""

    @abc.abstractmethod
    def restored(self, snapshot: Snapshot) -> S:
        """The state of a snapshot; the listener hears again what it heard before."""

    @abc.abstractmethod
    def ahead(self, now: S) -> Call | None:
        """The call that leads on; `None` at the end."""

    @abc.abstractmethod
    def after(self, now: S, answer: Any) -> S:
        """The state after that call, given what it returned."""

    @abc.abstractmethod
    def snapshot(self, now: S) -> Snapshot:
        """A state as a checkpointer takes it."""

    def is_urgent(self, now: S) -> bool:  # noqa: ARG002 - of those that may fail on the way
        """Whether a state is to be saved though no save is due."""
        return False


def resumable[S](loop: Loop[S], checkpointer: Checkpointer) -> Generator[Call, Any, S]:
    """Go from the first state, or from that of the checkpointer's snapshot, to the last."""
    snapshot = checkpointer.load()
    now = (yield from loop.begin()) if snapshot is None else loop.restored(snapshot)
    try:
        while (call := loop.ahead(now)) is not None:
            now = loop.after(now, (yield call))
            if checkpointer.is_due() or loop.is_urgent(now):
                checkpointer.save(loop.snapshot(now))
    except (KeyboardInterrupt, Interrupted):
        checkpointer.save(loop.snapshot(now))
        raise
    checkpointer.done(loop.snapshot(now))
    return now
