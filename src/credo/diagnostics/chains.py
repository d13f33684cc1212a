"""Are there chains that could have disagreed? One chain, or several from one point, cannot show what they missed."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from credo.diagnostics.answers import group, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.summary import labels
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Count

NEAR = 0.01
"""Starts nearer to each other than this part of the posterior's 90 % interval coincide."""

FEW_STATES = 2**10
"""Of so few states, chains may begin at the same one by chance."""


@dataclass(frozen=True)
class Chains:
    """The number of chains. Too few is `not checked`: nothing wrong was seen, and nothing could be.

    Attributes:
        threshold: the smallest number that passes.
    """

    threshold: Count

    of: ClassVar[Of] = of(Kind.CHAINS)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:
        """Judge draws."""
        count = group(result, "posterior").sizes.get("chain", 0)
        if count < self.threshold:
            reason = f"At least {self.threshold} chains are needed to compare, not {count}. Raise inference.chains."
            return Check("chains", "not checked", count, self.threshold, reason)
        start = group(result, "start")
        if not start.data_vars or not np.isfinite(start.to_array().astype(float)).all():
            return not_checked("chains", self.threshold, "It is not known where the chains started.")
        if together := coincident(result, summary):
            advice = "Start them apart, with inference.start=auto or prior."
            if set(together) & set(result.improper):
                advice = "No start can be drawn from an improper prior: give proper ones, or standardise the data."
            reason = (
                f"All chains started at the same {some(together)} (by the scale of the posterior), so that they agree "
                f"proves nothing: all may be in one of several modes. {advice}"
            )
            return Check("chains", "not checked", count, self.threshold, reason)
        return Check("chains", "passed", count, self.threshold, f"{count} chains started from different points.")


def coincident(result: Result, summary: pd.DataFrame) -> list[str]:
    """The sampled variables of which the chains' starts coincide, relative to the posterior's spread.

    A discrete variable has few values, and counts only where nothing else is sampled: the starts of all must coincide,
    and be so many that this is no chance.
    """
    rows = summary.set_index("variable")
    starts = list(group(result, "start").data_vars.values())
    continuous = [start for start in starts if start.dtype.kind == "f"]
    if continuous:
        return [str(start.name) for start in continuous if _is_together(start, rows)]
    spread = np.concatenate([np.ravel(np.ptp(start.values.astype(int), axis=0)) for start in starts])
    width = pd.concat([rows.loc[labels(start), "q95"] - rows.loc[labels(start), "q5"] for start in starts])
    if spread.any() or np.log2(1 + width).sum() < np.log2(FEW_STATES):
        return []
    return [str(start.name) for start in starts]


def _is_together(start: xr.DataArray, rows: pd.DataFrame) -> bool:
    """Whether all scalars of a variable that move in the posterior started as one. [chain, ...]."""
    own = rows.reindex(labels(start))
    width = (own["q95"] - own["q5"]).to_numpy()
    apart = np.ravel(np.ptp(start.values, axis=0))
    moves = np.isfinite(width) & (width > 0)
    return bool(moves.any() and (apart[moves] < NEAR * width[moves]).all())
