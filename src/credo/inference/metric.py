"""Metrics of Hamiltonian samplers: linear maps from coordinates in which the posterior is nearly standard normal.

A sampler moves y with unit masses, and the latents are z = T y; that is the mass matrix (T T')^-1 for z (Neal 2011,
section 4.1). T is learned from draws z and gradients g of the potential, so that T T' minimises the Fisher divergence
between the posterior and a normal distribution: it is the geometric mean of cov(z) and cov(g)^-1 (Seyboldt, Carlson &
Carpenter 2026, "Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence"). Of a normal posterior these
agree, and a few more draws than dimensions give its covariance without error.
"""

import abc
from typing import Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular

_LEAST_SCALE, _MOST_SCALE = 1e-10, 1e10

_SHRINKAGE = 1e-5
"""Added to both covariances, in units where the diagonal metric is one: directions that no draw shows stay as they are.
"""

_CUTOFF = 2.0
"""A direction is stretched by a low-rank metric when its variance is further from one than this factor."""

_MOST_IN_SPAN = 400
"""So many draws at most span the space in which directions are looked for, where there are more latents than that."""


class Metric(eqx.Module):
    """A linear map T from y to z, both flat [dim]."""

    @abc.abstractmethod
    def forward(self, y: Array) -> Array:
        """T y."""

    @abc.abstractmethod
    def backward(self, z: Array) -> Array:
        """T^-1 z."""

    @abc.abstractmethod
    def pull(self, gradient: Array) -> Array:
        """T' g: a gradient with respect to z as one with respect to y."""

    @abc.abstractmethod
    def push(self, gradient: Array) -> Array:
        """T'^-1 g: a gradient with respect to y as one with respect to z."""

    @classmethod
    @abc.abstractmethod
    def scaled(cls, scale: Array) -> Self:
        """The map that multiplies by `scale` [dim]; arrays have the shapes of any other of its kind."""

    @classmethod
    @abc.abstractmethod
    def fitted(cls, z: np.ndarray, g: np.ndarray) -> Self:
        """The map for draws and gradients [draws, dim], both centred."""


class Diagonal(Metric):
    """Each coordinate has its scale [dim]."""

    scale: Array

    def forward(self, y: Array) -> Array:
        """See `Metric`."""
        return self.scale * y

    def backward(self, z: Array) -> Array:
        """See `Metric`."""
        return z / self.scale

    def pull(self, gradient: Array) -> Array:
        """See `Metric`."""
        return self.scale * gradient

    def push(self, gradient: Array) -> Array:
        """See `Metric`."""
        return gradient / self.scale

    @classmethod
    def scaled(cls, scale: Array) -> Self:
        """See `Metric`."""
        return cls(scale)

    @classmethod
    def fitted(cls, z: np.ndarray, g: np.ndarray) -> Self:
        """See `Metric`."""
        return cls(jnp.asarray(_scale(z, g)))


class Dense(Metric):
    """A lower triangular matrix [dim, dim]."""

    factor: Array

    def forward(self, y: Array) -> Array:
        """See `Metric`."""
        return self.factor @ y

    def backward(self, z: Array) -> Array:
        """See `Metric`."""
        return solve_triangular(self.factor, z, lower=True)

    def pull(self, gradient: Array) -> Array:
        """See `Metric`."""
        return self.factor.T @ gradient

    def push(self, gradient: Array) -> Array:
        """See `Metric`."""
        return solve_triangular(self.factor, gradient, lower=True, trans="T")

    @classmethod
    def scaled(cls, scale: Array) -> Self:
        """See `Metric`."""
        return cls(jnp.diag(scale))

    @classmethod
    def fitted(cls, z: np.ndarray, g: np.ndarray) -> Self:
        """See `Metric`."""
        scale = _scale(z, g)
        variances, vectors = _directions(z / scale, g * scale)
        covariance = np.eye(len(scale)) + (vectors * (variances - 1.0)) @ vectors.T
        return cls(jnp.asarray(scale[:, None] * np.linalg.cholesky(covariance)))


class LowRank(Metric):
    """D (I + U (S - I) U'): each coordinate has its scale, and a few directions are stretched.

    Attributes:
        scale: D [dim].
        vectors: U [dim, rank], orthonormal or zero columns.
        stretch: S [rank].
    """

    scale: Array
    vectors: Array
    stretch: Array

    RANK = 32
    """How many directions at most."""

    def forward(self, y: Array) -> Array:
        """See `Metric`."""
        return self.scale * self._stretched(y, self.stretch)

    def backward(self, z: Array) -> Array:
        """See `Metric`."""
        return self._stretched(z / self.scale, 1.0 / self.stretch)

    def pull(self, gradient: Array) -> Array:
        """See `Metric`."""
        return self._stretched(self.scale * gradient, self.stretch)

    def push(self, gradient: Array) -> Array:
        """See `Metric`."""
        return self._stretched(gradient, 1.0 / self.stretch) / self.scale

    def _stretched(self, vector: Array, stretch: Array) -> Array:
        return vector + self.vectors @ ((stretch - 1.0) * (self.vectors.T @ vector))

    @classmethod
    def scaled(cls, scale: Array) -> Self:
        """See `Metric`."""
        rank = min(cls.RANK, scale.shape[0])
        return cls(scale, jnp.zeros((scale.shape[0], rank), scale.dtype), jnp.ones(rank, scale.dtype))

    @classmethod
    def fitted(cls, z: np.ndarray, g: np.ndarray) -> Self:
        """See `Metric`."""
        scale = _scale(z, g)
        variances, vectors = _directions(z / scale, g * scale)
        distance = np.abs(np.log(variances))
        chosen = np.argsort(-distance)[: min(cls.RANK, len(scale))]
        chosen = chosen[distance[chosen] > np.log(_CUTOFF)]
        rank = min(cls.RANK, len(scale))
        u, s = np.zeros((len(scale), rank)), np.ones(rank)
        u[:, : len(chosen)], s[: len(chosen)] = vectors[:, chosen], np.sqrt(variances[chosen])
        return cls(jnp.asarray(scale), jnp.asarray(u), jnp.asarray(s))


KINDS: dict[str, type[Metric]] = {"diagonal": Diagonal, "dense": Dense, "low_rank": LowRank}


def from_gradient(kind: str, gradient: Array) -> Metric:
    """A first guess from one gradient [dim]: far out in a normal posterior, it is about one over the variance."""
    scale = jnp.clip(jnp.abs(gradient), _LEAST_SCALE, _MOST_SCALE) ** -0.5
    return KINDS[kind].scaled(jnp.where(jnp.isfinite(scale), scale, 1.0))


def fit(kind: str, z: np.ndarray, g: np.ndarray) -> Metric | None:
    """The metric for draws and gradients [chains, draws, dim], each chain taken from its own mean.

    Returns:
        `None` where they tell nothing: a gradient that is not finite, or no movement.
    """
    flat_z, flat_g = (np.reshape(a - a.mean(axis=1, keepdims=True), (-1, a.shape[-1])) for a in (z, g))
    known = np.isfinite(flat_g).all(axis=1) & np.isfinite(flat_z).all(axis=1)
    flat_z, flat_g = flat_z[known], flat_g[known]
    if len(flat_z) < 3 or not flat_z.any():
        return None
    return KINDS[kind].fitted(flat_z, flat_g)


def _scale(z: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The fourth root of var(z) / var(g), by coordinate."""
    with np.errstate(all="ignore"):
        ratio = np.sqrt(np.mean(z**2, axis=0) / np.mean(g**2, axis=0))
    known = np.isfinite(ratio) & (ratio > 0)
    return np.clip(np.sqrt(np.where(known, ratio, 1.0)), _LEAST_SCALE, _MOST_SCALE)


def _directions(z: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances [directions] and orthonormal directions [dim, directions] of the geometric mean, in scaled coordinates.

    It is one in every direction that is not listed.
    """
    dim = z.shape[1]
    if dim > _MOST_IN_SPAN:
        few = slice(None, None, -(-len(z) // (_MOST_IN_SPAN // 2)))
        basis = np.linalg.qr(np.concatenate([z[few], g[few]]).T)[0]
        z, g = z @ basis, g @ basis
    else:
        basis = np.eye(dim)
    covariance, precision = (a.T @ a / len(a) + _SHRINKAGE * np.eye(a.shape[1]) for a in (z, g))
    values, vectors = np.linalg.eigh(precision)
    root, inverse = (vectors * values**power @ vectors.T for power in (0.5, -0.5))
    middle_values, middle = np.linalg.eigh(root @ covariance @ root)
    half = inverse @ (middle * np.maximum(middle_values, 0.0) ** 0.25)
    variances, directions = np.linalg.eigh(half @ half.T)
    return np.maximum(variances, 1e-20), basis @ directions
