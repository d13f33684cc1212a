"""Are neighbouring temperatures near enough to each other for the particles to follow?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Share


@dataclass(frozen=True)
class Ladder:
    """The smallest share of the particles that was effective from one temperature to the next.

    Attributes:
        threshold: the smallest share that passes.
    """

    threshold: Share

    of: ClassVar[Of] = of(groups=("temperatures/effective",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge particles."""
        shares = group(result, "temperatures")["effective"]
        least = float(shares.min())
        if np.isnan(least):
            return not_checked("ladder", self.threshold, "There was no step from one temperature to another.")
        seen = f"There are {shares.sizes['temperature']} temperatures; {least:.1%} of the particles stay effective."
        if least >= self.threshold:
            return Check("ladder", "passed", least, self.threshold, seen)
        advice = f"{seen} Too few of the draws of the prior explain the data. Raise inference.particles."
        return Check("ladder", "failed", least, self.threshold, advice)
