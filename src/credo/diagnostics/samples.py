"""Do chains that sample a trained energy agree? Half of them begin at the data, half away from it."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.energies.samplers.agreement import largest_r_hat
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Range


@dataclass(frozen=True)
class Samples:
    """The largest R-hat of the energy and of the states' numbers, over all chains.

    A chain that stays in one of several modes is seen by it: the samples then miss modes or give them wrong weights,
    and so did the negative chains of a training by this sampler.

    Attributes:
        threshold: the largest R-hat that passes.
    """

    threshold: Annotated[float, Range(least=1)]

    of: ClassVar[Of] = of(groups=("samples/energy",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge the samples of energy-based models."""
        samples = group(result, "samples")
        states = samples["y"].transpose("chain", "draw", "target").to_numpy()
        worst = largest_r_hat(states, samples["energy"].transpose("chain", "draw").to_numpy())
        if np.isnan(worst):
            reason = "The samples are not finite, or do not move, so that R-hat could not be computed."
            return not_checked("samples", self.threshold, reason)
        sampler, chains = samples.attrs.get("sampler", "the sampler"), len(states)
        if samples.attrs.get("exact", 0):
            seen = f"{states.shape[0] * states.shape[1]:,} states were drawn independently, by the exact distribution."
            return Check("samples", "passed", worst, self.threshold, seen)
        if worst <= self.threshold and not samples.attrs.get("adjusted", 1):
            reason = (
                f"{chains} chains of {sampler} agree, but nothing is rejected, so that their states are not those of "
                "the energy, by an error that is not known. Choose sampler=mala."
            )
            return not_checked("samples", self.threshold, reason)
        if worst <= self.threshold:
            seen = f"{chains} chains of {sampler}, started at the data and away from it, agree."
            return Check("samples", "passed", worst, self.threshold, seen)
        advice = (
            f"Chains of {sampler} started at the data and away from it disagree: they do not move between the modes. "
            "Samples are not to be relied on. Raise sampler.steps, or choose sampler=tempering."
        )
        return Check("samples", "failed", worst, self.threshold, advice)
