"""Were trajectories cut short? NUTS stops doubling at a largest depth; draws that end there walk at random.

Hoffman and Gelman (2014), "The No-U-Turn Sampler", JMLR 15. A few do no harm; many make the effective sample
sizes themselves doubtful.
"""

from dataclasses import dataclass

import pandas as pd

from credo.diagnostics.answers import not_checked
from credo.diagnostics.base import Check
from credo.diagnostics.causes import explained, improper, tied
from credo.diagnostics.hamiltonian import asked, statistic
from credo.inference.result import Result
from credo.ranges import Share

STATISTIC = "reached_max_treedepth"


@dataclass(frozen=True)
class TreeDepth:
    """The fraction of draws whose trajectory reached the largest depth.

    Attributes:
        threshold: the largest fraction that passes.
    """

    threshold: Share

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge draws of NUTS; plain HMC has trajectories of a fixed length."""
        if not asked(result, STATISTIC):
            return None
        reached = statistic(result, STATISTIC)
        if reached is None:
            return not_checked("tree_depth", self.threshold, "The sampler did not record the depths.")
        fraction = float(reached.mean())
        seen = f"{fraction:.1%} of the trajectories were cut short at the largest depth."
        if fraction <= self.threshold:
            return Check("tree_depth", "passed", fraction, self.threshold, seen)
        advice = f"{seen} Raise inference.max_tree_depth, or reparametrise the model."
        return explained(
            Check("tree_depth", "failed", fraction, self.threshold, advice), result, summary, improper, tied
        )
