"""Did nested sampling go on until hardly any of the evidence was left in the live points?"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import group
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Share


@dataclass(frozen=True)
class Remaining:
    """The share of the evidence that the live points have at the end, were all as high as the highest of them.

    Attributes:
        threshold: the largest share of any repeat that passes.
    """

    threshold: Share

    of: ClassVar[Of] = of(groups=("levels/at_most",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge nested sampling."""
        levels = group(result, "levels")
        most = float(levels["at_most"].isel(batch=-1).max(skipna=False))
        seen = f"After {levels.sizes['batch']} batches the live points have at most {most:.2%} of the evidence."
        if most <= self.threshold:
            return Check("remaining", "passed", most, self.threshold, seen)
        advice = (
            f"{seen} The likelihood still rises, and log p(data) is too low. Raise inference.batches, or lower "
            "inference.remaining; a likelihood without bound has no end."
        )
        return Check("remaining", "failed", most, self.threshold, advice)
