"""Does the log density curve downwards in every direction? Else the estimate is no isolated mode.

The observed information (minus the Hessian, in unconstrained space) is scaled to a unit diagonal, so that its
eigenvalues do not depend on units: 1 for unrelated scalars, near 0 for a combination of scalars about which the data
says nothing, below 0 at a saddle.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.optimisation import listed, record, unknown
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import NonNegative


@dataclass(frozen=True)
class Hessian:
    """The smallest eigenvalue of the scaled observed information.

    Attributes:
        threshold: the smallest eigenvalue that passes; single precision resolves about 1e-6.
    """

    threshold: NonNegative

    of: ClassVar[Of] = of(Kind.POINT, Kind.INDEPENDENT, groups=("optimisation",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge point estimates."""
        flat, boundary = listed(result, "flat") or [], listed(result, "boundary") or []
        eigenvalues = record(result, "hessian_eigenvalues")
        smallest = None if eigenvalues is None else float(eigenvalues.min())
        if flat:
            return self._failed(smallest, some(flat))
        if (smallest is None and not boundary) or (smallest is not None and not np.isfinite(smallest)):
            reason = unknown(result) or "The curvature at the estimate is not known."
            return not_checked("hessian", self.threshold, reason)
        if smallest is not None and smallest >= self.threshold:
            return Check("hessian", "passed", smallest, self.threshold, "The estimate is an isolated mode.")
        if boundary:
            reason = (
                f"The mode is on the boundary in {some(boundary)}, where curvature says nothing: whether it is the "
                "only one near there is not known. Use inference=nuts, or a prior that keeps it inside (inference=map)."
            )
            return not_checked("hessian", self.threshold, reason)
        return self._failed(smallest, "a combination of scalars")

    def _failed(self, smallest: float | None, where: str) -> Check:
        shape = "a saddle" if smallest is not None and smallest < -self.threshold else "a ridge"
        advice = (
            f"The estimate is on {shape} in {where}, which nothing determines. Give it priors, or simplify the model."
        )
        return Check("hessian", "failed", smallest, self.threshold, advice)
