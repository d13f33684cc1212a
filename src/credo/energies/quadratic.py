"""The Gaussian's energy: E(x) = (x - mu)' P (x - mu) / 2, whose Z = (2 pi)^(dim / 2) / sqrt(det P)."""

from math import log, pi
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro
from jax import Array, lax
from jaxtyping import Float
from numpyro.distributions import constraints

from credo.energies.base import Energy, check_numbers, real
from credo.energies.model import ContinuousModel, Prior
from credo.energies.normaliser.base import Closed, Normaliser
from credo.errors import ConfigError


class Quadratic(Energy):
    """E(x) = (x - mu)' P (x - mu) / 2 of a state x [dim]. Only the symmetric part of P enters.

    Example:
        A normal of standard deviation 1/2, of which log Z = log(2 pi / 4) / 2.

        >>> normal = Quadratic([0.0], [[4.0]])
        >>> float(normal(jnp.ones(1)))
        2.0
        >>> round(float(normal.log_z()), 4)
        0.2258

    Attributes:
        mu: Where the energy is 0, [dim].
        precision: P [dim, dim]; Z is finite where its symmetric part is positive definite.
    """

    mu: Float[Array, "dim"]
    precision: Float[Array, "dim dim"]

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

    def __call__(self, x: Float[Array, "dim"]) -> Float[Array, ""]:
        """E(x) of x."""
        self.check_state(x)
        away = x - self.mu
        return 0.5 * jnp.einsum("i,ij,j", away, self.precision, away, precision=lax.Precision.HIGHEST)

    def log_z(self) -> Float[Array, ""]:
        """Log Z in closed form over all of R^dim; NaN where P is not positive definite."""
        factor = jnp.linalg.cholesky((self.precision + self.precision.T) / 2)
        return 0.5 * self.dim * log(2 * pi) - jnp.log(jnp.diagonal(factor)).sum()


class QuadraticModel(ContinuousModel):
    """E(x) = |(I - B)(x - mu) / s|^2 / 2 with B strictly lower triangular: each number regresses on those before it.

    `mu` [dim] and `sd` [dim] = s have priors, and `slope` [pairs], the entries of B by row, where there are several.
    """

    formula: ClassVar[str] = "E(x) = |(I - B)(x - mu) / s|^2 / 2, B strictly lower triangular\nmu, s, B ~ priors"
    supports: ClassVar[dict[str, Any]] = {
        "mu": (constraints.real,),
        "scale": (constraints.positive,),
        "slope": (constraints.real,),
    }

    @property
    def used(self) -> tuple[str, ...]:
        """No slopes in one dimension."""
        return ("mu", "scale") if self.dim == 1 else ("mu", "scale", "slope")

    def __call__(self, prior: Prior) -> Quadratic:
        """Sample `mu`, `scale` and `slope`."""
        dim = self.dim or 1
        with numpyro.plate("target", dim):
            mu = numpyro.sample("mu", prior["mu"])
            scale = numpyro.sample("scale", prior["scale"])
        root = jnp.eye(dim)
        if dim > 1:
            with numpyro.plate("pair", dim * (dim - 1) // 2):
                slope = numpyro.sample("slope", prior["slope"])
            root = root.at[np.tril_indices(dim, -1)].set(-slope)
        root = root / scale[:, None]
        return Quadratic(mu, root.T @ root)

    @property
    def normaliser(self) -> Normaliser:
        """In closed form."""
        return Closed()
