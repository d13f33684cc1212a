"""Do the inner chains of the exchange algorithm forget where they began?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import NonNegative


@dataclass(frozen=True)
class Inner:
    """How far the mean energy of the inner draws moved in the second half of their chains, in standard deviations.

    Attributes:
        threshold: the largest move, beyond three of its standard errors, that passes.
    """

    threshold: NonNegative

    of: ClassVar[Of] = of(groups=("sample_stats/inner_drift",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws of the exchange algorithm."""
        stats = group(result, "sample_stats")
        drift = stats["inner_drift"].to_numpy()
        mean, error = float(drift.mean()), float(drift.std() / np.sqrt(drift.size))
        off = max(abs(mean) - 3 * error, 0.0)
        if off <= self.threshold:
            return Check("inner", "passed", off, self.threshold, f"The inner chains are settled (drift {mean:.3g}).")
        advice = (
            f"The inner chains still move (drift {mean:.3g} standard deviations of the energy), so that the posterior "
            "is off. Raise inference.transitions, or choose a sampler that mixes better."
        )
        return Check("inner", "failed", off, self.threshold, advice)
