"""Was anything observed, and has all data that was given a part in the answer?

Without data the posterior is the prior, which one may want, or `obs=` was forgotten. It is no fault of the inference,
so it is noted.
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import not_checked, some
from credo.diagnostics.base import Check
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result


@dataclass(frozen=True)
class Observed:
    """The number of sites that say something of the latents: observations, and factors of the density."""

    of: ClassVar[Of] = of(Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED, Kind.POINT)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws and modes."""
        if result.observed is None:
            return not_checked("observed", 1, "It is not known what was observed.")
        count = len(result.observed)
        if not count:
            advice = (
                "Nothing was observed: this posterior is the prior, and no data has a part in it. If that is not what "
                "you want, give the data to a site of the model (numpyro.sample(..., obs=y)) that no mask hides."
            )
            return Check("observed", "note", count, 1, advice)
        if result.unread:
            names, is_one = some(result.unread), len(result.unread) == 1
            advice = (
                f"The data has {names}, on which nothing in the model depends: {'it has' if is_one else 'they have'} "
                "no part in this answer. If that is not what you want, look at what the model observes "
                f"({some(result.observed)})."
            )
            return Check("observed", "note", count, 1, advice)
        return Check("observed", "passed", count, 1, f"Observed: {some(result.observed)}.")
