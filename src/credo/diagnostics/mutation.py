"""Do the particles move at every temperature? Copies that stay where they are say nothing new."""

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
class Mutation:
    """The smallest acceptance rate of the particles' last move at any temperature of any repeat.

    Attributes:
        threshold: the smallest rate that passes.
    """

    threshold: Share

    of: ClassVar[Of] = of(groups=("temperatures/acceptance",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge particles."""
        rates = group(result, "temperatures")["acceptance"].to_numpy()
        least = float(np.nanmin(rates)) if np.isfinite(rates).any() else np.nan
        if np.isnan(least):
            return not_checked("mutation", self.threshold, "It is not known how often moves were accepted.")
        seen = f"At every temperature at least {least:.1%} of the last moves were accepted."
        if least >= self.threshold:
            return Check("mutation", "passed", least, self.threshold, seen)
        advice = (
            f"Only {least:.1%} of the moves of a temperature were accepted: the particles are copies of a few. Raise "
            "inference.transitions, or reparametrise the model."
        )
        return Check("mutation", "failed", least, self.threshold, advice)
