"""Is the mutual information that a critic found below the most that it could have found?

InfoNCE's bound is at most ln K, and too low where the mutual information is near ln K or above: van den Oord et al.
(2018), section 2.3; Poole et al. (2019), section 2.3. Of Gaussian pairs whose mutual information is ln K, the best
critic finds 0.7 to 1.1 nats less (2 to 20 dimensions, K of 16 and 128); of 1 nat more it finds 0.3 to 0.7 less than
ln K.
"""

from dataclasses import dataclass
from math import exp
from typing import ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import NonNegative


@dataclass(frozen=True)
class Ceiling:
    """How far below ln K the mutual information of held-out rows is, in nats, the least of all members.

    Attributes:
        threshold: the least distance that passes; nearer to ln K the value is a lower bound and no estimate.
    """

    threshold: NonNegative

    of: ClassVar[Of] = of(groups=("information/bound",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge critics."""
        found = group(result, "information")
        bound = float(found["bound"])
        k, rows, value = round(exp(bound)), int(found.attrs["rows"]), float(found["value"].max(skipna=False))
        if np.isnan(value):
            reason = f"The mutual information is unknown: it takes training.batch_size={k} held-out rows, and there are"
            return not_checked("ceiling", self.threshold, f"{reason} {rows}. Set data.test_fraction=0.2.")
        seen = f"The mutual information is {value:.3g} nats, and no value can exceed ln {k} = {bound:.3g}."
        if bound - value >= self.threshold:
            return Check("ceiling", "passed", bound - value, self.threshold, seen)
        reason = f"{seen} It is saturated, a lower bound that says nothing of more. Raise training.batch_size."
        return Check("ceiling", "not checked", bound - value, self.threshold, reason)
