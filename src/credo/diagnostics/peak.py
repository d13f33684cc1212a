"""Is there a peak near which few draws are, with more mass than all that was found?"""

import math
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import group
from credo.diagnostics.base import Check
from credo.inference.evidence.repeats import of_repeats
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Positive

SEEN = 0.5
"""The share of the draws near a peak from which on it was not missed, however Laplace's approximation errs."""


@dataclass(frozen=True)
class Peak:
    """By how much the mass of a peak exceeds the evidence, in nats; 0 where most draws are near it.

    Attributes:
        threshold: the largest excess that passes.
    """

    threshold: Positive

    of: ClassVar[Of] = of(groups=("peak/mass", "repeats/log_evidence"))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge all that goes from the prior to the posterior; nothing is asked where the peak has no mass."""
        peak = {str(name): float(value) for name, value in group(result, "peak").data_vars.items()}
        if math.isnan(peak["mass"]):
            return None
        log_evidence = of_repeats(group(result, "repeats")["log_evidence"].to_numpy())[0]
        excess = peak["mass"] - log_evidence
        if peak["near"] >= SEEN or excess <= self.threshold:
            seen = "A climb from the draws finds no peak with more mass than was found."
            return Check("peak", "passed", max(excess, 0.0) if peak["near"] < SEEN else 0.0, self.threshold, seen)
        advice = (
            f"A climb from the draws finds a peak of the density near which only {peak['near']:.1%} of them are. By "
            f"Laplace's approximation it has {excess:.3g} nats more than the log evidence that was found: most of the "
            "posterior was missed. Narrow the priors, or use inference=nuts from inference.start=map."
        )
        return Check("peak", "failed", excess, self.threshold, advice)
