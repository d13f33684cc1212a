"""Convolutions: the block that image networks are made of, and an encoder of images."""

import math
from collections.abc import Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike
from jaxtyping import Float, PRNGKeyArray

from credo.errors import ConfigError
from credo.networks import convolution, functional, resize
from credo.networks.convolution import SAME, Size, Window
from credo.networks.mlp import Films

Shape = tuple[int, int, int]
"""Channels, height and width of an image."""


class Block(eqx.Module):
    """Conv2d, GroupNorm (Wu & He 2018), FiLM if asked, and an activation.

    Attributes:
        conv: The convolution.
        norm: The normalisation.
        activation: One of `functional.ACTIVATIONS`.
        size: Height and width of its output.
    """

    conv: eqx.nn.Conv2d
    norm: eqx.nn.GroupNorm
    activation: str = eqx.field(static=True)
    size: Size = eqx.field(static=True)

    def __init__(
        self,
        shape: Shape,
        channels: int,
        window: Window,
        *,
        norm_groups: int = 1,
        activation: str = "mish",
        dtype: DTypeLike = jnp.float32,
        layer: str,
        key: PRNGKeyArray,
    ):
        """A block that makes `channels` from images of a shape.

        Raises:
            ConfigError: Where kernel or groups do not fit; it names `layer`.
        """
        functional.check_word(activation, tuple(functional.ACTIVATIONS), key=f"{layer}.activation")
        functional.check_counts(layer=layer, shape=min(shape), channels=channels)
        for count in (shape[0], channels):
            functional.check_groups(window.groups, count, layer=f"{layer}.groups")
        self.size = convolution.conv_size(shape[1:], window, layer=layer)
        pixels = self.size[0] * self.size[1]
        self.norm = functional.group_norm(norm_groups, channels, pixels, dtype=dtype, layer=f"{layer}.norm_groups")
        self.conv = eqx.nn.Conv2d(shape[0], channels, *window, dtype=dtype, key=key)
        self.activation = activation

    @property
    def channels(self) -> int:
        """How many channels the output has."""
        return self.conv.out_channels

    def __call__(
        self,
        x: Float[Array, "channels height width"],
        film: tuple[Float[Array, "out"], Float[Array, "out"]] | None = None,
    ) -> Float[Array, "out new_height new_width"]:
        """The output [channels, *size] for an image x."""
        # Fused with FiLM the norm would be rounded otherwise, and FiLM would not begin as nothing to the bit.
        h = lax.optimization_barrier(self.norm(convolution.convolved(self.conv, x)))
        h = h if film is None else functional.film(h, *film)
        return functional.ACTIVATIONS[self.activation](h)


def pooled(size: Size, by: int, *, layer: str) -> Size:
    """Height and width divided, rounded down.

    Raises:
        ConfigError: Where nothing would be left.
    """
    if min(size) < by:
        raise ConfigError(f"{layer}: pooling by {by} leaves nothing of a size of {size}; use fewer layers")
    return size[0] // by, size[1] // by


class Encoder(eqx.Module):
    """An image as a few numbers: blocks, each followed by pooling, and a linear layer of all that is left.

    Pooling is the mean over areas (`resize.interpolate`), so that no row or column of an odd size is lost.

    Example:
        >>> encoder = Encoder((1, 8, 8), outputs=10, channels=[4, 8], key=jax.random.key(0))
        >>> encoder.sizes, encoder(jnp.ones((1, 8, 8))).shape
        (((4, 4), (2, 2)), (10,))

    Attributes:
        blocks: The blocks.
        head: The linear layer.
        shape: The image's channels, height and width.
        resize: The size to which an image is brought first.
        sizes: The size after each block's pooling.
    """

    blocks: tuple[Block, ...]
    head: eqx.nn.Linear
    shape: Shape = eqx.field(static=True)
    resize: Size | None = eqx.field(static=True)
    sizes: tuple[Size, ...] = eqx.field(static=True)

    def __init__(
        self,
        shape: Shape,
        outputs: int,
        channels: Sequence[int],
        window: Window = SAME,
        *,
        norm_groups: int = 1,
        pool: int = 2,
        resize: Size | None = None,
        activation: str = "mish",
        dtype: DTypeLike = jnp.float32,
        key: PRNGKeyArray,
    ):
        """An encoder of images of a shape.

        Args:
            shape: Channels, height and width.
            outputs: How many numbers.
            channels: Those of each block's output.
            window: Of each convolution.
            norm_groups: The groups of each normalisation.
            pool: By how much pooling divides height and width, rounded down; 1 is none.
            resize: The size to which an image is brought first, by `bilinear`.
            activation: One of `functional.ACTIVATIONS`.
            dtype: Of the weights.
            key: The weights' seed.

        Raises:
            ConfigError: For sizes and groups that do not fit; it names the layer.
        """
        functional.check_counts(
            layer="encoder",
            shape=min(shape),
            outputs=outputs,
            blocks=len(channels),
            pool=pool,
            resize=min(resize or (1,)),
        )
        first, *keys = jax.random.split(key, len(channels) + 1)
        make = partial(Block, norm_groups=norm_groups, activation=activation, dtype=dtype)
        blocks: list[Block] = []
        sizes = [resize or shape[1:]]
        for i, (n, m, k) in enumerate(zip((shape[0], *channels), channels, keys, strict=False)):
            layer = f"encoder.blocks[{i}]"
            blocks.append(make((n, *sizes[-1]), m, window, layer=layer, key=k))
            sizes.append(pooled(blocks[-1].size, pool, layer=layer))
        self.blocks, self.sizes = tuple(blocks), tuple(sizes[1:])
        self.head = eqx.nn.Linear(channels[-1] * math.prod(sizes[-1]), outputs, dtype=dtype, key=first)
        self.shape, self.resize = shape, resize

    @property
    def sites(self) -> tuple[int, ...]:
        """The channels of each block, which FiLM modulates."""
        return tuple(block.channels for block in self.blocks)

    def __call__(self, x: Float[Array, "..."], films: Films = ()) -> Float[Array, "outputs"]:
        """The numbers for an image x [channels, height, width]."""
        functional.check_shape(x, self.shape, layer="encoder")
        x = x if self.resize is None else resize.interpolate(x, self.resize, "bilinear")
        modulations = iter(films)
        for block, size in zip(self.blocks, self.sizes, strict=True):
            x = resize.interpolate(block(x, next(modulations, None)), size, "area")
        return self.head(jnp.ravel(x))
