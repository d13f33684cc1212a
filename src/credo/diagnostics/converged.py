"""Did the optimiser arrive?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group
from credo.diagnostics.base import Check
from credo.diagnostics.optimisation import best_start, listed, record
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result, Status

_LOWER = 1e-6
"""A log density that is lower by such a share of itself (or nats, where it is small) is lower beyond rounding."""


@dataclass(frozen=True)
class Converged:
    """How the optimisation of a point estimate ended."""

    of: ClassVar[Of] = of(Kind.POINT, Kind.INDEPENDENT, groups=("optimisation",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge point estimates."""
        objective, best = record(result, "objective"), best_start(result)
        began = float(group(result, "optimisation").attrs.get("began", np.nan))
        ended = np.nan if objective is None or best is None else float(objective[best])
        if began - ended > _LOWER * max(1.0, abs(began)):
            advice = (
                f"The optimiser ended lower than it began: the log density was {began:.6g} at the best start and is "
                f"{ended:.6g} at the estimate. Lower inference.learning_rate, or use inference.optimiser=lbfgs."
            )
            return Check("converged", "failed", ended, began, advice)
        if result.status is Status.DONE:
            return Check("converged", "passed", None, None, "The optimiser converged.")
        if listed(result, "unbounded"):
            return Check("converged", "failed", None, None, f"{result.status.value} There is no mode to arrive at.")
        advice = f"{result.status.value} The estimate is no mode. Raise inference.steps, or look at the model's scales."
        return Check("converged", "failed", None, None, advice)
