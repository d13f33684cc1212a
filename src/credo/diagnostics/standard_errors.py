"""Are the standard errors such? A standard error away from the mode the log density has fallen by about 1/2.

It is computed to both sides along each latent's profile and each eigenvector of the information (`inference.profile`).

| what it does there     | what it means                                                                         |
|------------------------|---------------------------------------------------------------------------------------|
| falls by about 1/2     | passed: regular, if skewed (one Poisson event: 0.37 and 0.72)                         |
| falls less to one side | failed: the data sets no bound there, as where classes are separated (Albert &        |
|                        | Anderson 1984, Biometrika 71(1), 1-10)                                                |
| falls more to both     | failed: the top is flatter than a parabola, or the estimate is beside it              |
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from credo.diagnostics.answers import group, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.optimisation import listed, record, unknown
from credo.inference.kind import Kind, Of, of
from credo.inference.point.profile import COARSE, judge
from credo.inference.result import Result
from credo.ranges import Positive

_STILL = 0.01
"""A log density that falls by less than so many nats goes on to its end: it has no maximum."""


@dataclass(frozen=True)
class StandardErrors:
    """How far the log density falls at one standard error, in nats: the least, or what is too much.

    Attributes:
        least: the smallest fall that passes, to any side.
        greatest: the largest that passes, of the geometric mean of both sides.
    """

    least: Positive
    greatest: Positive

    of: ClassVar[Of] = of(Kind.POINT)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge point estimates."""
        fall = record(result, "fall")
        if fall is None or unknown(result):
            return not_checked("standard_errors", self.least, "The curvature at the estimate is not known.")
        if listed(result, "unbounded"):
            return not_checked("standard_errors", self.least, "There is no maximum, and so no standard error.")
        rounding = float(group(result, "optimisation").attrs.get("rounding", 0.0))
        if rounding > COARSE:
            reason = (
                f"Rounding hides the shape of the log density (by {rounding:.1g} nats). Set device.precision=float64."
            )
            return not_checked("standard_errors", self.least, reason)
        low, high = judge(fall, rounding, self.least, self.greatest)
        if low.any():
            return Check("standard_errors", "failed", float(np.nanmin(fall)), self.least, self._open(result, fall, low))
        if high.any():
            return self._flat_top(result, float(np.sqrt(fall[high].prod(axis=1)).max()), high)
        if np.isnan(fall).all():
            return self._nothing(result)
        seen = "One standard error away, the log density has fallen by about 1/2."
        return Check("standard_errors", "passed", float(np.nanmin(fall)), self.least, seen)

    def _open(
        self, result: Result, fall: Float[np.ndarray, "direction 2"], low: Bool[np.ndarray, "direction 2"]
    ) -> str:
        density = "likelihood" if result.method == "mle" else "posterior density"
        ways = _ways(result, low)
        where = some(f"{name} {way}" for name, way in ways.items())
        prior = "Give it a prior, and use inference=map or nuts" if result.method == "mle" else "Give it a proper prior"
        end = np.nanmin(fall)
        if end >= _STILL:
            seen = f"The {density} hardly falls as {where} (by {end:.2g} nats at one standard error, not by 1/2)"
            return f"{seen}: there the data sets no bound, and the standard error is none. {prior}."
        if group(result, "optimisation").attrs.get("classes"):
            by = some(name.partition("[")[2].removesuffix("]") for name in ways if "[" in name)
            classes = "the classes are separated" + (f" by {by}" if by else "")
            return f"The {density} keeps rising as {where}: {classes}, and there is no maximum. {prior}."
        return (
            f"The {density} does not fall as {where}: the data sets no bound there, and there is no maximum. {prior}."
        )

    def _flat_top(self, result: Result, most: float, high: Bool[np.ndarray, "direction"]) -> Check:
        advice = (
            f"At one standard error in {some(_ways(result, high[:, None]))} the log density has fallen by {most:.2g} "
            "nats, not by 1/2: the curvature at the estimate is not that of the whole, and the standard error is none. "
            "Use inference=nuts."
        )
        return Check("standard_errors", "failed", most, self.greatest, advice)

    def _nothing(self, result: Result) -> Check:
        if listed(result, "boundary"):
            return Check("standard_errors", "note", None, self.least, "No latent has one: all are on the boundary.")
        return not_checked("standard_errors", self.least, "No direction has a standard error.")


def _ways(result: Result, which: Bool[np.ndarray, "direction _"]) -> dict[str, str]:
    """The latents that some directions [direction, side] concern, and whether each `grows` or `falls` there."""
    optimisation = group(result, "optimisation")
    names, grows = optimisation["latent"].values, optimisation["grows"].values
    dim = len(which) // 2
    chosen = which[:dim] if which[:dim].any() else which
    ways: dict[str, str] = {}
    for direction, side in zip(*np.nonzero(chosen), strict=True):
        ways.setdefault(str(names[direction]), "grows" if bool(grows[direction]) == bool(side) else "falls")
    return ways
