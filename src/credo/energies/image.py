"""Energies of images: E(x) = net(x as channels, height and width) + what keeps Z finite, or what single pixels are.

Binary pixels: E(x) = net(2 x - 1) - b.x - sum_j softplus(c_j + x.W_j), the last being the hidden units of a restricted
Boltzmann machine (Smolensky 1986) that see the whole image. Real pixels: E(x) = net(u) + |u|^2 / (2 tail^2), as
`energies.neural`. Convolutions as energies of images: Du & Mordatch (2019), Grathwohl et al. (2021) of binary ones.
"""

from functools import partial
from math import prod
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array
from jax.nn import softplus
from jaxtyping import Float, PRNGKeyArray
from numpyro.distributions import constraints

from credo.energies.base import Discrete
from credo.energies.model import Prior
from credo.energies.network import NetworkModel
from credo.energies.neural import Neural
from credo.energies.units import OneOf
from credo.errors import ConfigError
from credo.networks import bayesian
from credo.networks.conv import Encoder, Shape
from credo.networks.convolution import Window
from credo.ranges import Count, Natural, Positive


class Pixels(eqx.Module):
    """What the network of an energy of binary images is made of.

    Attributes:
        encoder: of 2 x - 1 [channels, height, width], with one output.
        field: b [dim].
        units: W [hidden, dim] and c [hidden]; `None` without hidden units.
    """

    encoder: Encoder
    field: Float[Array, "dim"]
    units: eqx.nn.Linear | None


class BinaryImage(Discrete):
    """E(x) of one image x [dim] of pixels 0 and 1, by channels, rows and columns.

    Attributes:
        network: its parts.
        shape: channels, height and width.
        dtype: in which the network is computed.
    """

    values: ClassVar[tuple[float, ...]] = (0.0, 1.0)

    network: Pixels
    shape: Shape = eqx.field(static=True)
    dtype: str = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """The number of pixels of all channels."""
        channels, height, width = self.shape
        return channels * height * width

    def __call__(self, x: Float[Array, "dim"]) -> Float[Array, ""]:
        """E(x) of x, of which it is a smooth function between 0 and 1, too."""
        self.check_state(x)
        x = x.astype(self.dtype)
        energy = jnp.reshape(self.network.encoder(jnp.reshape(2 * x - 1, self.shape)), ()) - self.network.field @ x
        return energy if self.network.units is None else energy - softplus(self.network.units(x)).sum()


class RealImage(Neural):
    """E(x) of one image x [dim] of real pixels: `Neural` whose network sees u as an image.

    Attributes:
        shape: channels, height and width.
    """

    shape: Shape = eqx.field(static=True)

    def of(self, u: Float[Array, "dim"], *inputs: Float[Array, "..."]) -> Float[Array, ""]:
        """The network's energy of the image, and the tail's of u."""
        return super().of(u, *(jnp.reshape(one, self.shape) for one in inputs))


def network_of(encoder: Encoder, hidden: int, dim: int, key: PRNGKeyArray) -> Any:
    """The network of a binary energy as it begins: a field of 0 and small weights of the hidden units."""
    dtype = encoder.head.weight.dtype
    units = eqx.nn.Linear(dim, hidden, dtype=dtype, key=key) if hidden else None
    return Pixels(encoder, jnp.zeros(dim, dtype), units)


PIXELS = ("binary", "real")


class ImageModel(NetworkModel):
    """E(x) = convolutions(x) - b.x - hidden units, x in {0, 1}; or convolutions(u) + |u|^2 / (2 tail^2) of real x.

    Attributes:
        shape: height and width, or channels, height and width, of the numbers of a state.
        pixels: `binary` (0 and 1) or `real`.
        channels: those of each block of Conv, GroupNorm and activation.
        kernel: height and width of the convolutions, odd.
        norm_groups: of each GroupNorm.
        pool: by how much each block divides height and width.
        hidden: of binary pixels, units of a restricted Boltzmann machine beside the convolutions; 0 for none.
        tail: of real pixels, the width of the Gaussian to which the energy falls off, in standard deviations of the
            data; `None` for none, where there are bounds.
        bounds: of real pixels, (low, high), outside of which there is no density; or `None`.
    """

    formula: ClassVar[str] = (
        "E(x) = convolutions(x) - b.x - sum_j softplus(c_j + W_j.x) of binary pixels\n"
        "E(x) = convolutions(u) + |u|^2 / (2 tail^2), u = (x - mean) / sd, of real ones\n"
        "network weights ~ prior / sqrt(inputs of the layer), biases and b ~ prior"
    )

    shape: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    pixels: str = eqx.field(static=True)
    channels: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    kernel: Count = eqx.field(static=True)
    norm_groups: Count = eqx.field(static=True)
    pool: Count = eqx.field(static=True)
    hidden: Natural = eqx.field(static=True)
    tail: Positive | None = eqx.field(static=True)
    bounds: tuple[float, float] | None = eqx.field(
        static=True, converter=lambda given: None if given is None else tuple(given)
    )

    def __check_init__(self) -> None:
        super().__check_init__()
        if self.pixels not in PIXELS:
            raise ConfigError(f"pixels: expected one of {', '.join(PIXELS)}, but got {self.pixels!r}")
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
        eqx.filter_eval_shape(self.made, jax.random.PRNGKey(0))  # refuses sizes that do not fit

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

    def fitted(self, y: Float[np.ndarray, "row dim"], x: np.ndarray | None, context: np.ndarray | None) -> Self:
        """With the moments of the rows."""
        if self.binary and not np.isin(y, BinaryImage.values).all():
            raise ConfigError(
                "energy.pixels: binary pixels are 0 or 1, but the data has other values; use real, or data of "
                "binary pixels (data.scale=binary)"
            )
        return super().fitted(y, x, context)

    def __call__(self, prior: Prior) -> Any:
        """Sample the weights."""
        network = self.sampled(prior)
        if self.binary:
            return BinaryImage(network, self.image, self.dtype)
        return RealImage(network, self.mean, self.sd, self.tail, self.dtype, self.image)

    def start(self, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:
        """Weights as networks begin; of binary pixels b as their means are."""
        network = self.made(key)
        if self.binary:
            rates = jnp.clip(jnp.asarray(self.mean, network.field.dtype), 0.01, 0.99)
            network = eqx.tree_at(lambda n: n.field, network, jnp.log(rates) - jnp.log1p(-rates))
            if network.units is not None:
                network = eqx.tree_at(lambda n: n.units.weight, network, 0.1 * network.units.weight)
        return bayesian.latents_of(bayesian.in_double(network))

    def made(self, key: PRNGKeyArray) -> Any:
        """A network that begins as networks do."""
        encoder_key, units_key = jax.random.split(key)
        make = partial(Encoder, norm_groups=self.norm_groups, pool=self.pool, activation=self.activation)
        window = Window(self.kernel, 1, self.kernel // 2)
        encoder = make(self.image, 1, self.channels, window, dtype=jnp.dtype(self.dtype), key=encoder_key)
        return network_of(encoder, self.hidden, self.dim, units_key) if self.binary else encoder
