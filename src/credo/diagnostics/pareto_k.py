"""Can the draws of an approximation stand for those of the posterior? The tail of their importance ratios says so.

Yao, Vehtari, Simpson and Gelman (2018), "Yes, but did it work? Evaluating variational inference", ICML. It is blind to
modes that the approximation does not reach: those are the question of `starts_agree`.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Finite


@dataclass(frozen=True)
class ParetoK:
    """The Pareto k of the importance ratios.

    Attributes:
        threshold: the largest k that passes; with fewer than 2200 draws the bar is 1 - 1 / log10(draws), which is
            lower.
    """

    threshold: Finite

    of: ClassVar[Of] = of(Kind.INDEPENDENT, Kind.CHAINS)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws of an approximation, and those of chains that have been reweighted."""
        where = "reweighted" if result.kind is Kind.CHAINS else "importance"
        if result.kind is Kind.CHAINS and not result.has(where):
            return None
        attributes = group(result, where).attrs
        k = float(attributes.get("pareto_k", math.nan))
        threshold = min(self.threshold, float(attributes.get("most", self.threshold)))
        if math.isnan(k):
            reason = (
                "The importance ratios of the draws are not known: the approximation has no density, or too few draws."
            )
            return not_checked("pareto_k", threshold if math.isfinite(threshold) else self.threshold, reason)
        if k < threshold:
            worth = f"{attributes['effective']:,.0f}"
            seen = f"The draws are resampled by their importance weights, and are worth {worth} independent ones."
            if "source" in attributes:
                seen = f"These are the draws of {attributes['source']}, reweighted; they count as {worth}."
            return Check("pareto_k", "passed", k, threshold, seen)
        advice = (
            "The posterior has parts that the approximation hardly reaches: these draws are of the approximation, not "
            "of the posterior. Use inference=nuts, or reparametrise the model."
        )
        return Check("pareto_k", "failed", k, threshold, advice)
