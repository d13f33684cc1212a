"""Did states travel from the prior to the posterior? Each that came is an independent choice among the modes."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import group
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Natural


@dataclass(frozen=True)
class RoundTrips:
    """The smallest number of states of a chain that came from the prior to the posterior.

    Attributes:
        threshold: the smallest number that passes.
    """

    threshold: Natural

    of: ClassVar[Of] = of(groups=("rungs/trips",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge parallel tempering."""
        rungs = group(result, "rungs")
        least, total = int(rungs["trips"].min()), int(rungs["trips"].sum())
        seen = f"{total} states came from the prior to the posterior, at least {least} in each chain."
        if least >= self.threshold:
            return Check("round_trips", "passed", least, self.threshold, seen)
        advice = f"{seen} The weights of several modes are hardly known. Raise inference.rungs, or inference.draws."
        return Check("round_trips", "failed", least, self.threshold, advice)
