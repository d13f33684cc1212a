"""Are there enough draws for means and medians? The effective sample size counts draws as if they were independent.

Vehtari et al. (2021), Bayesian Analysis 16(2), section 4: at least 100 per chain, so that R-hat and the effective
sample size itself are estimated reliably; 400 for the usual four chains.
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.base import Check
from credo.diagnostics.causes import explained, resonant
from credo.diagnostics.rows import judge_smallest, judged, named_last, unless_short
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Positive


@dataclass(frozen=True)
class EssBulk:
    """The smallest bulk effective sample size of all scalars, all chains together.

    Attributes:
        threshold: the smallest size that passes.
    """

    threshold: Positive

    of: ClassVar[Of] = of(Kind.CHAINS)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge draws."""
        ess = judged(result, summary)["ess_bulk"]
        answer = judge_smallest("ess_bulk", ess, self.threshold, self._words, named_last(result))
        return explained(unless_short(answer, result), result, summary, resonant)

    def _words(self, names: str, worst: float) -> str:
        return (
            f"Means and medians rest on few effective draws for {names} (down to {worst:.0f}). "
            "Raise inference.draws, or reparametrise the model."
        )
