"""Does every component of a mixture have rows that it serves?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, some
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Share


@dataclass(frozen=True)
class Components:
    """The least, over components, of a component's largest weight in any row. A dead component is no fault, but waste.

    Attributes:
        threshold: the least that is alive.
    """

    threshold: Share

    of: ClassVar[Of] = of(groups=("predictive/weight",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge mixtures."""
        rows = group(result, "predictive")
        if rows.sizes["component"] == 1:
            return None
        largest = rows["weight"].to_numpy().max(axis=0)
        dead = np.flatnonzero(~(largest >= self.threshold))
        value = float(largest.min())
        if not dead.size:
            words = f"Each of {len(largest)} components has a weight of at least {value:.2g} in some row."
            return Check("components", "passed", value, self.threshold, words)
        names = some([f"component {k}" for k in dead])
        advice = f"Nothing is served by {names}. Lower model.components."
        return Check("components", "note", value, self.threshold, advice)
