"""Was every part of the posterior reached by two starts? A part that one start alone found may not be the last one.

The share of the posterior that was seen once estimates that of what was not seen (Good 1953, Biometrika 40). A mode
that no start found is not seen here, nor by Pareto k.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Part


@dataclass(frozen=True)
class Confirmed:
    """The share of the posterior that only one start reached, or none.

    Attributes:
        threshold: the largest share that passes.
    """

    threshold: Part

    of: ClassVar[Of] = of(Kind.INDEPENDENT, groups=("approximations",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge what several starts found."""
        found = group(result, "approximations")
        starts = found.sizes["start"]
        if starts < 2:
            reason = "At least two starts are needed to compare. Raise inference.starts."
            return not_checked("confirmed", self.threshold, reason)
        share = float(found.attrs["alone"])
        reached = found["reached"].to_numpy()
        confirming = f"{int(np.sum(reached >= 0.5))} of {starts} starts reach more than half of the posterior"
        if share <= self.threshold:
            seen = f"{confirming}, and {share:.2g} of it was reached by one alone."
            return Check("confirmed", "passed", share, self.threshold, seen)
        advice = (
            f"{share:.2g} of the posterior was reached by one start alone ({confirming}): a further start might find "
            "more. Raise inference.starts, or use inference=nuts."
        )
        return Check("confirmed", "not checked", share, self.threshold, advice)
