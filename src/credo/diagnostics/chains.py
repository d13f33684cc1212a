"""Are there chains to compare? One chain cannot show that it missed something."""

from dataclasses import dataclass

import pandas as pd

from credo.contracts import Check
from credo.diagnostics.answers import group
from credo.result import Result


@dataclass(frozen=True)
class Chains:
    """The number of chains. Too few is `not checked`: nothing wrong was seen, and nothing could be.

    Attributes:
        threshold: the smallest number that passes.
    """

    threshold: int

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws."""
        if result.kind != "draws":
            return None
        count = group(result, "posterior").sizes.get("chain", 0)
        if count >= self.threshold:
            return Check("chains", "passed", count, self.threshold, f"{count} chains started from different points.")
        reason = f"At least {self.threshold} chains are needed to compare, not {count}. Raise inference.chains."
        return Check("chains", "not checked", count, self.threshold, reason)
