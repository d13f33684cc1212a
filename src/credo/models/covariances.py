"""Covariance functions by name, with sums and products, and the eigenfunctions that approximate them.

Rasmussen, C. E. and Williams, C. K. I. (2006), Gaussian Processes for Machine Learning, chapter 4. Solin, A. and
Särkkä, S. (2020), "Hilbert space methods for reduced-rank Gaussian process regression", Statistics and Computing 30.
"""

import math
from collections.abc import Callable, Mapping
from itertools import product

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from credo.config.nearest import nearest
from credo.errors import ConfigError

Numbers = Mapping[str, Float[Array, "..."]]
"""`lengthscale`, a number or one per feature; `period` of the periodic one."""


def _squares(x: Float[Array, "row feature"], z: Float[Array, "other feature"]) -> Float[Array, "row other"]:
    return ((x[:, None, :] - z[None, :, :]) ** 2).sum(-1)


def _distances(x: Float[Array, "row feature"], z: Float[Array, "other feature"]) -> Float[Array, "row other"]:
    """With the gradient 0 where points coincide."""
    squares = _squares(x, z)
    apart = squares > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squares, 1.0)), 0.0)


def rbf(x: Array, z: Array, numbers: Numbers) -> Array:
    """exp(-d^2 / 2), d the distance in lengthscales."""
    return jnp.exp(-0.5 * _squares(x / numbers["lengthscale"], z / numbers["lengthscale"]))


def matern32(x: Array, z: Array, numbers: Numbers) -> Array:
    """(1 + sqrt(3) d) exp(-sqrt(3) d)."""
    d = math.sqrt(3) * _distances(x / numbers["lengthscale"], z / numbers["lengthscale"])
    return (1 + d) * jnp.exp(-d)


def matern52(x: Array, z: Array, numbers: Numbers) -> Array:
    """(1 + sqrt(5) d + 5 d^2 / 3) exp(-sqrt(5) d)."""
    d = math.sqrt(5) * _distances(x / numbers["lengthscale"], z / numbers["lengthscale"])
    return (1 + d + d**2 / 3) * jnp.exp(-d)


def periodic(x: Array, z: Array, numbers: Numbers) -> Array:
    """exp(-2 sum_j sin^2(pi (x_j - z_j) / period) / lengthscale^2)."""
    waves = jnp.sin(jnp.pi * (x[:, None, :] - z[None, :, :]) / numbers["period"]) / numbers["lengthscale"]
    return jnp.exp(-2 * (waves**2).sum(-1))


def linear(x: Array, z: Array, numbers: Numbers) -> Array:  # noqa: ARG001 - as the others
    """The scalar product x . z."""
    return x @ z.T


COVARIANCES: Mapping[str, tuple[Callable[[Array, Array, Numbers], Array], tuple[str, ...]]] = {
    "rbf": (rbf, ("lengthscale",)),
    "matern32": (matern32, ("lengthscale",)),
    "matern52": (matern52, ("lengthscale",)),
    "periodic": (periodic, ("lengthscale", "period")),
    "linear": (linear, ()),
}
"""Each with the numbers that it has."""

ROUGHNESS: Mapping[str, float] = {"rbf": math.inf, "matern32": 1.5, "matern52": 2.5}
"""Those with a spectral density: Matérn's nu."""


def terms(words: str) -> tuple[tuple[str, ...], ...]:
    """The factors of each term of a sum of products.

    Example:
        >>> terms("rbf + periodic*matern32")
        (('rbf',), ('periodic', 'matern32'))

    Raises:
        ConfigError: there is no such covariance, or one comes twice.
    """
    found = tuple(tuple(word.strip() for word in term.split("*")) for term in words.split("+"))
    every = [word for term in found for word in term]
    for word in every:
        if word not in COVARIANCES:
            raise ConfigError(f"kernel: there is no covariance {word!r}; {nearest(word, list(COVARIANCES))}")
        if every.count(word) > 1:
            raise ConfigError(f"kernel: {word} comes twice in {words!r}, but each may come once; write it once")
    return found


def spectral_density(name: str, omega: Float[Array, "basis feature"], lengthscale: Float[Array, "..."]) -> Array:
    """Of an amplitude of 1, at frequencies [basis, feature]; the Fourier transform of the covariance."""
    nu, dims = ROUGHNESS[name], omega.shape[1]
    lengths = jnp.broadcast_to(lengthscale, (dims,))
    squares = ((lengths * omega) ** 2).sum(-1)
    volume = jnp.prod(lengths)
    if math.isinf(nu):
        return volume * (2 * math.pi) ** (dims / 2) * jnp.exp(-0.5 * squares)
    log_constant = (
        dims * math.log(2)
        + dims / 2 * math.log(math.pi)
        + math.lgamma(nu + dims / 2)
        - math.lgamma(nu)
        + nu * math.log(2 * nu)
    )
    return volume * jnp.exp(log_constant - (nu + dims / 2) * jnp.log(2 * nu + squares))


def eigenfunctions(
    x: Float[Array, "row feature"], half_widths: Float[Array, "feature"], count: int
) -> tuple[Float[Array, "row basis"], Float[Array, "basis feature"]]:
    """Of the Laplacian on the box [-L, L]^d with values 0 at its edges, and the roots of their eigenvalues.

    Args:
        x: points within the box.
        half_widths: L along each feature.
        count: functions along each feature.
    """
    places = np.array(list(product(range(1, count + 1), repeat=x.shape[1])))
    omega = jnp.asarray(places) * math.pi / (2 * half_widths)
    waves = jnp.sin(omega[None] * (x + half_widths)[:, None, :]) / jnp.sqrt(half_widths)
    return waves.prod(-1), omega
