"""The draws of one posterior in place of those of another, of which only the density differs: moved and weighed.

Importance ratios have a heavy tail where the posteriors are apart. The draws are therefore carried along the path
(1 - t) log p + t log p' from one density to the other: t rises as far as weights stay even, and there an affine map
gives the draws the weighted mean and covariance (Paananen, Piironen, Buerkner and Vehtari 2021, "Implicitly adaptive
importance sampling", Statistics and Computing 31). In the end the ratios to p' are smoothed by a Pareto tail (Vehtari,
Simpson, Gelman, Yao and Gabry 2024, JMLR 25(72)), whose shape k says whether the draws can stand for those of p'.

The draws are resampled in their order. Copies of one draw stand beside each other and count as autocorrelation, so that
effective sample sizes, standard errors and R-hat of the new chains have what the weights lose.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Shaped
from scipy.special import logsumexp

from credo.inference.density import Program, Values, potential
from credo.inference.unconstrained import AT_ONCE
from credo.inference.variational.importance import Weights, resample, weigh

Draws = Float[np.ndarray, "draw dim"]
Densities = Float[np.ndarray, "draw"]

GROUP = "reweighted"
"""The group of a result that has the weights of its draws."""

MOST = 0.5
"""The largest Pareto k at which the draws are used: up to it the variance of the weights is finite."""

_EVEN, _ENOUGH, _BETTER = 0.5, 0.9, 1.02
"""Shares of the draws that weights are worth: as far as a step along the path goes, and from which on no map is looked
for; and by how much a map must improve on it.
"""

_STEPS, _SHORTEST = 12, 0.02
"""Steps of the path at most, and the shortest of them, below which there is no way."""

_PER_SCALAR = 10
"""Draws per scalar below which variances alone are matched."""

_LEARN = 1000
"""Draws from which the map is learned, or twice as many as a covariance takes."""


class Reweighted(NamedTuple):
    """Draws of the other posterior.

    - **draws** - by site [chain, draw, ...], unconstrained.
    - **log_p** - the log joint density of each [chain, draw].
    - **weights** - of the draws before they were resampled.
    - **evaluations** - of densities.
    """

    draws: dict[str, Shaped[np.ndarray, "chain draw ..."]]
    log_p: Float[np.ndarray, "chain draw"]
    weights: Weights
    evaluations: int


class _Map(NamedTuple):
    """The map z -> centre + matrix (z - origin)."""

    origin: Float[np.ndarray, "dim"]
    centre: Float[np.ndarray, "dim"]
    matrix: Float[np.ndarray, "dim dim"]

    def __call__(self, z: Draws) -> Draws:
        return self.centre + (z - self.origin) @ self.matrix.T

    @property
    def log_det(self) -> float:
        return float(np.linalg.slogdet(self.matrix)[1])


class _Place(NamedTuple):
    """Where the draws are: the map, the draws, their log densities p and p', and p where they came from."""

    move: _Map
    z: Draws
    before: Densities
    after: Densities
    origin: Densities

    def log_ratio(self, t: float) -> Densities:
        """Of the density at a point of the path to that of the moved draws."""
        path = self.after if t == 1 else (1 - t) * self.before + t * self.after
        ratio = path - self.origin + self.move.log_det
        return np.where(np.isnan(ratio), -np.inf, ratio)


def reweighted(before: Program, after: Program, draws: dict[str, Shaped[np.ndarray, "chain draw ..."]]) -> Reweighted:
    """Carry draws of one posterior over to another with the same latents.

    Args:
        before: the program of which they are draws.
        after: the program of which draws are wanted.
        draws: of all latents, which are continuous, by site, unconstrained.
    """
    chains, count = next(iter(draws.values())).shape[:2]
    flat = jax.tree.map(lambda a: a.reshape(chains * count, *a.shape[2:]), draws)
    one = jax.tree.map(lambda a: a[0], flat)
    z = np.asarray(jax.vmap(lambda own: ravel_pytree(own)[0])(flat), float)

    def log_joint(program: Program, at: Draws) -> Densities:
        return np.asarray(_log_joint(program, one, at), float)

    origin = log_joint(before, z)
    some = slice(None, None, max(len(z) // max(_LEARN, 2 * _PER_SCALAR * z.shape[1]), 1))
    move, looked = _path(z[some], origin[some], partial(log_joint, before), partial(log_joint, after))
    moved = move(z)
    log_p = log_joint(after, moved)
    log_ratio = log_p - origin + move.log_det
    weights = weigh(np.where(np.isnan(log_ratio), -np.inf, log_ratio))
    chosen, _ = resample(np.exp(weights.log_weight), 0.5)
    unravel = ravel_pytree(one)[1]
    again = jax.tree.map(lambda a: np.asarray(a).reshape(chains, count, *a.shape[1:]), jax.vmap(unravel)(moved[chosen]))
    return Reweighted(again, log_p[chosen].reshape(chains, count), weights, 2 * (len(z) + looked))


def _path(
    z: Draws, origin: Densities, before: Callable[[Draws], Densities], after: Callable[[Draws], Densities]
) -> tuple[_Map, int]:
    """The map that carries draws along the path, and at how many points the densities were looked at."""
    now = _Place(_Map(z.mean(axis=0), z.mean(axis=0), np.eye(z.shape[1])), z, origin, after(z), origin)
    looked, t = len(z), 0.0
    for _ in range(_STEPS):
        further = _furthest(now, t)
        if further < 1 and further - t < _SHORTEST:
            break
        t, moved = further, False
        log_weight = _normalised(now.log_ratio(t))
        worth = _worth(log_weight)
        for move in _moves(now, np.exp(log_weight)) if worth < _ENOUGH * len(z) else ():
            at = move(z)
            there = _Place(move, at, before(at), after(at), origin)
            looked += len(z)
            if _worth(there.log_ratio(t)) > _BETTER * worth:
                now, moved = there, True
                break
        if t == 1 and not moved:
            break
    return now.move, looked


@jax.jit
def _log_joint(program: Program, one: Values, z: Float[Array, "draw dim"]) -> Float[Array, "draw"]:
    """Log p(data, z) at each draw; `one` has the latents' shapes."""
    unravel, energy = ravel_pytree(one)[1], potential(program)
    return lax.map(lambda at: -energy(unravel(at)), z, batch_size=AT_ONCE)


def _furthest(now: _Place, t: float) -> float:
    """How far along the path weights stay even."""
    fewest = _EVEN * len(now.z)
    if _worth(now.log_ratio(1.0)) >= fewest:
        return 1.0
    low, high = t, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _worth(now.log_ratio(middle)) >= fewest else (low, middle)
    return low


def _normalised(log_ratio: Densities) -> Densities:
    total = logsumexp(log_ratio)
    return log_ratio - total if np.isfinite(total) else np.full(len(log_ratio), -np.log(len(log_ratio)))


def _worth(log_ratio: Densities) -> float:
    """How many even weights these are worth (Kong 1992); none where nothing is left."""
    if not np.isfinite(log_ratio).any():
        return 0.0
    return float(1 / np.exp(2 * _normalised(log_ratio)).sum())


def _moves(now: _Place, weight: Densities) -> list[_Map]:
    """The maps that match the weighted moments, that of most first: mean and covariance, mean and variances, mean."""
    z, move = now.z, now.move
    mean, target = z.mean(axis=0), weight @ z
    away, found = z - target, list[_Map]()
    if len(z) >= _PER_SCALAR * z.shape[1]:
        with suppress(np.linalg.LinAlgError):
            wanted = np.linalg.cholesky((weight * away.T) @ away)
            own = np.linalg.cholesky(np.atleast_2d(np.cov(z, rowvar=False)))
            found.append(_Map(move.origin, target, wanted @ np.linalg.solve(own, move.matrix)))
    spread = np.sqrt(weight @ away**2 / z.var(axis=0))
    if np.isfinite(spread).all() and (spread > 0).all():
        found.append(_Map(move.origin, target, spread[:, None] * move.matrix))
    return [*found, _Map(move.origin, move.centre + target - mean, move.matrix)]
