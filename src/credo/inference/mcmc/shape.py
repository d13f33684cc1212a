"""Shapes of posteriors, learned from draws and gradients on the host.

The geometric mean of cov(z) and cov(g)^-1 minimises the Fisher divergence to a normal distribution (see `metric`). Of a
normal posterior these agree, and a few more draws than dimensions give its covariance without error. Of others
cov(z) cov(g) has eigenvalues above one. There the geometric mean leaves directions wider than the rest, which
trajectories do not cross that turn when most directions have turned; the covariance does not.
"""

import math
from functools import cache
from typing import Any, NamedTuple, Self

import jax
import numpy as np
from jaxtyping import Float

_MOST_IN_SPAN = 400
"""So many draws at most span the space in which directions are looked for, where there are more latents than that."""


_SHRINKAGE = 1e-5
"""Added to both covariances, in units where the diagonal metric is one: directions that no draw shows stay as they are.
"""

_PRECISION = 1e-13
"""Eigenvalues are known to this part of the largest; what is smaller, or negative by rounding, is taken for it."""

_PER_DRAW = 4.0
"""So many draws of the warm-up tell as much as one that is independent."""

_WIDER, _TOO_WIDE = 1.4, 20.0
"""The covariance takes the place of the geometric mean where it is larger by the first factor than noise explains, and
nowhere as long as it is larger by the second in any direction: then chains are on their way, or variances hardly exist.
"""

_LEAST_DRAWS = 3

_CUTOFF = 2.0
"""A direction is stretched by a low-rank metric when its variance is further from one than this factor."""


class Shape(NamedTuple):
    """D (I + U (V - I) U') D, which is T T', on the host in double precision.

    - **scale** - D [dim].
    - **variances** - V [directions].
    - **vectors** - U [dim, directions], orthonormal.
    """

    scale: Float[np.ndarray, "dim"]
    variances: Float[np.ndarray, "directions"]
    vectors: Float[np.ndarray, "dim directions"]

    def divergence(self, z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"]) -> float:
        """The Fisher divergence of draws and gradients, both centred: the mean of |T^-1 z - T' g|^2."""
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


def noticeable(z: Float[np.ndarray, "chains draws dim"]) -> float:
    """How much larger than the geometric mean the covariance of draws must be to be taken.

    Noise gives such eigenvalues to the covariance where all variances are one (Marchenko & Pastur 1967).
    """
    chains, draws, dim = z.shape
    return _WIDER * (1 + math.sqrt(dim * _PER_DRAW / (chains * draws))) ** 2


def centred(
    z: Float[np.ndarray, "chains draws dim"], g: Float[np.ndarray, "chains draws dim"]
) -> tuple[Float[np.ndarray, "finite dim"], Float[np.ndarray, "finite dim"]] | None:
    """Draws and gradients [draws, dim] where both are finite; `None` where there are too few, or nothing moves."""
    z, g = (np.asarray(a, float) for a in (z, g))
    finite = np.isfinite(g).all(axis=-1) & np.isfinite(z).all(axis=-1)
    counts = np.maximum(finite.sum(axis=1), 1)[:, None, None]
    centres = (np.where(finite[..., None], a, 0.0).sum(axis=1, keepdims=True) / counts for a in (z, g))
    z, g = ((a - centre)[finite] for a, centre in zip((z, g), centres, strict=True))
    return (z, g) if len(z) >= _LEAST_DRAWS and z.any() else None


@cache
def limits(dtype: Any) -> tuple[float, float]:
    """The least and the largest scale whose square, and that of one over it, are numbers of a type."""
    least = float(np.finfo(dtype).tiny) ** 0.4
    return least, 1 / least


def plain(scale: Float[np.ndarray, "dim"]) -> Shape:
    """A shape without directions."""
    return Shape(scale, np.ones(0), np.zeros((len(scale), 0)))


def scales(z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"]) -> Float[np.ndarray, "dim"]:
    """The fourth root of var(z) / var(g), by coordinate."""
    ratio = np.sqrt(np.mean(z**2, axis=0) / np.mean(g**2, axis=0))
    finite = np.isfinite(ratio) & (ratio > 0)
    return np.clip(np.sqrt(np.where(finite, ratio, 1.0)), *limits(jax.dtypes.canonicalize_dtype(float)))


def learned(z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"], edge: float = math.inf) -> Shape:
    """Scales and directions from draws and gradients, both centred.

    Args:
        z: draws.
        g: gradients of the potential.
        edge: cov(z) takes the place of the geometric mean in directions in which it is larger by more than this; see
            `noticeable`.
    """
    scale = scales(z, g)
    return Shape(scale, *_directions(z / scale, g * scale, edge))


def _directions(
    z: Float[np.ndarray, "draws dim"], g: Float[np.ndarray, "draws dim"], edge: float
) -> tuple[Float[np.ndarray, "directions"], Float[np.ndarray, "dim directions"]]:
    """Variances and orthonormal directions, in scaled coordinates.

    The variance is one in every direction that is not listed. With P = cov(g) and P^1/2 cov(z) P^1/2 = Q M Q', the
    geometric mean is P^-1/2 Q M^1/2 Q' P^-1/2, and with M in place of M^1/2 it is cov(z). Where M^1/2 is above `edge`,
    it is M here.
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
    wide = np.sqrt(middle_values)
    wide = np.where((wide > edge) & (wide[-1] < _TOO_WIDE), wide, 1.0)
    half = inverse @ (middle * (middle_values**0.25 * np.sqrt(wide)))
    variances, directions = np.linalg.eigh(half @ half.T)
    return np.maximum(variances, _PRECISION * max(variances[-1], 1.0)), basis @ directions
