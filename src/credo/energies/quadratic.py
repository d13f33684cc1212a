"""The Gaussian's energy: E(x) = (x - mu)' P (x - mu) / 2, whose Z = (2 pi)^(dim / 2) / sqrt(det P)."""

from math import log, pi
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from credo.energies.base import Energy, check_numbers, real
from credo.errors import ConfigError


class Quadratic(Energy):
    """E(x) = (x - mu)' P (x - mu) / 2 of a state x [dim]. Only the symmetric part of P enters.

    Attributes:
        mu: Where the energy is 0, [dim].
        precision: P [dim, dim]; Z is finite where its symmetric part is positive definite.
    """

    mu: Array
    precision: Array

    def __init__(self, mu: Any, precision: Any):
        """The energy about `mu` [dim] with `precision` [dim, dim].

        Raises:
            ConfigError: For other shapes.
        """
        self.mu, self.precision = real(mu), real(precision)
        if self.mu.ndim != 1 or self.mu.size < 1:
            raise ConfigError(f"energy.mu: expected a vector, but got shape {self.mu.shape}")
        check_numbers("energy.precision", self.precision, (self.dim, self.dim))

    @property
    def dim(self) -> int:
        """The length of mu."""
        return len(self.mu)

    def __call__(self, x: Array) -> Array:
        """E(x) [] of x [dim]."""
        self.check_state(x)
        away = x - self.mu
        return 0.5 * jnp.einsum("i,ij,j", away, self.precision, away, precision=lax.Precision.HIGHEST)

    def log_z(self) -> Array:
        """Log Z [] in closed form over all of R^dim; NaN where P is not positive definite."""
        factor = jnp.linalg.cholesky((self.precision + self.precision.T) / 2)
        return 0.5 * self.dim * log(2 * pi) - jnp.log(jnp.diagonal(factor)).sum()
