"""Do the chains agree? R-hat compares the spread between chains with the spread within them; 1 is full agreement.

Vehtari et al. (2021), Bayesian Analysis 16(2), section 4: rank-normalised split R-hat, below 1.01.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pandas as pd

from credo.diagnostics.base import Check
from credo.diagnostics.causes import constant, different_modes, explained, improper, resonant, tied
from credo.diagnostics.rows import judge_largest, judged, named_last
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Range


@dataclass(frozen=True)
class RHat:
    """The largest R-hat of all scalars.

    Attributes:
        threshold: the largest R-hat that passes.
    """

    threshold: Annotated[float, Range(least=1)]

    of: ClassVar[Of] = of(Kind.CHAINS)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge draws."""
        answer = judge_largest(
            "r_hat", judged(result, summary)["r_hat"], self.threshold, self._words, named_last(result)
        )
        return explained(answer, result, summary, constant, improper, different_modes, tied, resonant)

    def _words(self, names: str, worst: float) -> str:
        return (
            f"The chains disagree about {names} (R-hat up to {worst:.4g}). "
            "Draw more (inference.warmup, inference.draws), or reparametrise the model."
        )
