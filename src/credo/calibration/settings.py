"""What `calibrate.KEY=VALUE` sets."""

from dataclasses import dataclass

from credo.ranges import Count


@dataclass(frozen=True)
class Settings:
    """How much is simulated.

    Attributes:
        replications: data sets that are drawn and inferred.
        save: after how many of them the ranks are saved, from which an interrupted run goes on.
        around: a run, the draws of whose posterior take the place of the prior's, and whose data are fitted with those
            that are simulated; by its folder or its id with a tracker.
        beside: whether the experiment itself is run, too, and records the numbers of the calibration among its own.
    """

    replications: Count
    save: Count
    around: str | None = None
    beside: bool = False
