"""Metrics of Hamiltonian samplers: linear maps from coordinates in which the posterior is nearly standard normal.

A sampler moves y with unit masses, and the latents are z = T y; that is the mass matrix (T T')^-1 for z (Neal 2011,
section 4.1). T is learned from draws z and gradients g of the potential, so that T T' minimises the Fisher divergence
between the posterior and a normal distribution: it is the geometric mean of cov(z) and cov(g)^-1 (Seyboldt, Carlson &
Carpenter 2026, "Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence"). Of a normal posterior these
agree, and a few more draws than dimensions give its covariance without error.

Of other posteriors cov(z) cov(g) has eigenvalues above one. There the geometric mean leaves directions wider than the
others, which trajectories that turn when most directions have turned do not cross; the covariance does not.
`metric=auto` therefore has the covariance in the directions in which noise cannot explain that, and it has a scale per
coordinate alone where that fits draws that were held out as well.
"""

import abc
import math
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular

MOST_DENSE, MOST_LOW_RANK = 50, 1000
"""Latent scalars up to which `auto` may be dense, and low rank; beyond, where T would cost more than most gradients, it
is diagonal.
"""

_PER_DRAW = 4.0
"""So many draws of the warm-up tell as much as one that is independent."""

_LEVEL = 1e-3
"""Fisher divergence per latent below which a diagonal metric needs no improvement; a standard normal has 0."""

_SHRINKAGE = 1e-5
"""Added to both covariances, in units where the diagonal metric is one: directions that no draw shows stay as they are.
"""

_PRECISION = 1e-13
"""Eigenvalues are known to this part of the largest; what is smaller, or negative by rounding, is taken for it."""

_LEAST_DRAWS = 3

_LEAST_GRADIENT = 1e-10
"""A first guess of a scale is not larger than from this gradient: a flat place tells nothing."""

_CUTOFF = 2.0
"""A direction is stretched by a low-rank metric when its variance is further from one than this factor."""

_MOST_IN_SPAN = 400
"""So many draws at most span the space in which directions are looked for, where there are more latents than that."""


class Shape(NamedTuple):
    """D (I + U (V - I) U') D, which is T T', on the host in double precision.

    - **scale** - D [dim].
    - **variances** - V [directions].
    - **vectors** - U [dim, directions], orthonormal.
    """

    scale: np.ndarray
    variances: np.ndarray
    vectors: np.ndarray

    def divergence(self, z: np.ndarray, g: np.ndarray) -> float:
        """The Fisher divergence of draws and gradients [draws, dim], both centred: the mean of |T^-1 z - T' g|^2."""
        y, slope = z / self.scale, g * self.scale
        stretch = np.sqrt(self.variances)
        y = y + (y @ self.vectors * (1 / stretch - 1)) @ self.vectors.T
        slope = slope + (slope @ self.vectors * (stretch - 1)) @ self.vectors.T
        return float(np.mean(np.sum((y - slope) ** 2, axis=1)))

    def strongest(self, rank: int) -> Self:
        """With the directions alone whose variance is far from one, `rank` at most."""
        distance = np.abs(np.log(self.variances))
        chosen = np.argsort(-distance)[:rank]
        chosen = chosen[distance[chosen] > np.log(_CUTOFF)]
        return self._replace(variances=self.variances[chosen], vectors=self.vectors[:, chosen])


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

    def is_sound(self) -> bool:
        """Whether it can be used: all its numbers are finite."""
        return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(self))

    @classmethod
    @abc.abstractmethod
    def scaled(cls, scale: Array) -> Self:
        """The map that multiplies by `scale` [dim]; arrays have the shapes of any other of its kind."""

    @classmethod
    @abc.abstractmethod
    def learned(cls, z: np.ndarray, g: np.ndarray, edge: float = math.inf) -> Shape:
        """The shape for draws and gradients [draws, dim], both centred; `edge` as in `_directions`."""

    @classmethod
    @abc.abstractmethod
    def of(cls, shape: Shape) -> Self:
        """The map of a shape that was learned for its kind, or of one without directions."""


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
    def learned(cls, z: np.ndarray, g: np.ndarray, edge: float = math.inf) -> Shape:  # noqa: ARG003 - of others
        """See `Metric`."""
        return _round(_scale(z, g))

    @classmethod
    def of(cls, shape: Shape) -> Self:
        """See `Metric`."""
        return cls(jnp.asarray(shape.scale))


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

    def is_sound(self) -> bool:
        """See `Metric`."""
        return super().is_sound() and bool(np.all(np.diagonal(self.factor) > 0))

    @classmethod
    def scaled(cls, scale: Array) -> Self:
        """See `Metric`."""
        return cls(jnp.diag(scale))

    @classmethod
    def learned(cls, z: np.ndarray, g: np.ndarray, edge: float = math.inf) -> Shape:
        """See `Metric`."""
        scale = _scale(z, g)
        return Shape(scale, *_directions(z / scale, g * scale, edge))

    @classmethod
    def of(cls, shape: Shape) -> Self:
        """See `Metric`."""
        scale, variances, vectors = shape
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
    def learned(cls, z: np.ndarray, g: np.ndarray, edge: float = math.inf) -> Shape:
        """See `Metric`."""
        return Dense.learned(z, g, edge).strongest(cls.RANK)

    @classmethod
    def of(cls, shape: Shape) -> Self:
        """See `Metric`."""
        found = len(shape.variances)
        rank = min(cls.RANK, len(shape.scale))
        u, s = np.zeros((len(shape.scale), rank)), np.ones(rank)
        u[:, :found], s[:found] = shape.vectors, np.sqrt(shape.variances)
        return cls(jnp.asarray(shape.scale), jnp.asarray(u), jnp.asarray(s))


Draws = Callable[[np.ndarray], np.ndarray]
"""Which of the draws [chains, draws, ...] are taken."""

KINDS: dict[str, type[Metric]] = {"diagonal": Diagonal, "dense": Dense, "low_rank": LowRank}


def kind(word: str, dim: int) -> type[Metric]:
    """The kind of metric for `metric=word` and so many latent scalars."""
    if word != "auto":
        return KINDS[word]
    return Dense if dim <= MOST_DENSE else LowRank if dim <= MOST_LOW_RANK else Diagonal


def from_gradient(word: str, gradient: Array) -> Metric:
    """A first guess from one gradient [dim]: far out in a normal posterior, it is about one over the variance."""
    scale = jnp.clip(jnp.abs(gradient), _LEAST_GRADIENT, None) ** -0.5
    known = jnp.isfinite(gradient)
    return kind(word, gradient.shape[0]).scaled(jnp.where(known, jnp.clip(scale, *_limits(gradient.dtype)), 1.0))


def fit(word: str, z: np.ndarray, g: np.ndarray) -> Metric | None:
    """The metric for draws and gradients [chains, draws, dim], each chain taken from its own mean.

    Returns:
        `None` where they tell nothing: gradients that are not finite, no movement, or numbers so far apart that no
        matrix of them can be decomposed.
    """
    which = kind(word, z.shape[-1])
    try:
        with np.errstate(all="ignore"):
            shape = _best(which, z, g) if word == "auto" else _learned(which, z, g)
            metric = None if shape is None else which.of(shape)
    except np.linalg.LinAlgError:
        return None
    return metric if metric is not None and metric.is_sound() else None


def _best(which: type[Metric], z: np.ndarray, g: np.ndarray) -> Shape | None:
    """What suits recent draws best: a scale per coordinate, or all that the kind can be.

    The latter is learned from all draws, or from the later ones alone where the chains have only just arrived.
    """
    options: tuple[tuple[type[Metric], Draws], ...] = ((Diagonal, _all), (which, _all), (which, _later))
    losses = [_held_out(kind, learn_from, z, g) for kind, learn_from in options]
    chosen, learn_from = options[losses.index(min(losses))]
    return _learned(chosen, learn_from(z), learn_from(g), _edge(learn_from(z)))


def _held_out(which: type[Metric], learn_from: Draws, z: np.ndarray, g: np.ndarray) -> float:
    """The Fisher divergence of the later draws of every second chain, learned from the other chains, and vice versa.

    Of one chain, every second draw is held out. Directions cost a part for each latent in as many as there are draws.
    """
    halves = [(a[::2], a[1::2]) if len(a) > 1 else (a[:, ::2], a[:, 1::2]) for a in (z, g)]
    folds = list(zip(*halves, strict=True))
    loss = 0.0
    for ours, theirs in (folds, folds[::-1]):
        shape = _learned_or_none(which, *map(learn_from, ours))
        draws = _centred(*map(_later, theirs))
        loss += math.inf if shape is None or draws is None else shape.divergence(*draws)
    if which is not Diagonal:
        loss = loss * (1 + z.shape[2] / (z.shape[0] * z.shape[1])) + _LEVEL * z.shape[2]
    return loss if math.isfinite(loss) else math.inf


def _learned_or_none(which: type[Metric], z: np.ndarray, g: np.ndarray) -> Shape | None:
    try:
        return _learned(which, z, g)
    except np.linalg.LinAlgError:
        return None


def _learned(which: type[Metric], z: np.ndarray, g: np.ndarray, edge: float = math.inf) -> Shape | None:
    draws = _centred(z, g)
    return None if draws is None else which.learned(*draws, edge)


def _edge(z: np.ndarray) -> float:
    """The largest eigenvalue that noise gives to the covariance of draws [chains, draws, dim] whose variances are one.

    Marchenko & Pastur (1967).
    """
    chains, draws, dim = z.shape
    return (1 + math.sqrt(dim * _PER_DRAW / (chains * draws))) ** 2


def _all(draws: np.ndarray) -> np.ndarray:
    return draws


def _later(draws: np.ndarray) -> np.ndarray:
    """The later half of draws [chains, draws, ...]."""
    return draws[:, draws.shape[1] // 2 :]


def _centred(z: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Draws and gradients [draws, dim] where both are finite; `None` where there are too few, or nothing moves."""
    z, g = (np.asarray(a, float) for a in (z, g))
    z, g = (np.reshape(a - a.mean(axis=1, keepdims=True), (-1, a.shape[-1])) for a in (z, g))
    known = np.isfinite(g).all(axis=1) & np.isfinite(z).all(axis=1)
    z, g = z[known], g[known]
    return (z, g) if len(z) >= _LEAST_DRAWS and z.any() else None


def _limits(dtype: Any) -> tuple[float, float]:
    """The least and the largest scale whose square, and that of one over it, are numbers of a type."""
    least = float(np.finfo(dtype).tiny) ** 0.4
    return least, 1 / least


def _round(scale: np.ndarray) -> Shape:
    """A shape without directions."""
    return Shape(scale, np.ones(0), np.zeros((len(scale), 0)))


def _scale(z: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The fourth root of var(z) / var(g), by coordinate."""
    ratio = np.sqrt(np.mean(z**2, axis=0) / np.mean(g**2, axis=0))
    known = np.isfinite(ratio) & (ratio > 0)
    return np.clip(np.sqrt(np.where(known, ratio, 1.0)), *_limits(jax.dtypes.canonicalize_dtype(float)))


def _directions(z: np.ndarray, g: np.ndarray, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Variances [directions] and orthonormal directions [dim, directions], in scaled coordinates.

    The variance is one in every direction that is not listed. With P = cov(g) and P^1/2 cov(z) P^1/2 = Q M Q', the
    geometric mean is P^-1/2 Q M^1/2 Q' P^-1/2, and with M in place of M^1/2 it is cov(z). Where M^1/2 is above `edge`,
    M / edge takes its place.
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
    values = np.maximum(values, _PRECISION * values[-1])
    root, inverse = (vectors * values**power @ vectors.T for power in (0.5, -0.5))
    middle_values, middle = np.linalg.eigh(root @ covariance @ root)
    middle_values = np.maximum(middle_values, 0.0)
    wide = np.where(np.sqrt(middle_values) > edge, np.sqrt(middle_values), 1.0)
    half = inverse @ (middle * (middle_values**0.25 * np.sqrt(wide)))
    variances, directions = np.linalg.eigh(half @ half.T)
    return np.maximum(variances, _PRECISION * max(variances[-1], 1.0)), basis @ directions
