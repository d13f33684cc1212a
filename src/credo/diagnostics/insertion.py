"""Are the new points of nested sampling like the live ones? If their moves are too short or biased, their ranks tell.

In each batch the ranks of the new points among the live points are those of a random choice. So their sum, in standard
errors, is standard normal, and independent between batches (after Fowlie, Handley and Su 2020, "Nested sampling
cross-checks using order statistics", MNRAS 497(4)). A trend moves the mean of these numbers, jumps raise their
variance, and points that stay near those from which they came lower it.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import chdtr, ndtr

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Range


@dataclass(frozen=True)
class Insertion:
    """The probability of ranks as strange as those of the new points, where these are right.

    Attributes:
        threshold: the smallest probability that passes; so many right runs fail.
    """

    threshold: Annotated[float, Range(least=0, most=1)]

    of: ClassVar[Of] = of(groups=("levels/insertion",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge nested sampling."""
        scores = group(result, "levels")["insertion"].to_numpy().ravel()
        if not np.isfinite(scores).all():
            return not_checked("insertion", self.threshold, "The ranks of the new points are not known.")
        probability = chance_of(scores)
        seen = f"The ranks of the new points among the live ones have the probability {probability:.2g}."
        if probability >= self.threshold:
            return Check("insertion", "passed", probability, self.threshold, seen)
        advice = (
            f"{seen} They are not independent draws of the prior above the level: log p(data) may be far off. Raise "
            "inference.moves or inference.particles, or reparametrise the model."
        )
        return Check("insertion", "failed", probability, self.threshold, advice)


def chance_of(scores: Float[np.ndarray, "score"]) -> float:
    """The probability of independent standard normal numbers whose mean or sum of squares is as far off.

    Example:
        >>> chance_of(np.array([0.5, -0.5, 1.5, -1.5])), chance_of(np.full(4, 3.0)) < 1e-6
        (1.0, True)
    """
    of_mean = 2 * ndtr(-abs(scores.sum()) / math.sqrt(len(scores)))
    squares = chdtr(len(scores), np.sum(scores**2))
    return float(min(2 * min(of_mean, 2 * min(squares, 1 - squares)), 1.0))
