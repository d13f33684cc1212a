"""Do the mean and the standard deviation exist? Draws have both, and of heavy tails they say nothing.

What is too heavy is in `tails`; the summary leaves out what does not exist. That is no fault of the inference, so it is
noted.
"""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import group, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.rows import judged
from credo.diagnostics.summary import heavy
from credo.diagnostics.tails import FEWEST_DRAWS, NO_SD
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result


@dataclass(frozen=True)
class Moments:
    """The largest Pareto k of the tails of all scalars."""

    of: ClassVar[Of] = of(Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge draws."""
        posterior = group(result, "posterior")
        if posterior.sizes.get("chain", 0) * posterior.sizes.get("draw", 0) < FEWEST_DRAWS:
            return not_checked("moments", NO_SD, f"Fewer than {FEWEST_DRAWS} draws show nothing of the tails.")
        rows = judged(result, summary)
        unknown = rows.index[rows["mean"].isna() & ~heavy(rows)]
        if rows.empty or len(unknown):
            return not_checked("moments", NO_SD, f"There is no mean of {some(unknown) or 'anything'}.")
        k = rows["pareto_k"].max()
        worst = None if pd.isna(k) else float(k)
        if not heavy(rows).any():
            return Check("moments", "passed", worst, NO_SD, "No tail is too heavy for a mean and a standard deviation.")
        heaviest = rows[heavy(rows)].sort_values("pareto_k", ascending=False)
        means = heaviest.index[heaviest["mean"].isna()]
        what = "means and standard deviations" if len(means) else "standard deviations"
        advice = (
            f"The tails are so heavy that {what} need not exist ({some(means if len(means) else heaviest.index)}); "
            "they are left out. Read the median and the quantiles, or choose priors with lighter tails."
        )
        return Check("moments", "note", worst, NO_SD, advice)
