"""Mixture density networks (Bishop 1994): a network of the inputs gives the numbers of a mixture of densities."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import xarray as xr
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo import memory
from credo.errors import ConfigError
from credo.models.base import Found, Model
from credo.models.mdn_learned import Learned, exported, learn, restored
from credo.models.mixtures import (
    WEIGHTS,
    Component,
    ConditionalMixture,
    Univariate,
    make_component,
    mixture,
    raw_scales,
    raw_size,
)
from credo.networks.bayesian import cast, filled, in_double, latents_of, named
from credo.networks.bayesian import sample as sample_weights
from credo.networks.conv import Encoder
from credo.networks.encoders import ENCODERS, of_images
from credo.networks.film import FiLM
from credo.networks.functional import ACTIVATIONS
from credo.networks.mlp import MLP, NORMS
from credo.networks.unet import UNet
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
    "encoder": ENCODERS,
    "dtype": DTYPES,
}

_PROBES = 50
"""At how many rows the predictive is looked at, to judge chains whose weights have no meaning of their own."""

_LEAST_ROUNDED = 0.1
"""The least scale of a component of whole numbers, in steps: at it, nearly all mass lies on one of them."""

_HEAD = 0.1
"""The last layer begins this much smaller, so that the components begin where the targets' quantiles are."""


_COMPONENTS = 3
"""Of mixtures; a classifier has one, since a mixture of classes is a class."""

_IMAGES_AT_ONCE = 512
"""Of more images than that, so many go through the network at a time: convolutions need much memory."""

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
        components: how many; `None` for 3, and for 1 of `categorical`, which makes the model a classifier.
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
        encoder: what sees the inputs: `mlp`, the hidden layers; `conv` and `unet`, convolutions of images, whose
            U-Net's images are averaged over their pixels.
        channels: of each block of `conv`, or of each level of `unet`.
        kernel: height and width of the convolutions, odd.
        pool: by how much each block of `conv` divides height and width.
        learned: what it knows of the training rows, once it is `fitted`.
    """

    formula: ClassVar[str] = (
        "y_i ~ sum_k w_k(x_i) f(theta_k(x_i))\nw, theta = base + network(x_i)\n"
        "network weights ~ prior / sqrt(inputs of the layer), biases ~ prior"
    )
    several_targets: ClassVar[bool] = True
    takes_images: ClassVar[bool] = True
    predicts: ClassVar[bool] = True
    derives: ClassVar[str] = "predictive"
    supports: ClassVar[dict[str, Any]] = {"weight": (constraints.real,), "bias": (constraints.real,)}

    family: str = eqx.field(static=True)
    components: Count | None = eqx.field(static=True)
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
    encoder: str = eqx.field(static=True, default="mlp")
    channels: tuple[Count, ...] = eqx.field(static=True, converter=tuple, default=(16, 32))
    kernel: Count = eqx.field(static=True, default=3)
    pool: Count = eqx.field(static=True, default=2)
    learned: Learned | None = None

    def __check_init__(self) -> None:
        for key, words in _WORDS.items():
            if getattr(self, key) not in words:
                raise ConfigError(f"{key}: expected one of {', '.join(words)}, but got {getattr(self, key)!r}")
        if self.encoder == "mlp":
            self._check_layers()
        elif self.norm != "none" or self.residual:
            key = "residual" if self.residual else "norm"
            raise ConfigError(
                f"{key}: the blocks of encoder={self.encoder} have group norms of their own; leave it out"
            )
        if self.family != "discretized_logistic" and (self.low, self.high) != (None, None):
            end = "high" if self.low is None else "low"
            raise ConfigError(f"{end}: only discretized_logistic has ends, but the family is {self.family}")
        memory.require(f"model.components={self.components}", _AT_ONCE * self._count)
        raw_size(self._family(), self.mixing, self._count, 1)
        if self.encoder == "mlp":
            _ = eqx.filter_eval_shape(partial(self._made, (1, 1, self.context == "film")), jax.random.PRNGKey(0))

    def _check_layers(self) -> None:
        if self.norm == "group" and any(width % self.groups for width in self.hidden):
            raise ConfigError(f"groups: expected a number that divides {list(self.hidden)}, but got {self.groups}")
        if self.context == "film" and not self.hidden:
            raise ConfigError("hidden: film modulates hidden layers, but there are none; give it one")

    @property
    def takes_classes(self) -> bool:
        """Whether it is a classifier."""
        return self.family == "categorical"

    def fitted(self, train: xr.Dataset) -> "Mdn":
        """This model with the moments of the training rows.

        Raises:
            ConfigError: an input or a target is constant, there are no inputs, or none that the network can take, or
                there is no context for `film`.
        """
        if "x" not in train or "y" not in train:
            return self  # `bind` says what is missing
        self._require_inputs(train)
        known = dataclasses.replace(self, learned=learn(train, self._family, self.mixing, self._count))
        if self.encoder != "mlp":
            try:
                _ = known.network
            except ConfigError as error:
                raise ConfigError(f"model.encoder={self.encoder}: {error}") from error
        return known

    def _require_inputs(self, train: xr.Dataset) -> None:
        """Refuse inputs that the network cannot take."""
        if self.context == "film" and "context" not in train:
            raise ConfigError(
                "model.context: film needs a context, but the data has none; name its columns in data.context"
            )
        if self.encoder == "mlp":
            return
        if train["x"].ndim != 4:
            raise ConfigError(
                f"model.encoder={self.encoder}: expected images x [row, height, width, channel], but x has "
                f"{train['x'].ndim} dimensions; use model.encoder=mlp, or data of images such as data=digits"
            )
        if self.context == "concat" and "context" in train:
            raise ConfigError(
                f"model.context=concat: a context cannot be further pixels of model.encoder={self.encoder}; use "
                "model.context=film"
            )

    def derived[R: Found](self, problem: Any, result: R, key: PRNGKeyArray) -> R:
        """With the predictive of each row, and along an input (see `mdn_derived`)."""
        from credo.models.mdn_derived import add_predictive

        return add_predictive(problem, result, jax.random.fold_in(key, 1))

    def template(self, data: xr.Dataset) -> xr.Dataset:  # noqa: ARG002 - it is refused
        """Refuse: scales and sizes come from data."""
        raise ConfigError("data: model=mdn takes its scales and sizes from data; use a table, or data=branches")

    def exported(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """What was learned as plain arrays, of which `restored` makes the same model."""
        return exported(self._known)

    def restored(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> "Mdn":
        """This model with what another of the same settings has `exported`."""
        return dataclasses.replace(self, learned=restored(arrays, self._family))

    @property
    def likelihood_key(self) -> str:
        """The family."""
        return f"model.family={self.family}"

    def __call__(  # type: ignore[override]
        self,
        y: Shaped[Array, "obs ..."],
        x: Float[Array, "obs *feature"],
        context: Float[Array, "obs context_feature"] | None = None,
    ) -> None:
        """Observe y [obs] or [obs, target] given x [obs, feature] or images, and context [obs, context]."""
        latents = {name: sample_weights(name, leaf.shape, self.prior) for name, leaf in self._leaves().items()}
        predicted = self.conditional(latents, x, context)
        rows = np.unique(np.linspace(0, len(x) - 1, _PROBES).astype(int))
        parameters = {name: values[rows] for name, values in predicted.parameters.items()}
        probed = ConditionalMixture(predicted.family, predicted.log_weights[rows], parameters)
        if y.ndim > 1:
            with numpyro.plate("probe", len(rows), dim=-2), numpyro.plate("target", y.shape[1], dim=-1):
                numpyro.deterministic("predicted_mean", probed.mean)
        with numpyro.plate("probe", len(rows)):
            if y.ndim == 1 and not self.takes_classes:
                numpyro.deterministic("predicted_mean", probed.mean[:, 0])
            numpyro.deterministic("log_density", probed.log_prob(jnp.reshape(y, (len(x), -1))[rows]))
        with numpyro.plate("obs", len(x)):
            numpyro.sample("y", Univariate(predicted) if y.ndim == 1 else predicted, obs=y)

    def conditional(
        self,
        latents: dict[str, Float[Array, "..."]],
        x: Float[Array, "row *feature"],
        context: Float[Array, "row context_feature"] | None = None,
    ) -> ConditionalMixture:
        """The mixture of each row.

        Args:
            latents: the network's weights by site, in their own space.
            x: inputs, in their own units: [row, feature], or images [row, height, width, channel], whose pixels may
                stand in one row [row, feature], too.
            context: [row, context], in its own units.
        """
        known = self._known
        dtype = jnp.dtype(self.dtype)
        network = self._network(cast(latents, self.dtype))
        inputs = known.inputs(x if known.image is None else x.reshape(len(x), *known.image)).astype(dtype)
        seen = [inputs.reshape(len(x), -1) if self.encoder == "mlp" else jnp.moveaxis(inputs, -1, 1)]
        if known.contexts is not None and context is not None:
            seen.append(known.contexts(context).astype(dtype))
        raw = self._by_row(network, *(seen if self.context == "film" else [_beside(seen)]))
        base = jnp.asarray(known.base, dtype)
        return mixture(known.family, self.mixing, raw + base, self._count, known.dims[0])

    def _by_row(self, network: Any, *seen: Float[Array, "row ..."]) -> Float[Array, "row raw"]:
        """What the network gives for each row."""
        if self.encoder == "mlp":
            return jax.vmap(network)(*seen)
        if len(seen[0]) > _IMAGES_AT_ONCE:
            raw = jax.lax.map(lambda one: network(*one), seen, batch_size=_IMAGES_AT_ONCE)
        else:
            raw = jax.vmap(network)(*seen)
        return raw.mean((-2, -1)) if self.encoder == "unet" else raw

    def start(self, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:
        """Weights as networks begin, by site."""
        made = in_double(self._made(self._known.dims, key))
        head = partial(_last_layer, film=self.context == "film")
        made = eqx.tree_at(lambda m: head(m).weight, made, _HEAD * head(made).weight)
        made = eqx.tree_at(lambda m: head(m).bias, made, jnp.zeros_like(head(made).bias))
        return latents_of(made)

    def sharpened(
        self, latents: dict[str, Float[Array, "..."]], factor: Float[Array, ""]
    ) -> dict[str, Float[Array, "..."]]:
        """The weights at which the last layer gives a multiple; what is added to it is 0 of classes."""
        last = "trunk_head_" if self.context == "film" else "head_"
        return {name: value * factor if name.startswith(last) else value for name, value in latents.items()}

    @property
    def _known(self) -> Learned:
        assert self.learned is not None  # noqa: S101 -- for the type checker: `fitted` was called
        return self.learned

    @property
    def _floor(self) -> float:
        if self.floor is not None:
            return self.floor
        return _LEAST_ROUNDED if self.family.startswith("discretized_") else 1.0

    @property
    def _count(self) -> int:
        """How many components there are."""
        if self.components is not None:
            return self.components
        return 1 if self.takes_classes else _COMPONENTS

    def _family(self, **settings: Any) -> Component:
        ends = {"low": self.low, "high": self.high} if self.low is not None or self.high is not None else {}
        return make_component(self.family, floor=self._floor, **ends, **settings)

    def _made(self, dims: tuple[int, int, int], key: PRNGKeyArray) -> Any:
        """A network that begins as networks do."""
        targets, features, context = dims
        family = self._family() if self.learned is None else self.learned.family
        outputs = raw_size(family, self.mixing, self._count, targets)
        trunk_key, context_key = jax.random.split(key)
        film = self.context == "film"
        trunk = self._trunk(features + (0 if film else context), outputs, trunk_key)
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

    def _trunk(self, inputs: int, outputs: int, key: PRNGKeyArray) -> MLP | Encoder | UNet:
        """The network of the inputs."""
        dtype = jnp.dtype(self.dtype)
        if self.encoder == "mlp":
            more: dict[str, Any] = {"norm": self.norm, "groups": self.groups, "residual": self.residual}
            made = partial(MLP, activation=self.activation, dtype=dtype, layer="hidden", key=key)
            return made(inputs, outputs, self.hidden, **more)
        assert self._known.image is not None  # noqa: S101 -- for the type checker: `fitted` requires images
        height, width, channels = self._known.image
        make = partial(of_images, self.encoder, (channels, height, width), outputs, self.channels)
        sizes = {"kernel": self.kernel, "pool": self.pool, "groups": self.groups}
        return make(**sizes, activation=self.activation, dtype=dtype, key=key)

    @property
    def network(self) -> Any:
        """The shapes of the network's arrays."""
        return eqx.filter_eval_shape(partial(self._made, self._known.dims), jax.random.PRNGKey(0))

    def _leaves(self) -> dict[str, jax.ShapeDtypeStruct]:
        return named(self.network)

    def _network(self, latents: dict[str, Float[Array, "..."]]) -> Any:
        network = filled(self.network, latents)
        if self.scale == "network":
            return network
        head = partial(_last_layer, film=self.context == "film")
        weight = head(network).weight
        scales = raw_scales(self._known.family, self.mixing, self._count, self._known.dims[0])
        if not scales.any():
            raise ConfigError(f"model.scale: {self.family} has no scale that could be constant; use scale=network")
        free = jnp.asarray(scales, self.dtype).reshape(-1, *[1] * (weight.ndim - 1))
        return eqx.tree_at(lambda m: head(m).weight, network, jnp.where(free == 1, 0, weight))


def _last_layer(network: Any, *, film: bool) -> Any:
    return network.trunk.head if film else network.head


def _beside(seen: list[Float[Array, "row ..."]]) -> Float[Array, "row ..."]:
    """Inputs and context as columns side by side."""
    return jnp.concatenate(seen, 1) if len(seen) > 1 else seen[0]
