"""What a component of a mixture is: how raw numbers become parameters, and its density, CDF, draws and moments.

Scales are floor * resolution + unit * softplus(raw): `resolution` is the step in which a target is recorded, `unit` the
size of a raw step, both in the target's own units. All densities are computed in log space, by forms that neither
overflow nor cancel, in float32 and float64, however far an observation is from every component.
"""

from math import inf
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import softplus
from jaxtyping import Float, PRNGKeyArray
from numpy.typing import ArrayLike
from numpyro.distributions import constraints

from credo.config.supports import describe
from credo.errors import ConfigError
from credo.models.mixtures.special import inverse_softplus

Parameters = dict[str, Float[Array, "..."]]
"""Of one component or of many [..., component], each [..., target]."""


class Component(eqx.Module):
    """What a component of a mixture is.

    A family writes `word`, `names`, `support`, `parameters`, `initial`, `log_density`, `cdf`, `sample`, `mean`,
    `variance` and, for whole numbers, `hull`. Targets are independent within a component unless it writes `log_prob`
    too.

    Attributes:
        floor: The least scale, in resolutions; a floor of 0 is one of the floating numbers' epsilon.
        resolution: The step between a target's values, [] or [target].
        unit: A target's size, [] or [target]: raw locations are multiples of it.
    """

    name: ClassVar[str]
    """Names the family in the configuration."""

    names: ClassVar[tuple[str, ...]] = ("loc", "scale")
    reach: ClassVar[range] = range(-1, 7)
    """Beyond a component's mean +- its deviation * 2^j for these j, its CDF is 0 or 1 as far as CRPS can tell."""

    floor: float = 1e-3
    resolution: ArrayLike = 1.0
    unit: ArrayLike = 1.0

    def __check_init__(self) -> None:
        if not 0 <= self.floor < inf:
            raise ConfigError(f"floor: expected a number of at least 0, but got {self.floor}")
        for key in ("resolution", "unit"):
            value = np.asarray(getattr(self, key))
            if not (np.isfinite(value) & (value > 0)).all():
                raise ConfigError(f"{key}: expected positive numbers, but got {value}")

    @property
    def support(self) -> Any:
        """Where a target may be, a constraint on a number."""
        return constraints.real

    @property
    def words(self) -> str:
        """The support in words."""
        return describe(self.support)

    @property
    def classes(self) -> int:
        """How many classes without an order there are; 0 where values are numbers."""
        return 0

    def size(self, targets: int) -> int:
        """How many raw numbers a component has."""
        return len(self.names) * targets

    def parameters(self, raw: Float[Array, "*batch size"], targets: int) -> Parameters:
        """The parameters for raw numbers."""
        loc, scale = self._cut(raw, targets)[:2]
        return {"loc": self._like(self.unit, raw) * loc, "scale": self._scale(scale)}

    def initial(
        self, at: Float[np.ndarray, "*batch target"], spread: Float[np.ndarray, "*batch target"]
    ) -> Float[np.ndarray, "*batch size"]:
        """The raw numbers of components whose locations are `at` and deviations `spread`."""
        return np.concatenate([at / np.asarray(self.unit), self._raw_scale(at, spread)], -1)

    def log_prob(self, p: Parameters, y: Float[Array, "*batch target"]) -> Float[Array, "..."]:
        """The log density, or log mass, of y."""
        return self.log_density(p, y).sum(-1)

    def log_density(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        """That of each target alone, [..., target]."""
        raise NotImplementedError

    def cdf(self, p: Parameters, y: Float[Array, "..."]) -> Float[Array, "..."]:
        """P(Y <= y) of each target alone, [..., target]."""
        raise NotImplementedError

    def sample(self, p: Parameters, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        """Draws [*shape, ..., target]."""
        raise NotImplementedError

    def mean(self, p: Parameters) -> Float[Array, "... target"]:
        """Means."""
        return p["loc"]

    def variance(self, p: Parameters) -> Float[Array, "... target"]:
        """Variances."""
        raise NotImplementedError

    def hull(self, p: Parameters) -> tuple[Float[Array, "... target"] | float, Float[Array, "... target"] | float]:
        """Between which whole numbers all mass lies, but for 1e-12."""
        raise NotImplementedError

    def _cut(self, raw: Float[Array, "*batch size"], targets: int) -> tuple[Float[Array, "*batch target"], ...]:
        """The raw numbers of each name."""
        n = len(self.names)
        return tuple(jnp.moveaxis(raw[..., : n * targets].reshape(*raw.shape[:-1], n, targets), -2, 0))

    def _least(self, like: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.maximum(self.floor, np.finfo(like.dtype).eps) * self._like(self.resolution, like)

    def _scale(self, raw: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self._least(raw) + self._like(self.unit, raw) * softplus(raw)

    def _raw_scale(
        self, at: Float[np.ndarray, "*shape"], spread: Float[np.ndarray, "*shape"]
    ) -> Float[np.ndarray, "*shape"]:
        """What `_scale` makes `spread` of, where the floor allows."""
        above = np.broadcast_to((spread - self.floor * np.asarray(self.resolution)) / np.asarray(self.unit), at.shape)
        return inverse_softplus(above)

    @staticmethod
    def _like(value: ArrayLike, like: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.asarray(value, like.dtype)
