"""Families of a location and a scale on the whole line."""

# ruff: noqa: D102 -- `Component` documents the methods

from math import pi
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random
from jax.nn import log_sigmoid, sigmoid, softplus
from jax.scipy.special import ndtr
from jaxtyping import Float, PRNGKeyArray

from credo.models.mixtures.component import Component, Parameters
from credo.models.mixtures.special import HALF_LOG_2PI, inverse_softplus, student_cdf, student_log_density

LEAST_DF = 2.1
"""Degrees of freedom of `student_t` are above this, so that it has a mean and a variance."""


class Gaussian(Component):
    """N(loc, scale^2) for each target."""

    name: ClassVar[str] = "gaussian"

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        loc, scale = self.marginals(p)
        return -0.5 * jnp.square((y - loc) / scale) - jnp.log(scale) - HALF_LOG_2PI

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        loc, scale = self.marginals(p)
        return ndtr((y - loc) / scale)

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        return p["loc"] + p["scale"] * _noise(random.normal, key, shape, p["loc"])

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        return jnp.square(self.marginals(p)[1])

    def marginals(self, p: Parameters) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """The location and deviation of each target alone."""
        return p["loc"], p["scale"]


class GaussianFull(Gaussian):
    """N(loc, L L^T) with the Cholesky factor L = diag(scale) C, where C is lower triangular with ones on its diagonal.

    `scale` is thus the deviation of each target given those before it, and the floor holds for that.
    """

    name: ClassVar[str] = "gaussian_full"

    def size(self, targets: int) -> int:
        return 2 * targets + targets * (targets - 1) // 2

    def parameters(self, raw: Float[Array, "*batch size"], targets: int) -> Parameters:
        lower = jnp.broadcast_to(jnp.eye(targets, dtype=raw.dtype), (*raw.shape[:-1], targets, targets))
        lower = lower.at[..., *np.tril_indices(targets, -1)].set(raw[..., 2 * targets :])
        return super().parameters(raw, targets) | {"lower": lower}

    def initial(
        self, at: Float[np.ndarray, "*batch target"], spread: Float[np.ndarray, "*batch target"]
    ) -> Float[np.ndarray, "*batch size"]:
        targets = at.shape[-1]
        below = np.zeros((*at.shape[:-1], self.size(targets) - 2 * targets))
        return np.concatenate([super().initial(at, spread), below], -1)

    def log_prob(self, p: Parameters, y: Float[Array, "*batch target"]) -> Float[Array, "..."]:
        u = (y - p["loc"]) / p["scale"]
        lower = jnp.broadcast_to(p["lower"], (*u.shape, u.shape[-1]))
        z = lax.linalg.triangular_solve(lower, u[..., None], left_side=True, lower=True, unit_diagonal=True)[..., 0]
        return (-0.5 * jnp.square(z) - jnp.log(p["scale"]) - HALF_LOG_2PI).sum(-1)

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        noise = _noise(random.normal, key, shape, p["loc"])
        turned = jnp.einsum("...ij,...j->...i", p["lower"], noise, precision=lax.Precision.HIGHEST)
        return p["loc"] + p["scale"] * turned

    def marginals(self, p: Parameters) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return p["loc"], p["scale"] * jnp.sqrt(jnp.square(p["lower"]).sum(-1))


class Logistic(Component):
    """The density of CDF sigmoid((y - loc) / scale)."""

    name: ClassVar[str] = "logistic"

    def initial(
        self, at: Float[np.ndarray, "*batch target"], spread: Float[np.ndarray, "*batch target"]
    ) -> Float[np.ndarray, "*batch size"]:
        return super().initial(at, spread * np.sqrt(3) / pi)

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        z = (y - p["loc"]) / p["scale"]
        return log_sigmoid(z) + log_sigmoid(-z) - jnp.log(p["scale"])

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        return sigmoid((y - p["loc"]) / p["scale"])

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        return p["loc"] + p["scale"] * _noise(random.logistic, key, shape, p["loc"])

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        return jnp.square(p["scale"] * pi) / 3


class Laplace(Component):
    """exp(-|y - loc| / scale) / (2 scale)."""

    name: ClassVar[str] = "laplace"

    def initial(
        self, at: Float[np.ndarray, "*batch target"], spread: Float[np.ndarray, "*batch target"]
    ) -> Float[np.ndarray, "*batch size"]:
        return super().initial(at, spread / np.sqrt(2))

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        return -jnp.abs(y - p["loc"]) / p["scale"] - jnp.log(2 * p["scale"])

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        z = (y - p["loc"]) / p["scale"]
        return 0.5 * jnp.exp(jnp.minimum(z, 0)) - 0.5 * jnp.expm1(-jnp.maximum(z, 0))

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        return p["loc"] + p["scale"] * _noise(random.laplace, key, shape, p["loc"])

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        return 2 * jnp.square(p["scale"])


class StudentT(Component):
    """Student's t with `df` = 2.1 + softplus(raw) degrees of freedom. Its CDF has no derivative by them."""

    name: ClassVar[str] = "student_t"
    names: ClassVar[tuple[str, ...]] = ("loc", "scale", "df")
    reach: ClassVar[range] = range(-4, 16)

    def parameters(self, raw: Float[Array, "*batch size"], targets: int) -> Parameters:
        return super().parameters(raw, targets) | {"df": LEAST_DF + softplus(self._cut(raw, targets)[2])}

    def initial(
        self, at: Float[np.ndarray, "*batch target"], spread: Float[np.ndarray, "*batch target"]
    ) -> Float[np.ndarray, "*batch size"]:
        df = 8.0
        raw = super().initial(at, spread * np.sqrt(1 - 2 / df))
        return np.concatenate([raw, inverse_softplus(np.full(at.shape, df - LEAST_DF))], -1)

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        return student_log_density((y - p["loc"]) / p["scale"], p["df"]) - jnp.log(p["scale"])

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        return student_cdf(*jnp.broadcast_arrays((y - p["loc"]) / p["scale"], p["df"]))

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        return p["loc"] + p["scale"] * random.t(key, p["df"], shape + p["df"].shape, p["df"].dtype)

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        return jnp.square(p["scale"]) * p["df"] / (p["df"] - 2)


def _noise(
    draw: Any, key: PRNGKeyArray, shape: tuple[int, ...], like: Float[Array, "*shape"]
) -> Float[Array, "*sample_and_shape"]:
    return draw(key, shape + like.shape, like.dtype)
