"""Metrics of Hamiltonian samplers: linear maps from coordinates in which the posterior is nearly standard normal.

A sampler moves y with unit masses, and the latents are z = T y; that is the mass matrix (T T')^-1 for z (Neal 2011,
section 4.1). T is learned from draws z and gradients g of the potential, so that T T' minimises the Fisher divergence
between the posterior and a normal distribution: it is the geometric mean of cov(z) and cov(g)^-1 (Seyboldt, Carlson &
Carpenter 2026, "Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence"). Of a normal posterior these
agree, and a few more draws than dimensions give its covariance without error.

`metric_fit` finds the one for the draws of a warm-up.
"""

import abc
import math
from typing import Any, Self, override

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float

from credo.inference.mcmc import shape as shapes
from credo.inference.mcmc.shape import Shape

MOST_DENSE, MOST_LOW_RANK = 50, 1000
"""Latent scalars up to which `auto` may be dense, and low rank; beyond, where T would cost more than most gradients, it
is diagonal.
"""

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


def _in_precision(numbers: Float[np.ndarray, "*shape"]) -> Any:
    """Numbers of the host in the precision of the run; they are put on the device with the call that takes them."""
    return numbers.astype(jax.dtypes.canonicalize_dtype(float))
