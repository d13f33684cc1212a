"""Do neighbouring temperatures exchange their states?"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import group
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Share


@dataclass(frozen=True)
class Exchange:
    """The smallest acceptance rate of exchanges between neighbours.

    Attributes:
        threshold: the smallest rate that passes.
    """

    threshold: Share

    of: ClassVar[Of] = of(groups=("rungs/exchange",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge parallel tempering."""
        least = float(group(result, "rungs")["exchange"].min(skipna=False))
        seen = f"Between any two neighbouring temperatures at least {least:.1%} of the exchanges are accepted."
        if least >= self.threshold:
            return Check("exchange", "passed", least, self.threshold, seen)
        advice = f"Between two neighbours only {least:.1%} of the exchanges are accepted. Raise inference.rungs."
        return Check("exchange", "failed", least, self.threshold, advice)
