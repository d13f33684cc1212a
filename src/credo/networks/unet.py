"""A small U-Net (Ronneberger, Fischer & Brox 2015): images to images of the same size."""

from collections.abc import Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float, PRNGKeyArray

from credo.errors import ConfigError
from credo.networks import functional, resize
from credo.networks.conv import Block, Shape, pooled
from credo.networks.convolution import Window
from credo.networks.mlp import Films


class UNet(eqx.Module):
    """One block at each level on the way down, one on the way up, which also sees what came by at its level.

    Between levels height and width are halved, rounded down, by the mean over areas, and brought back by `bilinear`, so
    that any size works.

    Example:
        >>> network = UNet((1, 8, 9), outputs=2, channels=[4, 8], key=jax.random.key(0))
        >>> network(jnp.ones((1, 8, 9), jnp.float32)).shape
        (2, 8, 9)

    Attributes:
        down: The blocks on the way down, the last of them at the bottom.
        up: The blocks on the way up.
        head: A convolution of single pixels to the output's channels.
        shape: The image's channels, height and width.
    """

    down: tuple[Block, ...]
    up: tuple[Block, ...]
    head: eqx.nn.Conv2d
    shape: Shape = eqx.field(static=True)

    def __init__(
        self,
        shape: Shape,
        outputs: int,
        channels: Sequence[int],
        kernel: int = 3,
        *,
        norm_groups: int = 1,
        activation: str = "mish",
        dtype: DTypeLike = jnp.float32,
        key: PRNGKeyArray,
    ):
        """A network for images of a shape.

        Args:
            shape: Channels, height and width.
            outputs: Channels of the output.
            channels: Those of each level, from the top to the bottom.
            kernel: Of each convolution; odd, so that it keeps the size.
            norm_groups: The groups of each normalisation.
            activation: One of `functional.ACTIVATIONS`.
            dtype: Of the weights.
            key: The weights' seed.

        Raises:
            ConfigError: For an even kernel, and for sizes and groups that do not fit; it names the layer.
        """
        functional.check_counts(layer="unet", shape=min(shape), outputs=outputs, levels=len(channels), kernel=kernel)
        if kernel % 2 == 0:
            raise ConfigError(f"unet.kernel: expected an odd size, which keeps the image's, but got {kernel}")

        make = partial(Block, norm_groups=norm_groups, activation=activation, dtype=dtype)
        window = Window(kernel, padding=kernel // 2)
        levels = range(len(channels))
        sizes = [shape[1:]]
        for i in levels[1:]:
            sizes.append(pooled(sizes[-1], 2, layer=f"unet.down[{i}]"))
        first, *keys = jax.random.split(key, 2 * len(channels))
        self.down = tuple(
            make((n, *size), m, window, layer=f"unet.down[{i}]", key=keys[i])
            for i, n, m, size in zip(levels, (shape[0], *channels), channels, sizes, strict=False)
        )
        self.up = tuple(
            make((channels[i] + channels[i + 1], *sizes[i]), channels[i], window, layer=f"unet.up[{i}]", key=keys[~i])
            for i in reversed(levels[:-1])
        )
        self.head = eqx.nn.Conv2d(channels[0], outputs, 1, dtype=dtype, key=first)
        self.shape = shape

    @property
    def sites(self) -> tuple[int, ...]:
        """The channels of each block, which FiLM modulates, down and then up."""
        return tuple(block.channels for block in (*self.down, *self.up))

    def __call__(self, x: Float[Array, "..."], films: Films = ()) -> Float[Array, "outputs height width"]:
        """The image for an image x [channels, height, width]."""
        functional.check_shape(x, self.shape, layer="unet")
        modulations = iter(films)
        seen: list[Array] = []
        for block in self.down:
            x = block(resize.interpolate(x, block.size, "area"), next(modulations, None))
            seen.append(x)
        for block, beside in zip(self.up, seen[-2::-1], strict=True):
            wider = resize.interpolate(x, block.size, "bilinear")
            x = block(jnp.concatenate([beside, wider]), next(modulations, None))
        return self.head(x)
