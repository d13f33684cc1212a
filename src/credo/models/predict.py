"""What a conditional model says of new rows, all draws of its weights together: one mixture per row."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.models.mixtures import Component, ConditionalMixture, crps

PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the quantiles that are predicted: the median, and the ends of the central 50 % and 90 %."""

_BATCH = 2**22
"""About how many numbers a batch of rows may take for each parameter."""

_MOST_DRAWS = 200
"""Draws of the weights that are used: more say no more, and CRPS costs their square."""

_HALVINGS = 60
"""Of the interval in which a quantile lies."""


class Predictor(Protocol):
    """A model whose target, given inputs, is a mixture; it says so by `predicts`."""

    def exported(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """What it learned of the training rows, as plain arrays."""
        ...

    def restored(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> "Predictor":
        """This model with what another of the same settings has `exported`."""
        ...

    def require_rows(self, x: Float[np.ndarray, "row feature"]) -> None:
        """Raise `ConfigError` where some of these rows cannot be predicted."""
        ...

    def conditional(
        self,
        latents: dict[str, Float[Array, "..."]],
        x: Float[Array, "row *feature"],
        context: Float[Array, "row context_feature"] | None = None,
    ) -> ConditionalMixture:
        """The mixture of each row, for one draw of the latents."""
        ...


class Predictive:
    """The mean over draws of p(y | x, weights).

    Rows go through in batches that fit memory. All results are NumPy arrays, in the targets' own units.

    Args:
        model: a fitted model.
        draws: the weights by site, each [draw, ...]; of more than 200 draws, 200 evenly spaced ones are used.
    """

    def __init__(self, model: Predictor, draws: Mapping[str, Shaped[np.ndarray, "draw ..."]]) -> None:
        count = len(next(iter(draws.values())))
        chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_DRAWS)).astype(int))
        self.model = model
        self.draws = {name: np.asarray(values)[chosen] for name, values in draws.items()}

    def log_density(
        self,
        x: Shaped[np.ndarray, "row *feature"],
        y: Shaped[np.ndarray, "row target"],
        context: Shaped[np.ndarray, "row context_feature"] | None = None,
    ) -> Float[np.ndarray, "row"]:
        """Log p(y | x) of targets."""
        return self._by_row(_log_density, x, context, y)

    def density(
        self,
        x: Shaped[np.ndarray, "row *feature"],
        grid: Shaped[np.ndarray, "target level"],
        context: Shaped[np.ndarray, "row context_feature"] | None = None,
    ) -> Float[np.ndarray, "row target level"]:
        """p(y_t | x) of each target alone at the levels."""
        return self._by_row(_density, x, context, shared=(np.asarray(grid, float),))

    def cdf(
        self,
        x: Shaped[np.ndarray, "row *feature"],
        y: Shaped[np.ndarray, "row target"],
        context: Shaped[np.ndarray, "row context_feature"] | None = None,
    ) -> Float[np.ndarray, "row target"]:
        """P(Y_t <= y_t | x)."""
        return self._by_row(_cdf, x, context, y)

    def quantile(
        self,
        x: Shaped[np.ndarray, "row *feature"],
        probability: Float[np.ndarray, "probability"],
        context: Shaped[np.ndarray, "row context_feature"] | None = None,
    ) -> Float[np.ndarray, "row target probability"]:
        """Quantiles: the least y with P(Y_t <= y | x) at least the probability."""
        return self._by_row(_quantile, x, context, shared=(np.asarray(probability, float),))

    def moments(
        self, x: Shaped[np.ndarray, "row *feature"], context: Shaped[np.ndarray, "row context_feature"] | None = None
    ) -> tuple[Float[np.ndarray, "row target"], Float[np.ndarray, "row target"]]:
        """Means and standard deviations."""
        both = self._by_row(_moments, x, context)
        return both[..., 0], both[..., 1]

    def mean(
        self, x: Shaped[np.ndarray, "row *feature"], context: Shaped[np.ndarray, "row context_feature"] | None = None
    ) -> Float[np.ndarray, "row target"]:
        """Means."""
        return self.moments(x, context)[0]

    def modes(
        self,
        x: Shaped[np.ndarray, "row *feature"],
        context: Shaped[np.ndarray, "row context_feature"] | None = None,
        points: int = 512,
    ) -> list[list[Float[np.ndarray, "peak"]]]:
        """The places of the density's peaks, for each row and each target, on a grid between extreme quantiles.

        Of whole numbers the grid is theirs. The end of the grid is a peak where the density falls from there.
        """
        ends = self.quantile(x, np.array([0.001, 0.999]), context)
        grids = np.linspace(ends[..., 0], ends[..., 1], points, axis=-1)
        if self.family(x, context).support.is_discrete:
            widest = int(np.ceil((ends[..., 1] - ends[..., 0]).max())) + 1
            grids = np.round(ends[..., :1]) + np.arange(widest)
        each = np.pad(self._by_row(_density_by_row, x, context, grids), ((0, 0), (0, 0), (1, 1)))
        peaks = (each[..., 1:-1] > each[..., :-2]) & (each[..., 1:-1] >= each[..., 2:])
        return [[grid[peak] for grid, peak in zip(*pair, strict=True)] for pair in zip(grids, peaks, strict=True)]

    def sample(
        self,
        key: PRNGKeyArray,
        x: Shaped[np.ndarray, "row *feature"],
        count: int,
        context: Shaped[np.ndarray, "row context_feature"] | None = None,
    ) -> Float[np.ndarray, "count row target"]:
        """Draws."""
        return np.moveaxis(self._by_row(_sample, x, context, shared=(np.zeros(count),), key=key), 1, 0)

    def joint_sample(
        self,
        key: PRNGKeyArray,
        x: Shaped[np.ndarray, "row *feature"],
        count: int,
        context: Shaped[np.ndarray, "row context_feature"] | None = None,
    ) -> Float[np.ndarray, "count row target"]:
        """Draws, each with one draw of the weights for all rows."""
        kept = len(next(iter(self.draws.values())))
        found = []
        for i in range(kept):
            own = {name: values[i : i + 1] for name, values in self.draws.items()}
            many = count // kept + (i < count % kept)
            if many:
                one = Predictive(self.model, own)
                found.append(one.sample(jax.random.fold_in(key, i), x, many, context))
        return np.concatenate(found)

    def weights(
        self, x: Shaped[np.ndarray, "row *feature"], context: Shaped[np.ndarray, "row context_feature"] | None = None
    ) -> Float[np.ndarray, "row component"]:
        """The components' weights, the mean over draws."""
        return self._by_row(_weights, x, context, shared=(np.zeros(len(next(iter(self.draws.values())))),))

    def crps(
        self,
        x: Shaped[np.ndarray, "row *feature"],
        y: Shaped[np.ndarray, "row target"],
        context: Shaped[np.ndarray, "row context_feature"] | None = None,
    ) -> Float[np.ndarray, "row target"]:
        """The continuous ranked probability score, in the target's units; see `mixtures.crps`."""
        return self._by_row(_crps, x, context, y)

    def pit(
        self,
        key: PRNGKeyArray,
        x: Shaped[np.ndarray, "row *feature"],
        y: Shaped[np.ndarray, "row target"],
        context: Shaped[np.ndarray, "row context_feature"] | None = None,
    ) -> Float[np.ndarray, "row target"]:
        """The probability integral transform, uniform where the predictive is right.

        Of whole numbers it is drawn between P(Y < y) and P(Y <= y) (Czado, Gneiting & Held 2009).
        """
        return self._by_row(_pit, x, context, y, key=key)

    def _by_row(
        self,
        function: Any,
        x: Shaped[np.ndarray, "row *feature"],
        context: Shaped[np.ndarray, "row context_feature"] | None,
        *by_row: Shaped[np.ndarray, "row ..."],
        shared: tuple[Any, ...] = (),
        key: PRNGKeyArray | None = None,
    ) -> Float[np.ndarray, "row ..."]:
        """A function of the rows' mixtures, of what else is known by row, of what all rows share, and of a key."""
        total = len(x)
        size = self._batch(total, x[0].size if x.ndim > 2 else 0)
        known = jax.tree.map(lambda a: np.asarray(a, float), (x, context, by_row))
        parts = []
        for first in range(0, total, size):
            rows = np.minimum(np.arange(first, first + size), total - 1)  # the last batch is filled up
            seen, given, own = jax.tree.map(lambda a, rows=rows: a[rows], known)
            keys = () if key is None else (jax.random.fold_in(key, first),)
            part = _apply(function, self.model, self.draws, seen, given, *own, *shared, *keys)
            parts.append(np.asarray(part)[: total - first])
        return np.concatenate(parts)

    def family(
        self, x: Shaped[np.ndarray, "row *feature"], context: Shaped[np.ndarray, "row context_feature"] | None = None
    ) -> Component:
        """That of the components."""
        one = {name: jnp.asarray(values[0]) for name, values in self.draws.items()}
        first = None if context is None else jnp.asarray(context[:1])
        return self.model.conditional(one, jnp.asarray(x[:1]), first).family

    def _batch(self, rows: int, pixels: int) -> int:
        """How many rows fit memory at once; convolutions have some 100 numbers for each pixel of an image."""
        draws = len(next(iter(self.draws.values())))
        weights = sum(values[0].size for values in self.draws.values())
        return max(min(rows, 1024, _BATCH // (draws * max(weights // 64, 100 * pixels, 1))), 1)


@partial(jax.jit, static_argnums=0)
def _apply(
    function: Any,
    model: Predictor,
    draws: dict[str, Float[Array, "draw ..."]],
    x: Float[Array, "row *feature"],
    context: Float[Array, "row context_feature"] | None,
    *rest: Shaped[Array, "..."],
) -> Float[Array, "row ..."]:
    families = []

    def one(
        latents: dict[str, Float[Array, "..."]],
    ) -> tuple[Float[Array, "row component"], dict[str, Float[Array, "row component ..."]]]:
        mixture = model.conditional(latents, x, context)
        families.append(mixture.family)
        return mixture.log_weights, mixture.parameters

    log_w, parameters = jax.tree.map(_pooled, jax.vmap(one)(draws))
    log_w = log_w - jnp.log(len(next(iter(draws.values()))))
    return function(ConditionalMixture(families[0], log_w, parameters), *rest)


def _pooled(each: Float[Array, "draw row component ..."]) -> Float[Array, "row pooled ..."]:
    """[draw, row, component, ...] -> [row, draw * component, ...]."""
    by_row = jnp.moveaxis(each, 0, 1)
    return by_row.reshape(by_row.shape[0], -1, *by_row.shape[3:])


def _log_density(mixture: ConditionalMixture, y: Float[Array, "row target"]) -> Float[Array, "row"]:
    return mixture.log_prob(y)


def _density(mixture: ConditionalMixture, grid: Float[Array, "target level"]) -> Float[Array, "row target level"]:
    return _density_by_row(mixture, jnp.broadcast_to(grid, (mixture.batch_shape[0], *grid.shape)))


def _density_by_row(
    mixture: ConditionalMixture, grids: Float[Array, "row target level"]
) -> Float[Array, "row target level"]:
    """The marginal densities: the derivative of the CDF, or the mass of whole numbers."""

    def at(level: Float[Array, "row target"]) -> Float[Array, "row target"]:
        level = level.astype(mixture.log_weights.dtype)
        each = mixture.family.log_density(mixture.parameters, level[:, None, :])
        density = (jnp.exp(mixture.log_weights)[..., None] * jnp.exp(each)).sum(-2)
        return jnp.where(mixture.family.support(level), density, 0)

    return jnp.moveaxis(jax.lax.map(at, jnp.moveaxis(grids, 2, 0), batch_size=16), 0, 2)


def _cdf(mixture: ConditionalMixture, y: Float[Array, "row target"]) -> Float[Array, "row target"]:
    return mixture.cdf(y)


def _quantile(
    mixture: ConditionalMixture, probabilities: Float[Array, "probability"]
) -> Float[Array, "row target probability"]:
    means, sds = mixture.family.mean(mixture.parameters), jnp.sqrt(mixture.family.variance(mixture.parameters))
    low, high = (means - 60 * sds).min(1), (means + 60 * sds).max(1)

    def find(probability: Float[Array, ""]) -> Float[Array, "row target"]:
        def halve(
            _: int, ends: tuple[Float[Array, "row target"], Float[Array, "row target"]]
        ) -> tuple[Float[Array, "row target"], Float[Array, "row target"]]:
            middle = 0.5 * (ends[0] + ends[1])
            below = mixture.cdf(middle) < probability
            return jnp.where(below, middle, ends[0]), jnp.where(below, ends[1], middle)

        found = jax.lax.fori_loop(0, _HALVINGS, halve, (low, high))[1]
        return jnp.ceil(found - 1e-3) if mixture.family.support.is_discrete else found

    return jnp.moveaxis(jax.lax.map(find, probabilities.astype(low.dtype)), 0, 2)


def _moments(mixture: ConditionalMixture) -> Float[Array, "row target 2"]:
    return jnp.stack([mixture.mean, jnp.sqrt(mixture.variance)], -1)


def _sample(
    mixture: ConditionalMixture, room: Shaped[Array, "count"], key: PRNGKeyArray
) -> Float[Array, "row count target"]:
    return jnp.moveaxis(mixture.sample(key, (len(room),)), 0, 1)


def _weights(mixture: ConditionalMixture, room: Shaped[Array, "draw"]) -> Float[Array, "row component"]:
    weights = jnp.exp(mixture.log_weights)
    return weights.reshape(len(weights), len(room), -1).sum(1)


def _crps(mixture: ConditionalMixture, y: Float[Array, "row target"]) -> Float[Array, "row target"]:
    return crps(mixture, y)


def _pit(mixture: ConditionalMixture, y: Float[Array, "row target"], key: PRNGKeyArray) -> Float[Array, "row target"]:
    above = mixture.cdf(y)
    if not mixture.family.support.is_discrete:
        return above
    below = mixture.cdf(y - 1)
    return below + jax.random.uniform(key, above.shape, above.dtype) * (above - below)
