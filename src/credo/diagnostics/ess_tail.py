"""Are there enough draws for intervals? The tail effective sample size is that of the 5 % and 95 % quantiles.

Vehtari et al. (2021), Bayesian Analysis 16(2), section 4.3.
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.base import Check
from credo.diagnostics.rows import judge_smallest, judged, named_last, unless_short
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Positive


@dataclass(frozen=True)
class EssTail:
    """The smallest tail effective sample size of all scalars, all chains together.

    A discrete scalar that hardly ever leaves its largest value has no tails and is not asked.

    Attributes:
        threshold: the smallest size that passes.
    """

    threshold: Positive

    of: ClassVar[Of] = of(Kind.CHAINS)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge draws."""
        rows = judged(result, summary)
        without_tails = rows["ess_tail"].isna() & rows["ess_bulk"].notna()
        ess = rows["ess_tail"][~without_tails]
        return unless_short(judge_smallest("ess_tail", ess, self.threshold, self._words, named_last(result)), result)

    def _words(self, names: str, worst: float) -> str:
        return (
            f"The ends of intervals rest on few effective draws for {names} (down to {worst:.0f}). "
            "Raise inference.draws, or reparametrise the model."
        )
