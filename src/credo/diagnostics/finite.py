"""Are all numbers numbers? A NaN or an infinity in the answer makes everything computed from it worthless."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.summary import pieces
from credo.inference.pointwise import TOTAL
from credo.inference.result import Result, Status

GROUPS = ("posterior", "log_likelihood", TOTAL, "log_prior")


@dataclass(frozen=True)
class Finite:
    """The number of values of the posterior and its log densities that are NaN or infinite, and of NaN proposals."""

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws and point estimates."""
        if result.status is Status.NOT_FINITE:
            advice = f"{result.status.value} Look at the data and the priors, or set device.precision=float64."
            return Check("finite", "failed", None, 0, advice)
        if not group(result, "posterior").data_vars:
            return not_checked("finite", 0, "There is no posterior.")
        bad = {
            f"{name} of the {word}": count
            for word in GROUPS
            for name, variable in group(result, word).data_vars.items()
            if (count := sum(int(np.sum(~np.isfinite(draws))) for _, draws in pieces(variable)))
        }
        for found in (_infinite(result), _unknown(result)):
            if not bad and found is not None:
                return Check("finite", "failed", found[0], 0, found[1])
        if not bad:
            return Check("finite", "passed", 0, 0, "All draws and log densities are finite.")
        total = sum(bad.values())
        single = any(v.dtype == np.float32 for v in group(result, "posterior").data_vars.values())
        wider = ", or set device.precision=float64" if single else ""
        advice = f"{total} values are NaN or infinite, in {some(bad)}. Look at the model there{wider}."
        return Check("finite", "failed", total, 0, advice)


def _infinite(result: Result) -> tuple[int, str] | None:
    """The number of draws whose log density is infinite or NaN, and a sentence; `None` where there are none."""
    lp = group(result, "sample_stats").get("lp")
    if lp is None or not (bad := ~np.isfinite(lp.to_numpy())).any():
        return None
    chain, draw = np.argwhere(bad)[0]
    posterior = group(result, "posterior")
    scalars = [posterior[name] for name in result.sampled if name in posterior and posterior[name].ndim == 2]
    where = ", ".join(f"{one.name} = {float(one[chain, draw]):.4g}" for one in scalars[:3])
    count = int(bad.sum())
    return count, (
        f"The log density is {float(lp[chain, draw])} at {count} of {bad.size} draws"
        f"{f', as at {where}' if where else ''}. Look at the model's densities and factors there."
    )


def _unknown(result: Result) -> tuple[int, str] | None:
    """The number of proposals whose log density is NaN, and a sentence; `None` where there are none.

    The sampler rejects such a proposal, as if its density were zero, so that the draws alone look well.
    """
    stats = group(result, "sample_stats")
    if "nan_proposals" not in stats or not (count := int(stats["nan_proposals"].sum())):
        return None
    total = int(stats["n_steps"].sum())
    return count, (
        f"The log density is NaN at {count} of {total} proposals, which the sampler rejected: the draws avoid that "
        "part of the posterior. Look for a NaN in the model's densities there."
    )
