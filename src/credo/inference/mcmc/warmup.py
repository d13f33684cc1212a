"""When a warm-up has done what it can, and whether its acceptance rate will do.

`inference.warmup=auto`. At the end of a window, after at least 100 draws and two for each latent scalar, the warm-up
has settled where

- the metric in use suits draws that it has not seen as well as one that is learned from them: with D the Fisher
  divergence per latent of the later draws (see `metric_fit.divergence`), D in use is at most 1, and at most 0.1 above D
  learned;
- the acceptance rate of the later half of the window is within 0.1 of its target;
- all chains are at the same heights: the R-hat of the log density in the window is below 1.1.

The step size then adapts to the metric for a last stretch, a tenth of the longest warm-up. Chains that never settle, as
those in a funnel or in two modes, make the longest warm-up.

`inference.target_accept=auto`. A trial of two stretches more has the step size that the sampling will have. Where a
trajectory diverges in it, or the E-BFMI of a chain is below 0.3, the target rises, the step size adapts to it for a
stretch, and is tried again.

How often the first rule is wrong, and what the second one brings, is in `experiments/benchmarks/warmup.md`.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float

from credo import chain_stats

_LEAST_DRAWS, _PER_LATENT = 100, 2
"""Draws before which no warm-up has settled: a divergence per latent says little of the few directions that matter most
where there are many others.
"""

_LARGEST, _GAIN = 1.0, 0.1
"""Fisher divergence per latent of a metric that suits draws, and what another one may gain."""

_OFF = 0.1
"""So far from its target is the acceptance rate of a step size that has settled, at most."""

_R_HAT, _E_BFMI = 1.1, 0.3

_STRETCH, _TRIAL = 0.1, 2
"""A stretch is so much of the longest warm-up, and a trial so many stretches."""


class Told(NamedTuple):
    """What the kernel reported of the warm-up's draws in a window or a trial, each [chains, draws]."""

    lp: Float[np.ndarray, "chains draws"]
    acceptance_rate: Float[np.ndarray, "chains draws"]
    energy: Float[np.ndarray, "chains draws"]
    diverging: Float[np.ndarray, "chains draws"]

    @classmethod
    def of(cls, info: Mapping[str, np.ndarray]) -> Self:
        """From the Info of some draws."""
        like = info["acceptance_rate"]
        unknown = np.full(like.shape, np.nan)
        return cls(*(np.asarray(info.get(name, unknown), float) for name in cls._fields))

    @property
    def has_failed(self) -> bool:
        """Whether a trajectory of a trial diverged, or a chain walked slowly through the energies."""
        spread = np.sum((self.energy - self.energy.mean(axis=1, keepdims=True)) ** 2, axis=1)
        slow = np.sum(np.diff(self.energy) ** 2, axis=1) < _E_BFMI * spread
        return bool(np.any(slow) or np.nansum(self.diverging) > 0)


def stretch(warmup: int) -> int:
    """Draws of a stretch of a warm-up of so many."""
    return math.ceil(_STRETCH * warmup)


def trial(warmup: int) -> int:
    """Draws of a trial."""
    return _TRIAL * stretch(warmup)


def settled(told: Told, done: int, latents: int, target: float, in_use: float, learned: float) -> bool:
    """Whether the warm-up has settled at the end of a window.

    Args:
        told: of the window.
        done: draws of the warm-up so far.
        latents: scalars.
        target: of the acceptance rate.
        in_use: the Fisher divergence per latent of the metric of the window.
        learned: that of the one learned from its draws.
    """
    later = told.acceptance_rate[:, told.acceptance_rate.shape[1] // 2 :]
    if done < max(_LEAST_DRAWS, _PER_LATENT * latents):
        return False
    if not in_use <= min(_LARGEST, learned + _GAIN) or not abs(np.mean(later) - target) < _OFF:
        return False
    return bool(chain_stats.of(told.lp[None], chain_stats.r_hat)[0, 0] < _R_HAT)
