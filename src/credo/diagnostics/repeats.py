"""Do independent repeats agree? What one of them missed, another may have found."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.diagnostics.rows import judge_largest, judged, named_last
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Positive, Range


@dataclass(frozen=True)
class Repeats:
    """The largest R-hat between the repeats of all scalars, and the spread of their log evidence.

    Attributes:
        threshold: the largest R-hat that passes.
        nats: the largest difference between the log evidence of two repeats that passes.
    """

    threshold: Annotated[float, Range(least=1)]
    nats: Positive

    of: ClassVar[Of] = of(Kind.WEIGHTED)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge particles."""
        count = group(result, "posterior").sizes.get("chain", 0)
        if count < 2:
            reason = f"At least 2 repeats are needed to compare, not {count}. Raise inference.repeats."
            return not_checked("repeats", self.threshold, reason)
        spread = _spread(result)
        if not spread <= self.nats:
            advice = (
                f"The log evidence of the repeats differs by up to {spread:.3g} nats: some found parts of the "
                "posterior that others missed, and all may miss more. Raise inference.particles."
            )
            return Check("repeats", "failed", spread, self.nats, advice)
        return judge_largest(
            "repeats", judged(result, summary)["r_hat"], self.threshold, self._words, named_last(result)
        )

    def _words(self, names: str, worst: float) -> str:
        return (
            f"The repeats disagree about {names}: R-hat is up to {worst:.3g}. Each has only a part of the "
            "posterior, or too few particles. Raise inference.particles."
        )


def _spread(result: Result) -> float:
    """The largest difference between the log evidence of two repeats; NaN where one is not known."""
    return float(np.ptp(result.tree["repeats"]["log_evidence"].to_numpy()))
