"""Classes without an order: the component of a classifier."""

# ruff: noqa: D102 -- `Component` documents the methods

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array, random
from jax.nn import log_softmax
from jaxtyping import Float, PRNGKeyArray
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.mixtures.component import Component, Parameters


class Categorical(Component):
    """P(Y = k) = softmax(raw)_k of the classes k = 0, 1, ..., K - 1; equal ones where raw is 0.

    Minus the mean log mass of rows is their cross-entropy. Mean and variance are those of the classes' numbers.

    Example:
        >>> three = Categorical(levels=3)
        >>> p = three.parameters(jnp.log(jnp.array([0.5, 0.3, 0.2])), targets=1)
        >>> jnp.exp(three.log_density(p, jnp.array([1.0]))).round(3).tolist()
        [0.3]

    Attributes:
        levels: how many classes there are.
    """

    name: ClassVar[str] = "categorical"
    names: ClassVar[tuple[str, ...]] = ("log_p",)

    levels: int = eqx.field(default=2, static=True)

    def __check_init__(self) -> None:
        if self.levels < 2:
            raise ConfigError(f"levels: expected at least 2, but got {self.levels}")

    @property
    def classes(self) -> int:
        return self.levels

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self.levels - 1)

    @property
    def words(self) -> str:
        return f"a class from 0 to {self.levels - 1}"

    def size(self, targets: int) -> int:
        return self.levels * targets

    def parameters(self, raw: Float[Array, "*batch size"], targets: int) -> Parameters:
        return {"log_p": log_softmax(raw.reshape(*raw.shape[:-1], targets, self.levels))}

    def initial(
        self,
        at: Float[np.ndarray, "*batch target"],
        spread: Float[np.ndarray, "*batch target"],  # noqa: ARG002 -- classes have no places
    ) -> Float[np.ndarray, "*batch size"]:
        return np.zeros((*at.shape[:-1], self.size(at.shape[-1])))

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.where(y[..., None] == self._numbers(p), p["log_p"], 0).sum(-1)

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        below = jnp.where(self._numbers(p) <= y[..., None], jnp.exp(p["log_p"]), 0).sum(-1)
        return jnp.where(y >= self.levels - 1, 1, below)

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        drawn = random.categorical(key, p["log_p"], shape=(*shape, *p["log_p"].shape[:-1]))
        return drawn.astype(p["log_p"].dtype)

    def mean(self, p: Parameters) -> Float[Array, "... target"]:
        return (jnp.exp(p["log_p"]) * self._numbers(p)).sum(-1)

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        off = self._numbers(p) - self.mean(p)[..., None]
        return (jnp.exp(p["log_p"]) * jnp.square(off)).sum(-1)

    def hull(self, p: Parameters) -> tuple[Float[Array, "... target"] | float, Float[Array, "... target"] | float]:  # noqa: ARG002
        return 0.0, self.levels - 1.0

    def _numbers(self, p: Parameters) -> Float[Array, "class"]:
        return jnp.arange(self.levels, dtype=p["log_p"].dtype)
