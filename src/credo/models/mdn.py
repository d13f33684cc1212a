"""Mixture density networks (Bishop 1994): a network of the inputs gives the numbers of a mixture of densities."""

import dataclasses
import math
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray as xr
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo import memory
from credo.errors import ConfigError
from credo.models.base import Found, Model
from credo.models.mixtures import WEIGHTS, Component, ConditionalMixture, initial, make_component, mixture, raw_size
from credo.networks.bayesian import Moments, cast, filled, in_double, latents_of, moments, named, require_varied
from credo.networks.bayesian import sample as sample_weights
from credo.networks.film import FiLM
from credo.networks.functional import ACTIVATIONS
from credo.networks.mlp import MLP, NORMS
from credo.ranges import Count, NonNegative

CONTEXTS = ("concat", "film")
SCALES = ("network", "constant")
DTYPES = ("float32", "float64")

_WORDS = {
    "mixing": WEIGHTS,
    "activation": tuple(ACTIVATIONS),
    "norm": NORMS,
    "context": CONTEXTS,
    "scale": SCALES,
    "dtype": DTYPES,
}

_PROBES = 50
"""At how many rows the predictive is looked at, to judge chains whose weights have no meaning of their own."""

_LEAST_ROUNDED = 0.1
"""The least scale of a component of whole numbers, in steps: at it, nearly all mass lies on one of them."""

_HEAD = 0.1
"""The last layer begins this much smaller, so that the components begin where the targets' quantiles are."""


class Learned(eqx.Module):
    """What a model takes from the training rows.

    Attributes:
        inputs: the inputs' moments.
        contexts: the context's, or `None`.
        family: the components' family, with the targets' standard deviations and the steps between their values.
        base: raw numbers [raw] of components over the targets' quantiles.
        dims: the numbers of targets, inputs and context.
    """

    inputs: Moments
    contexts: Moments | None
    family: Component
    base: Float[Array | np.ndarray, "raw"]
    dims: tuple[int, int, int] = eqx.field(static=True)


_AT_ONCE = 50_000
"""Numbers per component that there are at once where the predictive is drawn: five of each of 10,000 places."""


class Mdn(Model):
    """p(y | x) = sum_k w_k(x) f(y; theta_k(x)), with a prior on the network's weights.

    Standardisation is part of the model: the inputs' moments and the targets' spread are those of the training rows
    (`fitted`), and densities are in the targets' own units. A weight's prior is the given one divided by the square
    root of the layer's inputs, so that it means the same for any width (Neal 1996, chapter 2); biases have theirs as it
    stands. What the last layer gives is added to numbers at which the components lie over the targets' quantiles.

    Attributes:
        family: of the components, one of `mixtures.FAMILIES`.
        components: how many.
        mixing: how weights are made, `softmax` or `stick_breaking`.
        floor: the least scale of a component, in steps between the target's values; `None` for 1, and for 0.1 of the
            discretized families, whose mass is bounded without one.
        low: the least value of `discretized_logistic`; `None` for no end.
        high: the largest.
        hidden: the widths of the hidden layers; none makes the network linear.
        activation: between the layers, one of `nets.functional.ACTIVATIONS`.
        norm: after each hidden layer: `none`, `layer` or `group`.
        groups: of `group`.
        residual: whether hidden layers of one width add to their input.
        context: what the variable `context` does: `concat`, it is further inputs; `film`, a second network of it scales
            and shifts the hidden layers.
        context_hidden: the hidden layers of that network.
        scale: `network`, or `constant` for scales that do not depend on the inputs.
        dtype: in which the network is computed, `float32` or `float64`.
        learned: what it knows of the training rows, once it is `fitted`.
    """

    formula: ClassVar[str] = (
        "y_i ~ sum_k w_k(x_i) f(theta_k(x_i))\nw, theta = base + network(x_i)\n"
        "network weights ~ prior / sqrt(inputs of the layer), biases ~ prior"
    )
    several_targets: ClassVar[bool] = True
    predicts: ClassVar[bool] = True
    derives: ClassVar[str] = "predictive"
    supports: ClassVar[dict[str, Any]] = {"weight": (constraints.real,), "bias": (constraints.real,)}

    family: str = eqx.field(static=True)
    components: Count = eqx.field(static=True)
    mixing: str = eqx.field(static=True)
    floor: NonNegative | None
    low: int | None = eqx.field(static=True)
    high: int | None = eqx.field(static=True)
    hidden: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    activation: str = eqx.field(static=True)
    norm: str = eqx.field(static=True)
    groups: Count = eqx.field(static=True)
    residual: bool = eqx.field(static=True)
    context: str = eqx.field(static=True)
    context_hidden: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    scale: str = eqx.field(static=True)
    dtype: str = eqx.field(static=True)
    learned: Learned | None = None

    def __check_init__(self) -> None:
        for key, words in _WORDS.items():
            if getattr(self, key) not in words:
                raise ConfigError(f"{key}: expected one of {', '.join(words)}, but got {getattr(self, key)!r}")
        if self.norm == "group" and any(width % self.groups for width in self.hidden):
            raise ConfigError(f"groups: expected a number that divides {list(self.hidden)}, but got {self.groups}")
        if self.context == "film" and not self.hidden:
            raise ConfigError("hidden: film modulates hidden layers, but there are none; give it one")
        if self.family != "discretized_logistic" and (self.low, self.high) != (None, None):
            end = "high" if self.low is None else "low"
            raise ConfigError(f"{end}: only discretized_logistic has ends, but the family is {self.family}")
        memory.require(f"model.components={self.components}", _AT_ONCE * self.components)
        raw_size(self._family(floor=self._floor), self.mixing, self.components, 1)
        _ = eqx.filter_eval_shape(partial(self._made, (1, 1, self.context == "film")), jax.random.PRNGKey(0))

    def fitted(self, train: xr.Dataset) -> "Mdn":
        """This model with the moments of the training rows.

        Raises:
            ConfigError: an input or a target is constant, there are no inputs, or there is no context for `film`.
        """
        if "x" not in train or "y" not in train:
            return self  # `bind` says what is missing
        if self.context == "film" and "context" not in train:
            raise ConfigError(
                "model.context: film needs a context, but the data has none; name its columns in data.context"
            )
        y = train["y"].to_numpy().astype(float).reshape(train.sizes[train["y"].dims[0]], -1)
        names = train["target"].to_numpy() if "target" in train.coords else range(y.shape[1])
        require_varied(
            y, "data.target", ["the target" if train["y"].ndim == 1 else f"the target {str(name)!r}" for name in names]
        )
        inputs, contexts = moments(train, "x"), moments(train, "context") if "context" in train else None
        spread, resolution = y.std(0), _resolution(y, self._family())
        places = _places(y, self.components)
        unit = 1.0 if self.family == "beta" else spread
        family = self._family(floor=self._floor, resolution=resolution, unit=unit)
        base = initial(family, self.mixing, places, spread / math.sqrt(self.components))
        dims = (y.shape[1], train["x"].shape[1], train["context"].shape[1] if contexts is not None else 0)
        return dataclasses.replace(self, learned=Learned(inputs, contexts, family, base, dims))

    def derived[R: Found](self, problem: Any, result: R, key: PRNGKeyArray) -> R:
        """With the predictive of each row, and along an input (see `mdn_derived`)."""
        from credo.models.mdn_derived import add_predictive

        return add_predictive(problem, result, jax.random.fold_in(key, 1))

    def template(self, data: xr.Dataset) -> xr.Dataset:  # noqa: ARG002 - it is refused
        """Refuse: scales and sizes come from data."""
        raise ConfigError("data: model=mdn takes its scales and sizes from data; use a table, or data=branches")

    def exported(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """What was learned as plain arrays, of which `restored` makes the same model."""
        known = self._known
        moments = {"inputs": known.inputs} | ({} if known.contexts is None else {"contexts": known.contexts})
        found = {f"{name}_{part}": getattr(one, part) for name, one in moments.items() for part in ("mean", "sd")}
        found |= {"resolution": known.family.resolution, "unit": known.family.unit}
        return {name: np.asarray(value) for name, value in (found | {"base": known.base, "dims": known.dims}).items()}

    def restored(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> "Mdn":
        """This model with what another of the same settings has `exported`."""
        inputs = Moments(arrays["inputs_mean"], arrays["inputs_sd"])
        contexts = Moments(arrays["contexts_mean"], arrays["contexts_sd"]) if "contexts_mean" in arrays else None
        family = self._family(floor=self._floor, resolution=arrays["resolution"], unit=arrays["unit"])
        targets, features, context = map(int, arrays["dims"])
        known = Learned(inputs, contexts, family, arrays["base"], (targets, features, context))
        return dataclasses.replace(self, learned=known)

    @property
    def likelihood_key(self) -> str:
        """The family."""
        return f"model.family={self.family}"

    def __call__(  # type: ignore[override]
        self,
        y: Shaped[Array, "obs ..."],
        x: Float[Array, "obs feature"],
        context: Float[Array, "obs context_feature"] | None = None,
    ) -> None:
        """Observe y [obs] or [obs, target] given x [obs, feature] and context [obs, context]."""
        latents = {name: sample_weights(name, leaf.shape, self.prior) for name, leaf in self._leaves().items()}
        predicted = self.conditional(latents, x, context)
        rows = np.unique(np.linspace(0, len(x) - 1, _PROBES).astype(int))
        parameters = {name: values[rows] for name, values in predicted.parameters.items()}
        probed = ConditionalMixture(predicted.family, predicted.log_weights[rows], parameters)
        if y.ndim > 1:
            with numpyro.plate("probe", len(rows), dim=-2), numpyro.plate("target", y.shape[1], dim=-1):
                numpyro.deterministic("predicted_mean", probed.mean)
        with numpyro.plate("probe", len(rows)):
            if y.ndim == 1:
                numpyro.deterministic("predicted_mean", probed.mean[:, 0])
            numpyro.deterministic("log_density", probed.log_prob(jnp.reshape(y, (len(x), -1))[rows]))
        with numpyro.plate("obs", len(x)):
            numpyro.sample("y", _Univariate(predicted) if y.ndim == 1 else predicted, obs=y)

    def conditional(
        self,
        latents: dict[str, Float[Array, "..."]],
        x: Float[Array, "row feature"],
        context: Float[Array, "row context_feature"] | None = None,
    ) -> ConditionalMixture:
        """The mixture of each row.

        Args:
            latents: the network's weights by site, in their own space.
            x: inputs, in their own units.
            context: [row, context], in its own units.
        """
        known = self._known
        dtype = jnp.dtype(self.dtype)
        network = self._network(cast(latents, self.dtype))
        seen = [known.inputs(x).astype(dtype)]
        if known.contexts is not None and context is not None:
            seen.append(known.contexts(context).astype(dtype))
        raw = jax.vmap(network)(*(seen if self.context == "film" else [jnp.concatenate(seen, 1)]))
        base = jnp.asarray(known.base, dtype)
        return mixture(known.family, self.mixing, raw + base, self.components, known.dims[0])

    def start(self, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:
        """Weights as networks begin, by site."""
        made = in_double(self._made(self._known.dims, key))
        head = partial(_last_layer, film=self.context == "film")
        made = eqx.tree_at(lambda m: head(m).weight, made, _HEAD * head(made).weight)
        made = eqx.tree_at(lambda m: head(m).bias, made, jnp.zeros_like(head(made).bias))
        return latents_of(made)

    @property
    def _known(self) -> Learned:
        assert self.learned is not None  # noqa: S101 -- for the type checker: `fitted` was called
        return self.learned

    @property
    def _floor(self) -> float:
        if self.floor is not None:
            return self.floor
        return _LEAST_ROUNDED if self.family.startswith("discretized_") else 1.0

    def _family(self, **settings: Any) -> Component:
        ends = {"low": self.low, "high": self.high} if self.low is not None or self.high is not None else {}
        return make_component(self.family, **ends, **settings)

    def _made(self, dims: tuple[int, int, int], key: PRNGKeyArray) -> Any:
        """A network that begins as networks do."""
        targets, features, context = dims
        outputs = raw_size(self._family(), self.mixing, self.components, targets)
        trunk_key, context_key = jax.random.split(key)
        film = self.context == "film"
        trunk = MLP(
            features + (0 if film else context),
            outputs,
            self.hidden,
            activation=self.activation,
            norm=self.norm,
            groups=self.groups,
            residual=self.residual,
            dtype=jnp.dtype(self.dtype),
            layer="hidden",
            key=trunk_key,
        )
        if not film:
            return trunk
        return FiLM(
            trunk,
            context,
            self.context_hidden,
            activation=self.activation,
            dtype=jnp.dtype(self.dtype),
            key=context_key,
        )

    def _shape(self) -> Any:
        return eqx.filter_eval_shape(partial(self._made, self._known.dims), jax.random.PRNGKey(0))

    def _leaves(self) -> dict[str, jax.ShapeDtypeStruct]:
        return named(self._shape())

    def _network(self, latents: dict[str, Float[Array, "..."]]) -> Any:
        network = filled(self._shape(), latents)
        if self.scale == "network":
            return network
        head = partial(_last_layer, film=self.context == "film")
        free = jnp.asarray(self._free_of_inputs(), self.dtype)[:, None]
        return eqx.tree_at(lambda m: head(m).weight, network, jnp.where(free == 1, 0, head(network).weight))

    def _free_of_inputs(self) -> Bool[np.ndarray, "raw"]:
        """Which raw numbers are scales."""
        family, targets = self._family(), self._known.dims[0]
        scales = [i for i, name in enumerate(family.names) if name in ("scale", "dispersion", "df")]
        if not scales:
            raise ConfigError(f"model.scale: {self.family} has no scale that could be constant; use scale=network")
        each = np.zeros(family.size(targets), bool)
        for i in scales:
            each[i * targets : (i + 1) * targets] = True
        mixing = raw_size(family, self.mixing, self.components, targets) - self.components * each.size
        return np.concatenate([np.zeros(mixing, bool), np.tile(each, self.components)])


class _Univariate(dist.Distribution):
    """A conditional mixture of one target, whose values have no dimension for it."""

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("mixture",)

    def __init__(self, mixture: ConditionalMixture) -> None:
        self.mixture = mixture
        super().__init__(mixture.batch_shape, ())

    @property
    def support(self) -> Any:
        return self.mixture.family.support

    def log_prob(self, value: Shaped[Array, "..."]) -> Float[Array, "..."]:
        return self.mixture.log_prob(jnp.asarray(value)[..., None])

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        return self.mixture.sample(key, sample_shape)[..., 0]


def _last_layer(network: Any, *, film: bool) -> Any:
    return network.trunk.head if film else network.head


def _resolution(y: Float[np.ndarray, "row target"], family: Component) -> Float[np.ndarray, "target"]:
    """The least step between two values of each target, at least 1e-5 of its standard deviation; 1 of counts."""
    if family.support.is_discrete or family.name == "beta":
        return np.ones(y.shape[1])
    steps = np.array([np.diff(np.unique(column)).min() for column in y.T])
    return np.maximum(steps, 1e-5 * y.std(0))


def _places(y: Float[np.ndarray, "row target"], components: int) -> Float[np.ndarray, "component target"]:
    """Where the components begin: the means of equal parts of the rows, along their main axis."""
    standard = (y - y.mean(0)) / y.std(0)
    axis = np.linalg.svd(standard, full_matrices=False)[2][0] if y.shape[1] > 1 else np.ones(1)
    parts = np.array_split(y[np.argsort(standard @ axis, kind="stable")], min(components, len(y)))
    means = np.array([part.mean(0) for part in parts])
    return np.resize(means, (components, y.shape[1]))
