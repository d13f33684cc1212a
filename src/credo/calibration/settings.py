"""What `calibrate.KEY=VALUE` sets."""

from dataclasses import dataclass

from credo.ranges import Count


@dataclass(frozen=True)
class Settings:
    """How much is simulated.

    Attributes:
        replications: data sets that are drawn and inferred.
        save: after how many of them the ranks are saved, from which an interrupted run goes on.
    """

    replications: Count
    save: Count
