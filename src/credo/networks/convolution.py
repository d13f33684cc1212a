"""Convolutions: their sizes, and their output for small images as one product of matrices."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from credo.errors import ConfigError

Size = tuple[int, int]


class Window(NamedTuple):
    """How a convolution looks at an image; one number is for both height and width."""

    kernel: int | Size = 3
    stride: int | Size = 1
    padding: int | Size = 1
    dilation: int | Size = 1
    groups: int = 1


_SMALL = 32 * 32
"""The most pixels of an output that is computed as a product of matrices."""


SAME = Window()
"""A kernel of 3 x 3 whose output is as large as its input."""


def convolved(
    conv: eqx.nn.Conv2d, x: Float[Array, "channels height width"]
) -> Float[Array, "out new_height new_width"]:
    """The layer's output for an image x.

    Of a small image it is one product of the weights and all windows: on the CPU XLA's own convolutions take five times
    as long within a loop.
    """
    padding: Any = conv.padding
    height, width = (
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, p, k, s, d in zip(x.shape[1:], padding, conv.kernel_size, conv.stride, conv.dilation, strict=True)
    )
    if conv.groups > 1 or height * width > _SMALL:
        return conv(x)
    x = jnp.pad(x, ((0, 0), *conv.padding))
    (down, across), (by_row, by_column) = conv.dilation, conv.stride
    windows = [
        x[:, i : i + (height - 1) * by_row + 1 : by_row, j : j + (width - 1) * by_column + 1 : by_column]
        for i in range(0, conv.kernel_size[0] * down, down)
        for j in range(0, conv.kernel_size[1] * across, across)
    ]
    weight = conv.weight.reshape(conv.out_channels, -1)
    out = (weight @ jnp.stack(windows, 1).reshape(-1, height * width)).reshape(-1, height, width)
    return out if conv.bias is None else out + conv.bias


def conv_size(size: Size, window: Window, *, layer: str) -> Size:
    """The size of a convolution's output: floor((H + 2p - d(k-1) - 1)/s + 1), likewise for the width.

    Raises:
        ConfigError: Where the kernel is larger than the padded input; it names `layer`.
    """
    kernel, stride, padding, dilation = (n if isinstance(n, tuple) else (n, n) for n in window[:4])
    if min(*kernel, *stride, *dilation) < 1 or min(padding) < 0:
        raise ConfigError(
            f"{layer}: expected kernel, stride and dilation of at least 1 and padding of at least 0, but got {window}"
        )
    height, width = (_conv_size(*axis, layer) for axis in zip(size, padding, kernel, stride, dilation, strict=True))
    return height, width


def _conv_size(n: int, p: int, k: int, s: int, d: int, layer: str) -> int:
    out = (n + 2 * p - d * (k - 1) - 1) // s + 1
    if out < 1:
        raise ConfigError(
            f"{layer}: a kernel of {k} with dilation {d} is larger than an input of {n} with padding {p}: "
            f"floor((H + 2p - d(k-1) - 1)/s + 1) = floor(({n} + 2*{p} - {d}*({k}-1) - 1)/{s} + 1) = {out}; "
            "choose a smaller kernel or more padding"
        )
    return out
