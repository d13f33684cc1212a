"""Did trajectories diverge? Then the sampler could not follow the density, and the draws avoid that part of it.

Betancourt (2017), "A Conceptual Introduction to Hamiltonian Monte Carlo", section 6.2. A single one may bias the
answer.
"""

from dataclasses import dataclass

import pandas as pd

from credo.diagnostics.answers import not_checked
from credo.diagnostics.base import Check
from credo.diagnostics.causes import explained, improper, tied
from credo.diagnostics.hamiltonian import asked, statistic
from credo.inference.result import Result
from credo.ranges import Natural


@dataclass(frozen=True)
class Divergences:
    """The number of divergent transitions after warm-up.

    Attributes:
        threshold: the largest number that passes.
    """

    threshold: Natural

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge draws of a Hamiltonian sampler."""
        if not asked(result, "diverging"):
            return None
        diverging = statistic(result, "diverging")
        if diverging is None:
            return not_checked("divergences", self.threshold, "The sampler did not record divergences.")
        count = int(diverging.sum())
        seen = f"{count} of {diverging.size} transitions diverged"
        if count <= self.threshold:
            return Check("divergences", "passed", count, self.threshold, f"{seen}.")
        advice = (
            f"{seen}: a part of the posterior was not explored. "
            "Raise inference.target_accept, or reparametrise the model (effects of groups are non-centred where groups "
            "have few rows, and centred where they have many)."
        )
        return explained(Check("divergences", "failed", count, self.threshold, advice), result, summary, improper, tied)
