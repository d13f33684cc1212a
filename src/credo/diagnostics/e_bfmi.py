"""Does the momentum move the chain between energies? E-BFMI compares the steps in energy with its spread.

Betancourt (2016), "Diagnosing Suboptimal Cotangent Disintegrations in Hamiltonian Monte Carlo", arXiv:1604.00695: sum
(E_n - E_{n-1})^2 / sum (E_n - mean E)^2. Below 0.3 the chain walks slowly through the energies, and so through the
tails.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credo.diagnostics.answers import not_checked
from credo.diagnostics.base import Check
from credo.diagnostics.hamiltonian import asked, statistic
from credo.inference.result import Result
from credo.ranges import Positive


@dataclass(frozen=True)
class EBfmi:
    """The smallest energy Bayesian fraction of missing information of all chains.

    Attributes:
        threshold: the smallest fraction that passes.
    """

    threshold: Positive

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws of a Hamiltonian sampler."""
        if not asked(result, "energy"):
            return None
        energy = statistic(result, "energy")
        if energy is None or energy.shape[1] < 2:
            return not_checked("e_bfmi", self.threshold, "The sampler did not record two energies per chain.")
        with np.errstate(all="ignore"):
            moves = np.square(np.diff(energy.astype(float), axis=1)).mean(axis=1)
            fractions = moves / energy.astype(float).var(axis=1, ddof=1)
        if not np.isfinite(fractions).all():
            return not_checked("e_bfmi", self.threshold, "The energy of a chain is constant or not finite.")
        worst, chain = float(fractions.min()), int(fractions.argmin())
        if worst >= self.threshold:
            return Check("e_bfmi", "passed", worst, self.threshold, f"The worst is chain {chain} with {worst:.2f}.")
        advice = f"Chain {chain} explores the energies slowly ({worst:.2f}): its tails are in doubt. Reparametrise."
        return Check("e_bfmi", "failed", worst, self.threshold, advice)
