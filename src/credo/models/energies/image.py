"""Energies of images by convolutions, of binary or of real pixels."""

from functools import partial
from math import prod
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import constraints

from credo.energies.image import BinaryImage, RealImage, network_of
from credo.errors import ConfigError
from credo.models import networks
from credo.models.energies.base import Continuous, Prior
from credo.models.supports import OneOf
from credo.networks.conv import Encoder
from credo.networks.functional import ACTIVATIONS, Window
from credo.ranges import Count, Natural, Positive

PIXELS = ("binary", "real")
DTYPES = ("float32", "float64")


class Image(Continuous):
    """E(x) = convolutions(x) - b.x - hidden units, x in {0, 1}; or convolutions(u) + |u|^2 / (2 tail^2) of real x.

    Attributes:
        shape: height and width, or channels, height and width, of the numbers of a state.
        pixels: `binary` (0 and 1) or `real`.
        channels: those of each block of Conv, GroupNorm and activation.
        kernel: height and width of the convolutions, odd.
        norm_groups: of each GroupNorm.
        pool: by how much each block divides height and width.
        activation: one of `nets.functional.ACTIVATIONS`.
        hidden: of binary pixels, units of a restricted Boltzmann machine beside the convolutions; 0 for none.
        tail: of real pixels, the width of the Gaussian to which the energy falls off, in standard deviations of the
            data; `None` for none, where there are bounds.
        bounds: of real pixels, (low, high), outside of which there is no density; or `None`.
        dtype: in which the network is computed.
    """

    formula: ClassVar[str] = (
        "E(x) = convolutions(x) - b.x - sum_j softplus(c_j + W_j.x) of binary pixels\n"
        "E(x) = convolutions(u) + |u|^2 / (2 tail^2), u = (x - mean) / sd, of real ones\n"
        "network weights ~ prior / sqrt(inputs of the layer), biases and b ~ prior"
    )
    supports: ClassVar[dict[str, Any]] = {"weight": (constraints.real,), "bias": (constraints.real,)}
    networks: ClassVar[bool] = True

    shape: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    pixels: str = eqx.field(static=True)
    channels: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    kernel: Count = eqx.field(static=True)
    norm_groups: Count = eqx.field(static=True)
    pool: Count = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    hidden: Natural = eqx.field(static=True)
    tail: Positive | None = eqx.field(static=True)
    bounds: tuple[float, float] | None = eqx.field(
        static=True, converter=lambda given: None if given is None else tuple(given)
    )
    dtype: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        words = {"pixels": PIXELS, "activation": tuple(ACTIVATIONS), "dtype": DTYPES}
        for name, known in words.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"{name}: expected one of {', '.join(known)}, but got {getattr(self, name)!r}")
        if len(self.shape) not in (2, 3):
            raise ConfigError(
                f"shape: expected height and width, or channels, height and width, but got {list(self.shape)}"
            )
        if self.kernel % 2 == 0:
            raise ConfigError(f"kernel: expected an odd number, but got {self.kernel}")
        if self.bounds is not None and (len(self.bounds) != 2 or not self.bounds[0] < self.bounds[1]):
            raise ConfigError(f"bounds: expected low < high, or null, but got {list(self.bounds)}")
        if not self.binary and self.tail is None and self.bounds is None:
            raise ConfigError(
                "tail: without a tail Z is infinite over the whole space; give it a width, or set energy.bounds"
            )
        if not self.binary and self.hidden:
            raise ConfigError(f"hidden: expected 0 for real pixels, but got {self.hidden}; or set pixels=binary")
        eqx.filter_eval_shape(self._made, jax.random.PRNGKey(0))  # refuses sizes that do not fit

    @property
    def binary(self) -> bool:
        """Whether pixels are 0 or 1."""
        return self.pixels == "binary"

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = (1, *self.shape)[-3:]
        return channels, height, width

    @property
    def picture(self) -> tuple[int, int] | None:
        """Height and width, of images of one channel."""
        channels, height, width = self.image
        return (height, width) if channels == 1 else None

    @property
    def dim(self) -> int:
        """As many as the image has pixels."""
        return prod(self.shape)

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """The bounds of each pixel."""
        return super().box if self.bounds is None else (self.bounds,) * self.dim

    @property
    def support(self) -> Any:
        """0 or 1 each; or the whole space; or the box."""
        return constraints.independent(OneOf(BinaryImage.values), 1) if self.binary else super().support

    @property
    def base(self) -> dist.Distribution:
        """Independent pixels with the moments of the training rows."""
        if self.binary:
            return dist.BernoulliProbs(np.clip(np.array(self.mean), 0.01, 0.99)).to_event(1)
        return super().base

    def fitted(self, y: np.ndarray, x: np.ndarray | None, context: np.ndarray | None) -> Self:
        """With the moments of the rows."""
        if self.binary and not np.isin(y, BinaryImage.values).all():
            raise ConfigError(
                "energy.pixels: binary pixels are 0 or 1, but the data has other values; use real, or data of "
                "binary pixels (data.scale=binary)"
            )
        return super().fitted(y, x, context)

    def __call__(self, prior: Prior) -> Any:
        """Sample the weights."""
        shape = eqx.filter_eval_shape(self._made, jax.random.PRNGKey(0))
        latents = {name: networks.sample(name, leaf.shape, prior) for name, leaf in networks.named(shape).items()}
        network = networks.filled(shape, networks.cast(latents, self.dtype))
        if self.binary:
            return BinaryImage(network, self.image, self.dtype)
        return RealImage(network, self.mean, self.sd, self.tail, self.dtype, self.image)

    def start(self, key: Array) -> dict[str, Array]:
        """Weights as networks begin; of binary pixels b as their means are."""
        network = self._made(key)
        if self.binary:
            rates = jnp.clip(jnp.asarray(self.mean, network.field.dtype), 0.01, 0.99)
            network = eqx.tree_at(lambda n: n.field, network, jnp.log(rates) - jnp.log1p(-rates))
            if network.units is not None:
                network = eqx.tree_at(lambda n: n.units.weight, network, 0.1 * network.units.weight)
        return networks.latents_of(networks.in_double(network))

    def _made(self, key: Array) -> Any:
        """A network that begins as networks do."""
        encoder_key, units_key = jax.random.split(key)
        make = partial(Encoder, norm_groups=self.norm_groups, pool=self.pool, activation=self.activation)
        window = Window(self.kernel, 1, self.kernel // 2)
        encoder = make(self.image, 1, self.channels, window, dtype=jnp.dtype(self.dtype), key=encoder_key)
        return network_of(encoder, self.hidden, self.dim, units_key) if self.binary else encoder
