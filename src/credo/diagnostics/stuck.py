"""Does every chain move? A chain that stays where it is agrees perfectly, and meaninglessly, with itself.

Only what the sampler moves is judged: a deterministic site may be constant. So may a scalar that has one value in all
chains while others of its variable move (the corner of a Cholesky factor), and a discrete latent that the data
determines: where its conditional distribution given all else is known, that must leave little to other values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from credo.diagnostics.answers import group, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.summary import labels, pieces
from credo.inference.convergence import constant
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import Share

PROBABLE = 0.01
"""The conditional probability of other values from which on a discrete latent that kept one value should have moved."""


@dataclass(frozen=True)
class Stuck:
    """The smallest fraction of transitions that change a continuous scalar, over all chains.

    Attributes:
        threshold: the smallest fraction that passes; a well tuned random walk moves in 10 to 50 % of its steps.
    """

    threshold: Share

    of: ClassVar[Of] = of(Kind.CHAINS)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws."""
        posterior = group(result, "posterior")
        sampled = [posterior[name] for name in result.sampled if name in posterior]
        apart = result.grouping.walkers
        if not sampled or posterior.sizes["draw"] <= apart:
            return not_checked("stuck", self.threshold, "There are not two draws of anything that is sampled.")
        continuous = [variable for variable in sampled if variable.dtype.kind == "f"]
        discrete = [variable for variable in sampled if variable.dtype.kind != "f"]
        rates = pd.DataFrame(dict(row for variable in continuous for row in _rates(variable, apart))).T
        others = {name: float(p) for v in group(result, "conditional").data_vars.values() for name, p in _by_label(v)}
        return self._judge_continuous(rates) or self._judge_discrete(rates, discrete, others)

    def _judge_continuous(self, rates: pd.DataFrame) -> Check | None:
        """The failure, if there is one. Rates: [scalar, chain]."""
        slow = ~(rates >= self.threshold)
        if not slow.to_numpy().any():
            return None
        chains = [str(chain) for chain in slow.columns[slow.any(axis="index")]]
        where = some(slow.index[slow.any(axis="columns")])
        who = "No chain moves" if len(chains) == len(slow.columns) else f"Chain {some(chains)} does not move"
        advice = (
            f"{who} in {where}, or in less than {self.threshold:.0%} of the steps. "
            "Lengthen inference.warmup, change the step size, or look at the starting points."
        )
        return Check("stuck", "failed", float(rates.to_numpy().min()), self.threshold, advice)

    def _judge_discrete(self, rates: pd.DataFrame, discrete: list[xr.DataArray], others: Mapping[str, float]) -> Check:
        """Others: the conditional probability of all other values, by scalar, where it is known."""
        worst = float(rates.to_numpy().min()) if rates.size else None
        apart = [name for variable in discrete for name in _apart(variable)]
        kept = (np.compress(constant(draws), names) for variable in discrete for names, draws in pieces(variable))
        still = [name for names in kept for name in names]
        if apart:
            advice = f"Every chain keeps {some(apart)} at a value of its own. Draw more, or use another sampler."
            return Check("stuck", "failed", worst, self.threshold, advice)
        if held := [name for name in still if others.get(name, 0.0) > PROBABLE]:
            most = max(others[name] for name in held)
            advice = (
                f"{some(held)} kept one value in all draws, though given all else other values have a probability of "
                f"up to {most:.2g}. Draw more, change inference.thinning, or sum them out (inference=nuts)."
            )
            return Check("stuck", "failed", worst, self.threshold, advice)
        if not rates.size and len(still) == sum(len(labels(variable)) for variable in discrete):
            return not_checked("stuck", self.threshold, "Everything that is sampled is discrete, and nothing moved.")
        if still:
            known = all(name in others for name in still)
            why = "given all else no other is probable" if known else "no other is probable, or none was reached"
            advice = f"{some(still)} kept one value in all draws: {why}."
            return Check("stuck", "note", worst, self.threshold, advice)
        return Check("stuck", "passed", worst, self.threshold, "Every chain moves.")


def _rates(variable: xr.DataArray, apart: int) -> Iterator[tuple[str, Float[np.ndarray, "chain"]]]:
    """Per scalar, the fraction of transitions, from a draw to one so many later, that changed it; NaN is no change."""
    rows = []
    for names, draws in pieces(variable):
        with np.errstate(invalid="ignore"):
            moved = (np.abs(draws[..., apart:] - draws[..., :-apart]) > 0).mean(axis=-1)
        rows += list(zip(names, moved, constant(draws), strict=True))
    nothing_moves = all(still for _, _, still in rows)
    for label, rate, still in rows:
        if nothing_moves or not still:
            yield label, rate


def _by_label(variable: xr.DataArray) -> Iterator[tuple[str, float]]:
    """The scalars of a variable that are known, by label. [...]."""
    values = np.ravel(variable.values)
    yield from ((name, float(p)) for name, p in zip(labels(variable), values, strict=True) if np.isfinite(p))


def _apart(variable: xr.DataArray) -> Iterator[str]:
    """The discrete scalars that are constant in each chain, and not the same in all."""
    for names, draws in pieces(variable):
        fixed = (draws == draws[..., :1]).all(axis=(1, 2))
        yield from np.compress(fixed & ~constant(draws), names)
