"""Moment matching: draws of the posterior are moved to where an observation is left out.

Paananen, Piironen, Buerkner and Vehtari (2021), "Implicitly adaptive importance sampling", Statistics and Computing 31:
while the Pareto k of the weights falls, the draws are shifted to their weighted mean, scaled to their weighted standard
deviations, or mapped to their weighted covariance. In the end half of them stay where they were, and all are weighed by
the mixture of both places. (ArviZ has the method, with an inverse map that holds for shifts alone.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from credo import pareto

Draws = Float[np.ndarray, "draw dim"]
Densities = Float[np.ndarray, "draw"]

MOST = 30
"""Moves of the draws."""

_LEAST = 10
"""Draws per scalar, below which no covariance is matched."""


class Matched(NamedTuple):
    """What is known of a left-out observation.

    - **elpd** - its log predictive density without it.
    - **pareto_k** - of the weights.
    """

    elpd: float
    pareto_k: float


@dataclass(frozen=True)
class Affine:
    """The map z -> centre + matrix (z - origin)."""

    origin: Float[np.ndarray, "dim"]
    centre: Float[np.ndarray, "dim"]
    matrix: Float[np.ndarray, "dim dim"]

    def __call__(self, z: Draws) -> Draws:
        """Move the draws."""
        return self.centre + (z - self.origin) @ self.matrix.T

    def back(self, z: Draws) -> Draws:
        """Where the draws came from."""
        return self.origin + np.linalg.solve(self.matrix, (z - self.centre).T).T

    @property
    def log_det(self) -> float:
        """By what it stretches volumes."""
        return float(np.linalg.slogdet(self.matrix)[1])


def matched(
    z: Draws,
    log_joint: Callable[[Draws], Densities],
    log_likelihood: Callable[[Draws], Densities],
    r_eff: float,
) -> Matched:
    """Leave one observation out.

    Args:
        z: draws of the posterior, unconstrained.
        log_joint: log p(data, z) with all observations.
        log_likelihood: of the observation.
        r_eff: effective draws per draw.
    """
    start = log_joint(z)

    def weighed(at: Draws, joint: Densities) -> tuple[Densities, float]:
        return smoothed(joint - log_likelihood(at) - start, r_eff)

    move, now = Affine(z.mean(axis=0), z.mean(axis=0), np.eye(z.shape[1])), z
    log_weight, k = weighed(now, start)
    for _ in range(MOST):
        for other in _moves(move, now, np.exp(log_weight)):
            at = other(z)
            tried = weighed(at, log_joint(at))
            if tried[1] < k:
                move, now, (log_weight, k) = other, at, tried
                break
        else:
            break
    return _mixed(z, move, log_joint, log_likelihood, r_eff)


def smoothed(log_ratio: Densities, r_eff: float) -> tuple[Densities, float]:
    """Normalised log weights with their tail smoothed, and its Pareto k; infinite where there is none to fit."""
    known = np.where(np.isfinite(log_ratio), log_ratio, -np.inf)
    if not np.isfinite(known).any():
        return np.full(len(known), -np.log(len(known))), np.inf
    (log_weight,), (k,) = pareto.smooth(known[None], pareto.length(len(known), r_eff))
    return log_weight, np.inf if np.isnan(k) else float(k)


def _moves(move: Affine, now: Draws, weight: Densities) -> list[Affine]:
    """The maps that match one moment more each, the simplest first."""
    mean, target = now.mean(axis=0), weight @ now
    shifted = Affine(move.origin, move.centre + target - mean, move.matrix)
    found, away = [shifted], now - target
    spread = np.sqrt(weight @ away**2 / now.var(axis=0))
    if np.isfinite(spread).all() and (spread > 0).all():
        found.append(Affine(move.origin, target, spread[:, None] * move.matrix))
    if len(now) >= _LEAST * now.shape[1] > _LEAST:
        try:
            wanted = np.linalg.cholesky((weight * away.T) @ away)
            own = np.linalg.cholesky(np.cov(now, rowvar=False))
        except np.linalg.LinAlgError:
            return found
        found.append(Affine(move.origin, target, wanted @ np.linalg.solve(own, move.matrix)))
    return found


def _mixed(
    z: Draws,
    move: Affine,
    log_joint: Callable[[Draws], Densities],
    log_likelihood: Callable[[Draws], Densities],
    r_eff: float,
) -> Matched:
    """Weigh every second draw where it was moved to, and the others where they were, by the mixture of both places."""
    at = np.where(np.arange(len(z))[:, None] % 2 == 0, move(z), z)
    joint, of_one = log_joint(at), log_likelihood(at)
    proposal = np.logaddexp(joint, log_joint(move.back(at)) - move.log_det)
    with np.errstate(invalid="ignore"):
        log_weight, k = smoothed(joint - of_one - proposal, r_eff)
    return Matched(float(logsumexp(log_weight + of_one)), k)
