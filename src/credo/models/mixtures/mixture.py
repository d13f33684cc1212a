"""A mixture of each row, bound from its raw numbers [n_raw]: those of the weights, then those of each component."""

from math import inf
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array, random
from jax.nn import log_sigmoid, log_softmax
from jax.scipy.special import logsumexp
from jaxtyping import Bool, Float, PRNGKeyArray, Shaped
from numpy.typing import ArrayLike
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.mixtures.component import Component, Parameters

WEIGHTS = ("softmax", "stick_breaking")
SCALES = ("scale", "dispersion", "df")
"""The parameters that say how wide a component is."""


def log_weights(raw: Float[Array, "*batch raw"], how: str) -> Float[Array, "*batch component"]:
    """The logarithms of a mixture's weights, which are equal where raw is 0.

    By `softmax` raw is [..., components]; by `stick_breaking` it is [..., components - 1], and each weight is a part
    v_k of what its predecessors have left: w_k = v_k prod_{j<k} (1 - v_j), v_k = sigmoid(raw_k - log(K - k)).

    Example:
        >>> np.exp(log_weights(jnp.zeros(4), "softmax")).round(3).tolist()
        [0.25, 0.25, 0.25, 0.25]
        >>> np.exp(log_weights(jnp.zeros(3), "stick_breaking")).round(3).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    _check_how(how)
    if how == "softmax":
        return log_softmax(raw)
    left = np.arange(raw.shape[-1], 0, -1)
    logit = raw - jnp.log(jnp.asarray(left, raw.dtype))
    none = jnp.zeros((*raw.shape[:-1], 1), raw.dtype)
    rest = jnp.concatenate([none, jnp.cumsum(log_sigmoid(-logit), -1)], -1)
    return rest + jnp.concatenate([log_sigmoid(logit), none], -1)


def raw_size(family: Component, how: str, components: int, targets: int) -> int:
    """How many raw numbers a mixture takes for each row.

    Raises:
        ConfigError: For unknown words and for less than one component or target.
    """
    _check_how(how)
    for key, count in (("components", components), ("targets", targets)):
        if count < 1:
            raise ConfigError(f"{key}: expected at least 1, but got {count}")
    return components - (how == "stick_breaking") + components * family.size(targets)


def raw_scales(family: Component, how: str, components: int, targets: int) -> Bool[np.ndarray, "n_raw"]:
    """Which raw numbers are those of scales.

    Example:
        >>> from credo.models.mixtures import make_component
        >>> raw_scales(make_component("gaussian"), "softmax", components=1, targets=2).tolist()
        [False, False, False, True, True]
    """
    weights = raw_size(family, how, components, targets) - components * family.size(targets)
    each = np.zeros(family.size(targets), bool)
    for i, name in enumerate(family.names):
        if name in SCALES:
            each[i * targets : (i + 1) * targets] = True
    return np.concatenate([np.zeros(weights, bool), np.tile(each, components)])


def initial(family: Component, how: str, quantiles: ArrayLike, spread: ArrayLike) -> Float[np.ndarray, "n_raw"]:
    """Raw numbers [n_raw] of equal weights and components that lie at quantiles of the targets.

    Args:
        family: The components' family.
        how: One of `WEIGHTS`.
        quantiles: Where each component lies, [component, target].
        spread: The components' deviations, [] or [target] or [component, target].
    """
    at = np.asarray(quantiles, float)
    if at.ndim != 2:
        raise ConfigError(f"quantiles: expected an array [component, target], but got one of shape {at.shape}")
    free = raw_size(family, how, *at.shape) - at.shape[0] * family.size(at.shape[1])
    raw = family.initial(at, np.broadcast_to(np.asarray(spread, float), at.shape))
    return np.concatenate([np.zeros(free), np.ravel(raw)])


class ConditionalMixture(dist.Distribution):
    """sum_k w_k f(y; theta_k) for each row, of targets [rows, target].

    A value outside the family's support has log density -inf, and no gradient.

    Attributes:
        family: The components' family.
        log_weights: [rows, component].
        parameters: Each [rows, component, target].
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("family", "log_weights", "parameters")

    def __init__(self, family: Component, log_weights: Float[Array, "*rows component"], parameters: Parameters) -> None:
        self.family, self.log_weights, self.parameters = family, log_weights, parameters
        targets = next(iter(parameters.values())).shape[log_weights.ndim]
        super().__init__(log_weights.shape[:-1], (targets,))

    @property
    def support(self) -> Any:
        """Where targets may be."""
        return constraints.independent(self.family.support, 1)

    def component_log_prob(self, y: ArrayLike) -> Float[Array, "... component"]:
        """The logarithms of w_k f(y; theta_k), [..., rows, component]."""
        y = self._targets(y)
        return self.log_weights + self.family.log_prob(self.parameters, y[..., None, :])

    def log_prob(self, value: ArrayLike) -> Float[Array, "..."]:
        """The log density [..., rows] of targets [..., rows, target]."""
        y = self._targets(value)
        inside = self.family.support(y).all(-1)
        return jnp.where(inside, logsumexp(self.component_log_prob(y), -1), -inf)

    def cdf(self, value: ArrayLike) -> Float[Array, "... target"]:
        """P(Y <= y) of each target alone, [..., rows, target]."""
        return mixture_cdf(self.family, self.log_weights, self.parameters, self._targets(value))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "... target"]:
        """Draws [*sample_shape, rows, target]."""
        which, within = random.split(key)
        shape = (*sample_shape, *self.batch_shape)
        k = random.categorical(which, self.log_weights, shape=shape)
        rows = self.log_weights.ndim - 1

        def chosen(each: Float[Array, "..."]) -> Float[Array, "..."]:
            index = k.reshape(*shape, *(1,) * (each.ndim - rows))
            each = jnp.broadcast_to(each, (*sample_shape, *each.shape))
            return jnp.take_along_axis(each, index, len(shape)).squeeze(len(shape))

        return self.family.sample(jax.tree.map(chosen, self.parameters), within)

    @property
    def mean(self) -> Float[Array, "*rows target"]:
        """Means [rows, target]."""
        return self._average(self.family.mean(self.parameters))

    @property
    def variance(self) -> Float[Array, "*rows target"]:
        """Variances [rows, target]."""
        off = self.family.mean(self.parameters) - self.mean[..., None, :]
        return self._average(self.family.variance(self.parameters) + jnp.square(off))

    def _average(self, each: Float[Array, "*rows component target"]) -> Float[Array, "*rows target"]:
        return (jnp.exp(self.log_weights)[..., None] * each).sum(-2)

    def _targets(self, y: ArrayLike) -> Float[Array, "... target"]:
        return jnp.asarray(y, self.log_weights.dtype)


class Univariate(dist.Distribution):
    """A conditional mixture of one target, whose values have no dimension for it.

    Attributes:
        mixture: That of targets [rows, 1].
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("mixture",)

    def __init__(self, mixture: ConditionalMixture) -> None:
        self.mixture = mixture
        super().__init__(mixture.batch_shape, ())

    @property
    def support(self) -> Any:
        """Where the target may be."""
        return self.mixture.family.support

    def log_prob(self, value: Shaped[Array, "..."]) -> Float[Array, "..."]:
        """The log density [..., rows] of a target [..., rows]."""
        return self.mixture.log_prob(jnp.asarray(value)[..., None])

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws [*sample_shape, rows]."""
        return self.mixture.sample(key, sample_shape)[..., 0]


def mixture(
    family: Component, how: str, raw: Float[Array, "*rows n_raw"], components: int, targets: int
) -> ConditionalMixture:
    """The mixture of each row.

    Example:
        One row, in which two normals lie at -1 and 1.

        >>> from credo.models.mixtures import make_component
        >>> raw = jnp.array([[0.0, 0.0, -1.0, 0.5, 1.0, 0.5]])
        >>> two = mixture(make_component("gaussian"), "softmax", raw, components=2, targets=1)
        >>> two.mean.tolist(), two.cdf(jnp.zeros((1, 1))).tolist()
        ([[0.0]], [[0.5]])

    Args:
        family: The components' family, of `make_component`.
        how: How raw numbers become weights, one of `WEIGHTS`.
        raw: [rows, n_raw]: those of the weights, then those of each component.
        components: How many there are.
        targets: How many there are.

    Raises:
        ConfigError: As `raw_size`, and where raw has another size.
    """
    n = raw_size(family, how, components, targets)
    if raw.shape[-1] != n:
        raise ConfigError(
            f"components: {components} of {targets} targets take {n} raw numbers, but got {raw.shape[-1]}"
        )
    free, rest = jnp.split(raw, [n - components * family.size(targets)], -1)
    each = rest.reshape(*raw.shape[:-1], components, -1)
    return ConditionalMixture(family, log_weights(free, how), family.parameters(each, targets))


def mixture_cdf(
    family: Component, log_w: Float[Array, "*rows component"], p: Parameters, y: Float[Array, "... target"]
) -> Float[Array, "... target"]:
    """P(Y <= y) for log weights and parameters, each [..., component, target]."""
    return (jnp.exp(log_w)[..., None] * family.cdf(p, y[..., None, :])).sum(-2)


def _check_how(how: str) -> None:
    if how not in WEIGHTS:
        raise ConfigError(f"weights: expected one of {', '.join(WEIGHTS)}, but got {how!r}")
