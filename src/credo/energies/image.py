"""Energies of images: E(x) = net(x as channels, height and width) + what keeps Z finite, or what single pixels are.

Binary pixels: E(x) = net(2 x - 1) - b.x - sum_j softplus(c_j + x.W_j), the last being the hidden units of a restricted
Boltzmann machine (Smolensky 1986) that see the whole image. Real pixels: E(x) = net(u) + |u|^2 / (2 tail^2), as
`energies.neural`. Convolutions as energies of images: Du & Mordatch (2019), Grathwohl et al. (2021) of binary ones.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.nn import softplus

from credo.energies.base import Discrete
from credo.energies.neural import Neural
from credo.networks.conv import Encoder, Shape


class Pixels(eqx.Module):
    """What the network of an energy of binary images is made of.

    Attributes:
        encoder: of 2 x - 1 [channels, height, width], with one output.
        field: b [dim].
        units: W [hidden, dim] and c [hidden]; `None` without hidden units.
    """

    encoder: Encoder
    field: Array
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

    def __call__(self, x: Array) -> Array:
        """E(x) [] of x [dim], of which it is a smooth function between 0 and 1, too."""
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

    def of(self, u: Array, *inputs: Array) -> Array:
        """The network's energy of the image, and the tail's of u."""
        return super().of(u, *(jnp.reshape(one, self.shape) for one in inputs))


def network_of(encoder: Encoder, hidden: int, dim: int, key: Array) -> Any:
    """The network of a binary energy as it begins: a field of 0 and small weights of the hidden units."""
    dtype = encoder.head.weight.dtype
    units = eqx.nn.Linear(dim, hidden, dtype=dtype, key=key) if hidden else None
    return Pixels(encoder, jnp.zeros(dim, dtype), units)
