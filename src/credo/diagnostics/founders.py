"""From how many draws of the prior does the answer descend? A few mean that the path was too hard for the particles.

The effective number of ancestors of a repeat is the inverse of the relative variance of its evidence (Lee and Whiteley
2018, Biometrika 105(3)).
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import group
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Positive


@dataclass(frozen=True)
class Founders:
    """The smallest effective number of ancestors of all repeats.

    Attributes:
        threshold: the smallest number that passes.
    """

    threshold: Positive

    of: ClassVar[Of] = of(groups=("repeats/founders",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge particles."""
        least = float(group(result, "repeats")["founders"].min(skipna=False))
        seen = f"The particles of a repeat descend from at least {least:.3g} draws of the prior, effectively."
        if least >= self.threshold:
            return Check("founders", "passed", least, self.threshold, seen)
        advice = (
            f"{seen} A few particles found what the others missed, and log p(data) may be far off. Raise "
            "inference.particles."
        )
        return Check("founders", "failed", least, self.threshold, advice)
