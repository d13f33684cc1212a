"""Did the optimiser arrive?"""

from dataclasses import dataclass

import pandas as pd

from credo.contracts import Check
from credo.diagnostics.optimisation import listed
from credo.result import Result, Status


@dataclass(frozen=True)
class Converged:
    """How the optimisation of a point estimate ended."""

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge point estimates."""
        if result.kind != "point":
            return None
        if result.status is Status.DONE:
            return Check("converged", "passed", None, None, "The optimiser converged.")
        if listed(result, "unbounded"):
            return Check("converged", "failed", None, None, f"{result.status.value} There is no mode to arrive at.")
        advice = f"{result.status.value} The estimate is no mode. Raise inference.steps, or look at the model's scales."
        return Check("converged", "failed", None, None, advice)
