"""What sees the images that a conditional model is given, by its word: convolutions or a U-Net."""

from collections.abc import Sequence
from typing import Any

from jax.typing import DTypeLike
from jaxtyping import PRNGKeyArray

from credo.errors import ConfigError
from credo.networks.conv import Encoder, Shape
from credo.networks.convolution import Window
from credo.networks.unet import UNet

ENCODERS = ("mlp", "conv", "unet")


def of_images(
    word: str,
    shape: Shape,
    outputs: int,
    channels: Sequence[int],
    *,
    kernel: int,
    pool: int,
    groups: int,
    activation: str,
    dtype: DTypeLike,
    key: PRNGKeyArray,
) -> Encoder | UNet:
    """A network of images of a shape (channels, height, width): `conv` has as many numbers, `unet` as many images.

    Args:
        word: `conv` or `unet`.
        shape: of an image.
        outputs: how many numbers or images.
        channels: of each block, or of each level.
        kernel: of each convolution, odd.
        pool: by how much each block of `conv` divides height and width; a level of `unet` halves them.
        groups: of each group norm.
        activation: one of `functional.ACTIVATIONS`.
        dtype: of the weights.
        key: the weights' seed.

    Raises:
        ConfigError: sizes or groups do not fit.
    """
    if kernel % 2 == 0:
        raise ConfigError(f"kernel: expected an odd size, which keeps the image's, but got {kernel}")
    common: dict[str, Any] = {"norm_groups": groups, "activation": activation, "dtype": dtype, "key": key}
    if word == "unet":
        return UNet(shape, outputs, channels, kernel, **common)
    return Encoder(shape, outputs, channels, Window(kernel, 1, kernel // 2), pool=pool, **common)
