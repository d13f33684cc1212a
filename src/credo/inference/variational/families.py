"""What variational inference fits: families of distributions, each of which begins as the standard normal one."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float, PRNGKeyArray

from credo.inference.variational.family import Family, log_normal
from credo.inference.variational.path import QuasiNewton

RANK = 5
"""Directions of a `low_rank` family."""

LAYERS, HIDDEN = 6, 32
"""Coupling layers of a `flow`, and hidden units of each."""

_MOST_STRETCH = 3.0
"""Nats by which one coupling layer stretches a scalar at most."""


class MeanField(Family):
    """A normal distribution of independent scalars."""

    mean: Float[Array, "*start dim"]
    log_scale: Float[Array, "*start dim"]

    def draw(self, noise: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
        """A draw, and its log density."""
        return self.mean + jnp.exp(self.log_scale) * noise, log_normal(noise) - jnp.sum(self.log_scale)

    def log_density(self, z: Float[Array, "dim"]) -> Float[Array, ""]:
        """The log density."""
        return log_normal((z - self.mean) * jnp.exp(-self.log_scale)) - jnp.sum(self.log_scale)


class FullRank(Family):
    """A normal distribution with any covariance, by its Cholesky factor, whose diagonal is kept as logarithms."""

    mean: Float[Array, "*start dim"]
    factor: Float[Array, "*start dim dim"]

    def draw(self, noise: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
        """A draw, and its log density."""
        return self.mean + self._lower() @ noise, log_normal(noise) - jnp.trace(self.factor)

    def log_density(self, z: Float[Array, "dim"]) -> Float[Array, ""]:
        """The log density."""
        noise = solve_triangular(self._lower(), z - self.mean, lower=True)
        return log_normal(noise) - jnp.trace(self.factor)

    def _lower(self) -> Float[Array, "dim dim"]:
        return jnp.tril(self.factor, -1) + jnp.diag(jnp.exp(jnp.diag(self.factor)))


class LowRank(Family):
    """A normal distribution with the root S (I + U V'), where U and V have few columns."""

    mean: Float[Array, "*start dim"]
    log_scale: Float[Array, "*start dim"]
    left: Float[Array, "*start dim rank"]
    right: Float[Array, "*start dim rank"]

    def draw(self, noise: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
        """A draw, and its log density."""
        z = self.mean + jnp.exp(self.log_scale) * (noise + self.left @ (self.right.T @ noise))
        return z, log_normal(noise) - self._log_det()

    def log_density(self, z: Float[Array, "dim"]) -> Float[Array, ""]:
        """The log density, by Woodbury's identity."""
        scaled = (z - self.mean) * jnp.exp(-self.log_scale)
        noise = scaled - self.left @ jnp.linalg.solve(self._small(), self.right.T @ scaled)
        return log_normal(noise) - self._log_det()

    def _small(self) -> Float[Array, "rank rank"]:
        return jnp.eye(self.left.shape[1], dtype=self.mean.dtype) + self.right.T @ self.left

    def _log_det(self) -> Float[Array, ""]:
        return jnp.sum(self.log_scale) + jnp.linalg.slogdet(self._small())[1]


class Coupling(Family):
    """One layer of a flow: half of the scalars are stretched and shifted by functions of the other half.

    Dinh, Sohl-Dickstein and Bengio (2017), "Density estimation using Real NVP", ICLR. It is as fast backwards as
    forwards, as the densities of a mixture need it.

    Attributes:
        moves: 1 where a scalar is moved, 0 where it is looked at.
        inner: of the network, [hidden, dim + 1]; the last column is added.
        outer: of the network, [2 dim, hidden + 1].
    """

    moves: Float[Array, "*start dim"]
    inner: Float[Array, "*start hidden dim1"]
    outer: Float[Array, "*start twice hidden1"]

    def draw(self, noise: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
        """Where a point goes, and minus the log of how much space is stretched there."""
        stretch, shift = self._functions(noise)
        return noise * jnp.exp(stretch) + shift, -jnp.sum(stretch)

    def back(self, z: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
        """Where a point comes from, and the same."""
        stretch, shift = self._functions(z)
        return (z - shift) * jnp.exp(-stretch), -jnp.sum(stretch)

    def log_density(self, z: Float[Array, "dim"]) -> Float[Array, ""]:
        """Of what standard normal noise becomes."""
        noise, height = self.back(z)
        return log_normal(noise) + height

    def _functions(self, x: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, "dim"]]:
        moves = jax.lax.stop_gradient(self.moves)
        hidden = jnp.tanh(self.inner[:, :-1] @ (x * (1 - moves)) + self.inner[:, -1])
        stretch, shift = jnp.split(self.outer[:, :-1] @ hidden + self.outer[:, -1], 2)
        return moves * _MOST_STRETCH * jnp.tanh(stretch / _MOST_STRETCH), moves * shift


class Flow(Family):
    """Coupling layers, which move the scalars by turns, around a normal distribution of independent ones."""

    layers: tuple[Coupling, ...]
    ends: MeanField

    def draw(self, noise: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
        """A draw, and its log density."""
        z, height = noise, log_normal(noise)
        for layer in self.layers:
            z, stretched = layer.draw(z)
            height += stretched
        drawn, own = self.ends.draw(z)
        return drawn, height + own - log_normal(z)

    def log_density(self, z: Float[Array, "dim"]) -> Float[Array, ""]:
        """The log density."""
        noise = (z - self.ends.mean) * jnp.exp(-self.ends.log_scale)
        height = -jnp.sum(self.ends.log_scale)
        for layer in reversed(self.layers):
            noise, stretched = layer.back(noise)
            height += stretched
        return log_normal(noise) + height


class Around(Family):
    """A family whose unit and origin are those of another normal distribution.

    Attributes:
        place: that distribution.
        inner: the family, whose steps are then in standard deviations.
    """

    place: QuasiNewton
    inner: Family

    def draw(self, noise: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
        """A draw, and its log density."""
        inside, height = self.inner.draw(noise)
        z, own = self.place.draw(inside)
        return z, height + own - log_normal(inside)

    def log_density(self, z: Float[Array, "dim"]) -> Float[Array, ""]:
        """The log density."""
        inside = self.place.noise(z)
        return self.inner.log_density(inside) + self.place.log_density(z) - log_normal(inside)


def begin(word: str, place: QuasiNewton, key: PRNGKeyArray) -> Around:
    """The family of this word, equal to a normal distribution; `meanfield` has its standard deviations only."""
    zeros = jnp.zeros_like(place.mean)
    dim = zeros.size
    if word == "meanfield":
        root = jax.vmap(lambda unit: place.draw(unit)[0] - place.mean)(jnp.eye(dim, dtype=zeros.dtype))
        scale, none = jnp.sqrt(jnp.sum(root**2, axis=0)), jnp.zeros_like(place.turns)
        return Around(QuasiNewton(place.mean, scale, place.moves, none), MeanField(zeros, zeros))
    if word == "full_rank":
        return Around(place, FullRank(zeros, jnp.zeros((dim, dim), zeros.dtype)))
    if word == "low_rank":
        shape = dim, min(RANK, dim)
        left = jax.random.normal(key, shape, zeros.dtype) / jnp.sqrt(dim)
        return Around(place, LowRank(zeros, zeros, left, jnp.zeros(shape, zeros.dtype)))
    layers = tuple(_coupling(i, dim, jax.random.fold_in(key, i), zeros.dtype) for i in range(LAYERS))
    return Around(place, Flow(layers, MeanField(zeros, zeros)))


def _coupling(number: int, dim: int, key: PRNGKeyArray, dtype: Any) -> Coupling:
    """A layer that moves nothing yet."""
    moves = (jnp.arange(dim) + number) % 2 == 0
    inner = jax.random.normal(key, (HIDDEN, dim + 1), dtype) / jnp.sqrt(dim + 1)
    return Coupling(moves.astype(dtype), inner, jnp.zeros((2 * dim, HIDDEN + 1), dtype))
