"""Is there a peak that no draw has seen, with more mass than all that was found?"""

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

UNSEEN = 3.0
"""Nats by which a peak is further above all draws than chance explains."""


@dataclass(frozen=True)
class Peak:
    """By how much the mass of an unseen peak exceeds the evidence, in nats; 0 where the peak was seen.

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
        above = peak["height"] - peak["seen"] - peak["expected"]
        excess = peak["mass"] - log_evidence
        if above <= UNSEEN or excess <= self.threshold:
            seen = "A climb from the draws finds no peak with more mass than was found."
            return Check("peak", "passed", max(excess, 0.0) if above > UNSEEN else 0.0, self.threshold, seen)
        advice = (
            f"A climb from the draws finds a peak of the density that no draw has seen, {above:.3g} nats above all of "
            f"them. By Laplace's approximation it has {excess:.3g} nats more than the log evidence that was found: "
            "most of the posterior was missed. Narrow the priors, or use inference=nuts from inference.start=map."
        )
        return Check("peak", "failed", excess, self.threshold, advice)
