"""Is the mode on the boundary of the space? It is still the mode, but standard errors are not defined there.

Self and Liang (1987), JASA 82(398): on the boundary an estimate is not asymptotically normal. The standard errors of
other latents hold there what is on the boundary, and may be far too small: that is never passed. A density that rises
without a bound on the way to an edge (a mixture's component on one point: Day 1969, Biometrika 56(3)) has no mode.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from credo.diagnostics.answers import group, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.optimisation import listed
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result

_ZERO = 1e-9
"""An end so near to zero is written as zero."""


@dataclass(frozen=True)
class Boundary:
    """The number of scalars whose mode is on the boundary."""

    of: ClassVar[Of] = of(Kind.POINT, Kind.INDEPENDENT, groups=("optimisation",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge point estimates."""
        if ends := listed(result, "unbounded"):
            return Check("boundary", "failed", len(ends), 0, _unbounded(result, ends))
        names = listed(result, "boundary")
        if names is None:
            return not_checked("boundary", 0, "The optimiser did not record which scalars are on the boundary.")
        if not names:
            return Check("boundary", "passed", 0, 0, "The mode is inside the space.")
        edge = f"The mode is on the boundary in {some(names)}: it has no standard error there. "
        if len(names) < _sampled_scalars(result):
            advice = "Those of the others hold it fixed and may be far too small; use inference=nuts for them."
            return Check("boundary", "not checked", len(names), 0, edge + advice)
        advice = "Read it as an end point, or use inference=nuts for its uncertainty."
        return Check("boundary", "note", len(names), 0, edge + advice)


def _unbounded(result: Result, ends: list[Any]) -> str:
    where = some(f"{name} goes to {0.0 if abs(end) < _ZERO else end:.4g}" for name, end in ends)
    density = "likelihood" if result.method == "mle" else "posterior density"
    names = some(name for name, _ in ends)
    return (
        f"The {density} has no maximum: it grows without bound as {where}. Keep {names} away from there by a prior "
        "(with inference=map), or simplify the model."
    )


def _sampled_scalars(result: Result) -> int:
    posterior = group(result, "posterior")
    return sum(posterior[name].isel(chain=0, draw=0).size for name in result.sampled)
