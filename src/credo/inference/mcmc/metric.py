"""Metrics of Hamiltonian samplers: linear maps from coordinates in which the posterior is nearly standard normal.

A sampler moves y with unit masses, and the latents are z = T y; that is the mass matrix (T T')^-1 for z (Neal 2011,
section 4.1). T is learned from draws z and gradients g of the potential, so that T T' minimises the Fisher divergence
between the posterior and a normal distribution: it is the geometric mean of cov(z) and cov(g)^-1 (Seyboldt, Carlson &
Carpenter 2026, "Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence"). Of a normal posterior these
agree, and a few more draws than dimensions give its covariance without error.

`metric=auto` takes scales per coordinate alone where they suit draws that were held out as well, and the covariance in
place of the geometric mean in the directions in which they differ by more than noise (see `shape`).
"""

import abc
import math
from collections.abc import Callable
from typing import Any, Self, override

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from credo.inference.mcmc import shape as shapes
from credo.inference.mcmc.shape import Shape

MOST_DENSE, MOST_LOW_RANK = 50, 1000
"""Latent scalars up to which `auto` may be dense, and low rank; beyond, where T would cost more than most gradients, it
is diagonal.
"""

_LEVEL = 1e-3
"""Fisher divergence per latent below which a diagonal metric needs no improvement; a standard normal has 0."""

_LEAST_GRADIENT = 1e-10
"""A first guess of a scale is not larger than from this gradient: a flat place tells nothing."""


class Metric(eqx.Module):
    """A linear map T from y to z, both flat [dim]."""

    @abc.abstractmethod
    def forward(self, y: Float[Array, "dim"]) -> Float[Array, "dim"]:
        """T y."""

    @abc.abstractmethod
    def backward(self, z: Float[Array, "dim"]) -> Float[Array, "dim"]:
        """T^-1 z."""

    @abc.abstractmethod
    def pull(self, gradient: Float[Array, "dim"]) -> Float[Array, "dim"]:
        """T' g: a gradient with respect to z as one with respect to y."""

    @abc.abstractmethod
    def push(self, gradient: Float[Array, "dim"]) -> Float[Array, "dim"]:
        """T'^-1 g: a gradient with respect to y as one with respect to z."""

    @abc.abstractmethod
    def on_host(
        self, z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"]
    ) -> tuple[Float[np.ndarray, "draws dim"], Float[np.ndarray, "draws dim"]]:
        """T^-1 z and T' g of draws and gradients with respect to z, computed by NumPy."""

    @property
    @abc.abstractmethod
    def scales(self) -> Float[np.ndarray, "*chains dim"]:
        """The length of each coordinate's unit in a first guess, which has no directions; of one metric or of many."""

    def is_sound(self) -> bool:
        """Whether it can be used: all its numbers are finite."""
        return all(bool(np.isfinite(leaf).all()) for leaf in jax.tree.leaves(self))

    @classmethod
    @abc.abstractmethod
    def scaled(cls, scale: Float[Array, "dim"]) -> Self:
        """The map that multiplies by `scale`; arrays have the shapes of any other of its kind."""

    @classmethod
    @abc.abstractmethod
    def learned(
        cls, z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"], edge: float = math.inf
    ) -> Shape:
        """The shape for draws and gradients, both centred; `edge` as in `shape.learned`."""

    @classmethod
    @abc.abstractmethod
    def of(cls, shape: Shape) -> Self:
        """The map of a shape that was learned for its kind, or of one without directions."""


class Diagonal(Metric):
    """Each coordinate has its scale [dim]."""

    scale: Float[Array, "dim"]

    @override
    def forward(self, y: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self.scale * y

    @override
    def backward(self, z: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return z / self.scale

    @override
    def pull(self, gradient: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self.scale * gradient

    @override
    def push(self, gradient: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return gradient / self.scale

    @override
    def on_host(
        self, z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"]
    ) -> tuple[Float[np.ndarray, "draws dim"], Float[np.ndarray, "draws dim"]]:
        scale = np.asarray(self.scale)
        return z / scale, g * scale

    @property
    @override
    def scales(self) -> Float[np.ndarray, "*chains dim"]:
        return np.asarray(self.scale)

    @classmethod
    @override
    def scaled(cls, scale: Float[Array, "dim"]) -> Self:
        return cls(scale)

    @classmethod
    @override
    def learned(
        cls, z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"], edge: float = math.inf
    ) -> Shape:
        return shapes.plain(shapes.scales(z, g))

    @classmethod
    @override
    def of(cls, shape: Shape) -> Self:
        return cls(_in_precision(shape.scale))


class Dense(Metric):
    """A lower triangular matrix [dim, dim]."""

    factor: Float[Array, "dim dim"]

    @override
    def forward(self, y: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self.factor @ y

    @override
    def backward(self, z: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return solve_triangular(self.factor, z, lower=True)

    @override
    def pull(self, gradient: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self.factor.T @ gradient

    @override
    def push(self, gradient: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return solve_triangular(self.factor, gradient, lower=True, trans="T")

    @override
    def on_host(
        self, z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"]
    ) -> tuple[Float[np.ndarray, "draws dim"], Float[np.ndarray, "draws dim"]]:
        factor = np.asarray(self.factor)
        return np.linalg.solve(factor, z.T).T, g @ factor

    @property
    @override
    def scales(self) -> Float[np.ndarray, "*chains dim"]:
        return np.diagonal(np.asarray(self.factor), axis1=-2, axis2=-1)

    @override
    def is_sound(self) -> bool:
        return super().is_sound() and bool(np.all(np.diagonal(self.factor) > 0))

    @classmethod
    @override
    def scaled(cls, scale: Float[Array, "dim"]) -> Self:
        return cls(jnp.diag(scale))

    @classmethod
    @override
    def learned(
        cls, z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"], edge: float = math.inf
    ) -> Shape:
        return shapes.learned(z, g, edge)

    @classmethod
    @override
    def of(cls, shape: Shape) -> Self:
        scale, variances, vectors = shape
        covariance = np.eye(len(scale)) + (vectors * (variances - 1.0)) @ vectors.T
        return cls(_in_precision(scale[:, None] * np.linalg.cholesky(covariance)))


class LowRank(Metric):
    """D (I + U (S - I) U'): each coordinate has its scale, and a few directions are stretched.

    Attributes:
        scale: D [dim].
        vectors: U [dim, rank], orthonormal or zero columns.
        stretch: S [rank].
    """

    scale: Float[Array, "dim"]
    vectors: Float[Array, "dim rank"]
    stretch: Float[Array, "rank"]

    RANK = 32
    """How many directions at most."""

    @override
    def forward(self, y: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self.scale * self._stretched(y, self.stretch)

    @override
    def backward(self, z: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self._stretched(z / self.scale, 1.0 / self.stretch)

    @override
    def pull(self, gradient: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self._stretched(self.scale * gradient, self.stretch)

    @override
    def push(self, gradient: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return self._stretched(gradient, 1.0 / self.stretch) / self.scale

    @override
    def on_host(
        self, z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"]
    ) -> tuple[Float[np.ndarray, "draws dim"], Float[np.ndarray, "draws dim"]]:
        scale, vectors, stretch = (np.asarray(leaf) for leaf in (self.scale, self.vectors, self.stretch))
        y, slope = z / scale, g * scale
        y = y + (y @ vectors * (1 / stretch - 1)) @ vectors.T
        return y, slope + (slope @ vectors * (stretch - 1)) @ vectors.T

    @property
    @override
    def scales(self) -> Float[np.ndarray, "*chains dim"]:
        return np.asarray(self.scale)

    def _stretched(self, vector: Float[Array, "dim"], stretch: Float[Array, "rank"]) -> Float[Array, "dim"]:
        return vector + self.vectors @ ((stretch - 1.0) * (self.vectors.T @ vector))

    @classmethod
    @override
    def scaled(cls, scale: Float[Array, "dim"]) -> Self:
        rank = min(cls.RANK, scale.shape[0])
        return cls(scale, jnp.zeros((scale.shape[0], rank), scale.dtype), jnp.ones(rank, scale.dtype))

    @classmethod
    @override
    def learned(
        cls, z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"], edge: float = math.inf
    ) -> Shape:
        return Dense.learned(z, g, edge).strongest(cls.RANK)

    @classmethod
    @override
    def of(cls, shape: Shape) -> Self:
        directions = len(shape.variances)
        rank = min(cls.RANK, len(shape.scale))
        u, s = np.zeros((len(shape.scale), rank)), np.ones(rank)
        u[:, :directions], s[:directions] = shape.vectors, np.sqrt(shape.variances)
        return cls(*map(_in_precision, (shape.scale, u, s)))


Draws = Callable[[np.ndarray], np.ndarray]
"""Which of the draws [chains, draws, ...] are taken."""

Centred = tuple[Float[np.ndarray, "_ dim"], Float[np.ndarray, "_ dim"]]
"""Draws and gradients [draws, dim], each chain taken from its own mean."""

Fold = dict[Draws, Centred | None]
"""Half of the draws, by which of them are taken; `None` where these tell nothing."""

KINDS: dict[str, type[Metric]] = {"diagonal": Diagonal, "dense": Dense, "low_rank": LowRank}


def kind(name: str, dim: int) -> type[Metric]:
    """The kind of metric for `metric=name` and so many latent scalars."""
    if name != "auto":
        return KINDS[name]
    return Dense if dim <= MOST_DENSE else LowRank if dim <= MOST_LOW_RANK else Diagonal


def from_gradient(name: str, gradient: Float[Array, "dim"]) -> Metric:
    """A first guess from one gradient: far out in a normal posterior, it is about one over the variance."""
    scale = jnp.clip(jnp.abs(gradient), _LEAST_GRADIENT, None) ** -0.5
    finite = jnp.isfinite(gradient)
    return kind(name, gradient.shape[0]).scaled(jnp.where(finite, jnp.clip(scale, *shapes.limits(gradient.dtype)), 1.0))


def shared(name: str, own: Metric) -> Metric:
    """One first guess for all chains, from that of each.

    A gradient is nearly zero in some coordinates wherever a chain begins, whose scale is then far too large; the median
    over chains, each of which begins elsewhere, is hardly ever. Nor is it that of one chain that begins far out.

    Args:
        name: of the metric, as it is configured.
        own: `from_gradient` of each chain; its arrays are [chains, ...].
    """
    scales = np.asarray(own.scales, float)
    return kind(name, scales.shape[-1]).of(shapes.plain(np.exp(np.median(np.log(scales), axis=0))))


def divergence(
    metric: Metric, z: Float[np.ndarray, "chains draws dim"], g: Float[np.ndarray, "chains draws dim"]
) -> float:
    """The Fisher divergence per latent of the later draws, each chain taken from its own mean; 0 of a perfect metric.

    Infinite where the draws tell nothing.
    """
    draws = shapes.centred(_later(z), _later(g))
    if draws is None:
        return math.inf
    try:
        with np.errstate(all="ignore"), threadpool_limits(1, user_api="blas"):
            y, slope = metric.on_host(*draws)
            found = float(np.mean((y - slope) ** 2))
    except np.linalg.LinAlgError:
        return math.inf
    return found if math.isfinite(found) else math.inf


def fit(name: str, z: Float[np.ndarray, "chains draws dim"], g: Float[np.ndarray, "chains draws dim"]) -> Metric | None:
    """The metric for draws and gradients, each chain taken from its own mean.

    One thread computes it: matrices of some hundred columns gain nothing from more, which wait for each other, and the
    last bits of the metric, and so the draws, would follow from the number of cores.

    Returns:
        `None` where they tell nothing: gradients that are not finite, no movement, or numbers so far apart that no
        matrix of them can be decomposed.
    """
    which = kind(name, z.shape[-1])
    try:
        with np.errstate(all="ignore"), threadpool_limits(1, user_api="blas"):
            shape = _best(which, z, g) if name == "auto" else _learned(which, shapes.centred(z, g))
            metric = None if shape is None else which.of(shape)
    except np.linalg.LinAlgError:
        return None
    return metric if metric is not None and metric.is_sound() else None


def _best(
    which: type[Metric], z: Float[np.ndarray, "chains draws dim"], g: Float[np.ndarray, "chains draws dim"]
) -> Shape | None:
    """What suits recent draws best: a scale per coordinate, or all that the kind can be.

    The latter is learned from all draws, or from the later ones alone where the chains have only just arrived.
    """
    options: tuple[tuple[type[Metric], Draws], ...] = ((Diagonal, _all), (which, _all), (which, _later))
    folds = _folds(z, g)
    losses = [_held_out(kind, learn_from, folds, z.shape) for kind, learn_from in options]
    chosen, learn_from = options[losses.index(min(losses))]
    return _learned(chosen, shapes.centred(learn_from(z), learn_from(g)), shapes.noticeable(learn_from(z)))


def _folds(z: Float[np.ndarray, "chains draws dim"], g: Float[np.ndarray, "chains draws dim"]) -> list[Fold]:
    """Every second chain, and the others; of one chain, every second draw. Each centred, by which draws are taken."""
    halves = [(a[::2], a[1::2]) if len(a) > 1 else (a[:, ::2], a[:, 1::2]) for a in (z, g)]
    return [
        {taken: shapes.centred(taken(own_z), taken(own_g)) for taken in (_all, _later)}
        for own_z, own_g in zip(*halves, strict=True)
    ]


def _held_out(which: type[Metric], learn_from: Draws, folds: list[Fold], sizes: tuple[int, ...]) -> float:
    """The Fisher divergence of the later draws of one fold, learned from the other, and vice versa.

    Directions cost a part for each latent in as many as there are draws.

    Args:
        which: what is learned.
        learn_from: which draws it is learned from.
        folds: both halves.
        sizes: chains, draws and latents of both.
    """
    chains, draws, dim = sizes
    loss = 0.0
    for ours, theirs in (folds, folds[::-1]):
        shape, held_out = _learned_or_none(which, ours[learn_from]), theirs[_later]
        loss += math.inf if shape is None or held_out is None else shape.divergence(*held_out)
    if which is not Diagonal:
        loss = loss * (1 + dim / (chains * draws)) + _LEVEL * dim
    return loss if math.isfinite(loss) else math.inf


def _learned_or_none(which: type[Metric], draws: Centred | None) -> Shape | None:
    try:
        return _learned(which, draws)
    except np.linalg.LinAlgError:
        return None


def _learned(which: type[Metric], draws: Centred | None, edge: float = math.inf) -> Shape | None:
    return None if draws is None else which.learned(*draws, edge)


def _in_precision(numbers: Float[np.ndarray, "*shape"]) -> Any:
    """Numbers of the host in the precision of the run; they are put on the device with the call that takes them."""
    return numbers.astype(jax.dtypes.canonicalize_dtype(float))


def _all(draws: Float[np.ndarray, "chains draws dim"]) -> Float[np.ndarray, "chains draws dim"]:
    return draws


def _later(draws: Float[np.ndarray, "chains draws dim"]) -> Float[np.ndarray, "chains later dim"]:
    """The later half of draws [chains, draws, ...]."""
    return draws[:, draws.shape[1] // 2 :]
