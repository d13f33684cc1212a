"""A mixture of normal distributions near draws, by expectation and maximisation; as many as held-out draws ask for.

Dempster, Laird and Rubin (1977), "Maximum likelihood from incomplete data via the EM algorithm", JRSS B 39.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from credo import pareto

MOST = 6
"""Components."""

_ROUNDS = 100
_ENOUGH = 1e-5
"""Nats per draw: a smaller rise ends the rounds."""


class Components(NamedTuple):
    """The numbers of a mixture; see `models.earlier.Mixture`."""

    log_weights: Float[np.ndarray, "component"]
    means: Float[np.ndarray, "component dim"]
    scales: Float[np.ndarray, "component dim dim"]


def fit(z: Float[np.ndarray, "draw dim"]) -> Components:
    """The mixture, of the number of components that foretells every second draw best from the others."""
    found: dict[int, float] = {}
    for count in range(1, MOST + 1):
        if len(z) < 20 * count * (z.shape[1] + 1):
            break
        found[count] = float(log_density(_fitted(z[::2], count), z[1::2]).mean())
        if found[count] < max(found.values()):
            break
    return _fitted(z, max(found, key=found.__getitem__, default=1))


def log_density(mixture: Components, z: Float[np.ndarray, "draw dim"]) -> Float[np.ndarray, "draw"]:
    """The log density at some points."""
    return np.asarray(logsumexp(_by_component(mixture, z), axis=0))


def nearness(log_q: Float[np.ndarray, "draw"], log_p: Float[np.ndarray, "draw"] | None) -> dict[str, float]:
    """How near a mixture is to what the draws came from.

    Args:
        log_q: the mixture's log density at the draws.
        log_p: their own, up to a constant, where it is known.

    Returns:
        `pareto_k`, of the weights that turn the draws into draws of the mixture, 0 where none is above sqrt(draws) of
        their mean, so that none counts (Ionides 2008, "Truncated importance sampling", JCGS 17); `divergence`, the
        Kullback-Leibler divergence of the mixture from the draws, in nats. NaN where the densities are not known.
    """
    ratio = log_q * np.nan if log_p is None else log_q - log_p
    if not np.isfinite(ratio).all():
        return {"pareto_k": np.nan, "divergence": np.nan}
    even = np.exp(ratio.max() - logsumexp(ratio)) < len(ratio) ** -0.5
    k = 0.0 if even else float(pareto.smooth(ratio[None], pareto.length(len(ratio))).k[0])
    return {"pareto_k": k, "divergence": float(logsumexp(ratio) - np.log(len(ratio)) - ratio.mean())}


def _by_component(mixture: Components, z: Float[np.ndarray, "draw dim"]) -> Float[np.ndarray, "component draw"]:
    dim, found = z.shape[1], []
    for log_weight, mean, scale in zip(*mixture, strict=True):
        noise = (z - mean) @ np.linalg.inv(scale).T  # a triangular solve waits for many threads
        stretch = np.log(np.diag(scale)).sum() + dim / 2 * np.log(2 * np.pi)
        found.append(log_weight - stretch - (noise**2).sum(axis=1) / 2)
    return np.stack(found)


def _fitted(z: Float[np.ndarray, "draw dim"], count: int) -> Components:
    """The mixture of so many components; it begins with equal parts of the draws along their longest axis."""
    away = z - z.mean(axis=0)
    along = away @ np.linalg.svd(away, full_matrices=False)[2][0]
    part = np.argsort(np.argsort(along)) * count // len(z)
    shares = (part == np.arange(count)[:, None]).astype(float)
    mixture, before = _maximised(z, shares), -np.inf
    for _ in range(_ROUNDS if count > 1 else 0):
        each = _by_component(mixture, z)
        whole = logsumexp(each, axis=0)
        if whole.mean() - before < _ENOUGH:
            break
        mixture, before = _maximised(z, np.exp(each - whole)), float(whole.mean())
    return mixture


def _maximised(z: Float[np.ndarray, "draw dim"], shares: Float[np.ndarray, "component draw"]) -> Components:
    """The components where each has these shares of the draws; a covariance is drawn a little to its diagonal."""
    counts = np.maximum(shares.sum(axis=1), 1e-3)
    means = shares @ z / counts[:, None]
    scales = []
    for share, count, mean in zip(shares, counts, means, strict=True):
        covariance = (share * (z - mean).T) @ (z - mean) / count
        spread = np.diag(covariance) + 1e-12
        shrunk = z.shape[1] / (count + z.shape[1]) if z.shape[1] > 1 else 0.0
        scales.append(np.linalg.cholesky((1 - shrunk) * covariance + np.diag(shrunk * spread + 1e-12)))
    return Components(np.log(counts / counts.sum()), means, np.stack(scales))
