"""Has a target enough distinct values for its density to be worth comparing?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credo.contracts import Check
from credo.diagnostics.answers import group
from credo.result import Result


def fewest(result: Result) -> int | None:
    """How many distinct values the predicted target has that has the fewest; `None` of counts, whose mass is one."""
    observed = group(result, "observed_data").get("y")
    if observed is None or "pit" not in group(result, "predictive") or np.issubdtype(observed.dtype, np.integer):
        return None
    values = observed.to_numpy()
    return min(len(np.unique(column)) for column in values.reshape(len(values), -1).T)


@dataclass(frozen=True)
class Distinct:
    """The number of distinct values of the target. A density may be made as high as one likes on a few values.

    Attributes:
        threshold: fewer are noted.
    """

    threshold: int

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge the targets of conditional densities."""
        count = fewest(result)
        if count is None:
            return None
        if count >= self.threshold:
            return Check("distinct", "passed", count, self.threshold, f"The target has {count} distinct values.")
        advice = (
            f"The target has only {count} distinct values, at which a narrow component gains likelihood without "
            "knowing anything: compare CRPS rather than NLL, or raise model.floor."
        )
        return Check("distinct", "note", count, self.threshold, advice)
