"""How the records of a run reach a store that may be away: nothing is lost, and no failure reaches the run."""

import logging
import shlex
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import ClassVar, Protocol

from credo.errors import ConfigError
from credo.secrets import masked
from credo.tracking.outbox import Journal, Record

log = logging.getLogger("credo")


class Receiver(Protocol):
    """A run in its store."""

    @property
    def place(self) -> str:
        """Where a person finds the run."""
        ...

    def take(self, kind: str, records: Sequence[Record]) -> None:
        """Store records of one kind. Each may come twice and counts once, so that a try can be repeated."""
        ...


@dataclass
class Delivery[R: Receiver](ABC):
    """A journal on its way to its store.

    Attributes:
        store: what people call the store.
        journal: of the run.
        run: in the store, once it is known.
        warned: whether the user knows of a failure already.
    """

    store: ClassVar[str]

    journal: Journal
    run: R | None = None
    warned: bool = False
    _tried: bool = field(default=False, init=False)  # whether the run may be in the store without our knowledge

    @abstractmethod
    def open(self, *, tried: bool) -> R:
        """Create the run in the store, or find it.

        Args:
            tried: whether an earlier try may have created it.
        """

    @abstractmethod
    def is_away(self, error: Exception) -> bool:
        """Whether the store did not answer, so that it may take the same on another day."""

    @abstractmethod
    def reason(self, error: Exception) -> str:
        """The shortest true description of an error."""

    @property
    def command(self) -> str:
        """The command that delivers the journal on another day."""
        return f"credo sync {shlex.quote(str(self.journal.folder))}"

    def attempt(self) -> bool:
        """Deliver, and keep the records after a failure of the store, of which the user hears once.

        Returns:
            Whether everything was delivered.
        """
        try:
            self.deliver()
        except Exception as error:  # noqa: BLE001 - whatever breaks here, the answer must not be lost
            self.keep(error)
            return False
        return True

    def keep(self, error: Exception) -> None:
        """Keep the records that the store did not take, and say so once."""
        try:
            self.journal.keep()
            kept = f"its folder keeps them until {self.store} is back and {self.command} delivers them"
        except (OSError, ConfigError) as trouble:
            kept = f"they could not be kept in its folder either ({trouble})"
        if not self.warned:
            message = "tracking.uri=%s: %s did not take the records of the run (%s); the run goes on, and %s"
            log.warning(message, masked(self.journal.head.uri), self.store, self.reason(error), kept)
        self.warned = True

    def deliver(self) -> R:
        """Send all pending records; those that the store does not take stay pending.

        Raises:
            Exception: the first error of the store.
        """
        if self.run is None:
            tried, self._tried = self._tried, True
            self.run = self.open(tried=tried)
        refused: Exception | None = None
        for kind, group in groupby(list(self.journal.pending), itemgetter("kind")):
            records = list(group)
            try:
                self.run.take(kind, records)
            except Exception as error:
                if self.is_away(error):
                    raise
                refused = refused or error  # of this kind alone, perhaps: the others are tried
            else:
                self.journal.remove(records)
        if refused is not None:
            raise refused
        return self.run
