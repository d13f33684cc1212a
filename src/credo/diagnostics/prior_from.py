"""Is the prior the posterior that it was taken from? Its approximation is compared with the earlier run's draws.

The divergence tells what of the draws the approximation lacks. Pareto k, of the weights that turn the draws into draws
of the approximation, tells whether that has more than the draws, and whether the divergence is known.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Positive


@dataclass(frozen=True)
class PriorFrom:
    """Pareto k and the divergence, which must both be small.

    Attributes:
        threshold: the largest k that passes.
        divergence: the largest divergence that passes, in nats.
    """

    threshold: Positive
    divergence: Positive

    of: ClassVar[Of] = of(groups=("prior_from",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge a result whose prior is an earlier posterior."""
        found = group(result, "prior_from")
        if not {"pareto_k", "divergence"} <= set(found.data_vars):
            return not_checked("prior_from", self.threshold, "Nothing is known of the approximation of the prior.")
        k, divergence = float(found["pareto_k"]), float(found["divergence"])
        if math.isnan(k):
            reason = "The earlier run has no log densities, with which its draws and the prior could be compared."
            return not_checked("prior_from", self.threshold, reason)
        if k <= self.threshold and divergence <= self.divergence:
            seen = f"The prior is {max(divergence, 0.0):.2g} nats from the earlier posterior that it stands for."
            return Check("prior_from", "passed", k, self.threshold, seen)
        advice = (
            f"The mixture of normal distributions that stands for the earlier posterior is {divergence:.2g} nats from "
            f"it (at most {self.divergence:g}). Infer both data sets together, or reparametrise the model."
        )
        return Check("prior_from", "failed", k, self.threshold, advice)
