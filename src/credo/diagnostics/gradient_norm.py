"""Is the log density level at the estimate? At a mode inside the space its gradient vanishes.

A gradient g leaves the estimate sqrt(g' I^-1 g) standard errors from the mode, with the information I (the Newton
decrement: Boyd and Vandenberghe 2004, "Convex Optimization", section 9.5). That does not depend on units, and decides
where it is known: a gradient may be large because there is much data, or small because a latent's unit is.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.diagnostics.optimisation import best_start, listed, record
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Positive


@dataclass(frozen=True)
class GradientNorm:
    """The size of the gradient of the log density where the best start ended, in unconstrained space.

    Attributes:
        threshold: the largest gradient that passes where the distance to the mode is not known.
        decrement: the largest distance to the mode, in standard errors, that passes.
    """

    threshold: Positive
    decrement: Positive

    of: ClassVar[Of] = of(Kind.POINT, Kind.INDEPENDENT, groups=("optimisation",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge point estimates."""
        norms, best = record(result, "gradient_norm"), best_start(result)
        if norms is None or best is None or not np.isfinite(norms[best]):
            return not_checked("gradient_norm", self.threshold, "There is no finite gradient at the best estimate.")
        norm = float(norms[best])
        decrement = float(group(result, "optimisation").attrs.get("newton_decrement", np.nan))
        if not np.isfinite(decrement) or listed(result, "flat"):
            level = norm <= self.threshold
            seen = "The log density is level at the estimate."
        else:
            level = decrement <= self.decrement
            seen = f"The mode is {decrement:.1g} standard errors away."
        if level:
            return Check("gradient_norm", "passed", norm, self.threshold, seen)
        if np.isfinite(decrement) and norm <= self.threshold:
            advice = (
                f"Small as the gradient is, the mode is {decrement:.2g} standard errors away. Raise inference.steps, "
                "lower inference.tolerance, or set device.precision=float64."
            )
            return Check("gradient_norm", "failed", decrement, self.decrement, advice)
        far = f": the mode is {decrement:.2g} standard errors away" if decrement > self.decrement else ""
        advice = f"The log density still rises at the estimate{far}. Raise inference.steps, lower inference.tolerance, "
        return Check("gradient_norm", "failed", norm, self.threshold, advice + "or set device.precision=float64.")
