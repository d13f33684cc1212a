"""Did several starts find the same mode? One start cannot tell a local optimum from the best.

| what the starts found                             | answer      | why                                     |
|---------------------------------------------------|-------------|-----------------------------------------|
| all the same mode                                 | passed      | it is the only one that was seen        |
| the best mode several times, and worse ones       | note        | the best one was confirmed              |
| the best mode once, and only worse ones otherwise | not checked | a further start might find a better one |
| one as good, or better, elsewhere                 | failed      | the estimate is one answer of several   |
| one far away that is lower by a few nats only     | failed      | draws of an approximation lack its mass |
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from credo.diagnostics.answers import not_checked
from credo.diagnostics.base import Check
from credo.diagnostics.optimisation import best_start, listed, record
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Count, NonNegative, Positive

_FAR, _LOWER = 4.0, 5.0
"""In standard errors and nats: a start so far away and lower by no more is at another part of the posterior, as a
normal density is 8 nats lower there. The importance ratios of draws around the best mode are blind to it."""


@dataclass(frozen=True)
class StartsAgree:
    """The number of starts that ended at the best mode.

    Attributes:
        threshold: the smallest number that confirms the mode.
        tolerance: how far below the best log density a start may end and have reached the same height, in nats.
        distance: how far from the best point a start may end and have reached the same mode, in standard errors. At
            half a standard error the log density of a regular mode has dropped by 0.125, well beyond `tolerance`.
    """

    threshold: Count
    tolerance: NonNegative
    distance: Positive

    of: ClassVar[Of] = of(Kind.POINT, Kind.INDEPENDENT, groups=("optimisation",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge point estimates."""
        objective, best = record(result, "objective"), best_start(result)
        if objective is None or best is None:
            return not_checked("starts_agree", self.threshold, "No start reached a finite log density.")
        if len(objective) < self.threshold:
            reason = f"At least {self.threshold} starts are needed to compare. Raise inference.starts."
            return not_checked("starts_agree", self.threshold, reason)
        distance = record(result, "distance")
        distance = np.full(len(objective), np.nan) if distance is None else distance.copy()
        distance[best] = 0.0
        as_high = objective >= objective[best] - self.tolerance
        if np.isnan(distance[as_high]).any():
            return self._without_distances(as_high, on_boundary=bool(listed(result, "boundary")))
        if result.kind is Kind.INDEPENDENT and (missed := self._missed(objective, distance, best)) is not None:
            return missed
        return self._judge(objective, as_high, elsewhere=as_high & ~(distance <= self.distance))

    def _missed(
        self, objective: Float[np.ndarray, "start"], distance: Float[np.ndarray, "start"], best: int
    ) -> Check | None:
        """The answer where a start ended at another part of the posterior, or may have; `None` where none did."""
        near = objective >= objective[best] - _LOWER
        far = near & (distance > _FAR)
        if far.any():
            advice = (
                f"{far.sum()} of {len(objective)} starts ended more than {_FAR:g} standard errors away, lower by only "
                f"{max(objective[best] - objective[far].max(), 0.0):.2g} nats: the posterior has several modes, and "
                "the draws are of one. Use inference=nuts, and look whether its chains agree."
            )
            return Check("starts_agree", "failed", float(len(objective) - far.sum()), self.threshold, advice)
        if np.isnan(distance[near]).any():
            return not_checked("starts_agree", self.threshold, "How far apart the starts ended is not known.")
        return None

    def _judge(
        self,
        objective: Float[np.ndarray, "start"],
        as_high: Bool[np.ndarray, "start"],
        elsewhere: Bool[np.ndarray, "start"],
    ) -> Check:
        starts, best, count = len(objective), objective[as_high].max(), int((as_high & ~elsewhere).sum())
        if elsewhere.any():
            advice = (
                f"{elsewhere.sum()} of {starts} starts ended elsewhere with as good a log density or a better one "
                f"({best:.6g}): the mode is not unique, or not the best. Order what is interchangeable in the model."
            )
            return Check("starts_agree", "failed", count, self.threshold, advice)
        if count == starts:
            return Check("starts_agree", "passed", count, self.threshold, f"All {starts} starts found the same mode.")
        lower = objective[~as_high & np.isfinite(objective)]
        down_to = f" (down to {lower.min():.6g})" if len(lower) else ""
        seen = f"{count} of {starts} starts reached the log density {best:.6g}, the others a lower one{down_to}."
        if count >= self.threshold:
            return Check("starts_agree", "note", count, self.threshold, f"{seen} There are worse local optima.")
        advice = f"{seen} A further start might find a better one: raise inference.starts."
        return Check("starts_agree", "not checked", count, self.threshold, advice)

    def _without_distances(self, as_high: Bool[np.ndarray, "start"], *, on_boundary: bool) -> Check:
        """On the boundary standard errors, and so distances, are not defined; the heights alone can agree there."""
        count = int(as_high.sum())
        if on_boundary and count >= self.threshold:
            advice = (
                f"{count} of {len(as_high)} starts reached the same log density, on the boundary of the space, where "
                "it is not known how far apart they are."
            )
            return Check("starts_agree", "not checked", count, self.threshold, advice)
        return not_checked("starts_agree", self.threshold, "How far apart the starts ended is not known.")
