"""What the networks are built of, with the meanings that PyTorch gives to these words.

Where JAX and Equinox have the same meanings they are used as they are: `jax.nn.mish`, `jax.nn.softmax`, `jnp.matmul`,
`jnp.cumprod`, `jnp.unstack` for unbind, and the layers `Conv2d`, `GroupNorm` and `LayerNorm` of `eqx.nn`. Here is what
is missing, and the refusal of sizes that do not fit. The tests compare all of it with recorded answers of PyTorch.

Images are [..., channels, height, width]; sizes are (height, width).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from credo.errors import ConfigError

Size = tuple[int, int]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "mish": jax.nn.mish,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "identity": lambda x: x,
}
"""`gelu` is x Phi(x) itself and not its tanh approximation; with `identity` a network is linear in its input."""

RESIZINGS = ("nearest", "bilinear", "bicubic", "area")
_ALIGNED = ("bilinear", "bicubic")

PADDINGS = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's words for the kinds of padding, and NumPy's."""


def film(x: Array, gamma: Array, beta: Array) -> Array:
    """gamma_i x_i + beta_i for each channel i of x [channels, ...] (Perez et al. 2018, equation 2).

    Gamma and beta are [channels], and where they are 1 and 0 it returns x to the bit.
    """
    over = (slice(None), *[None] * (x.ndim - 1))
    return gamma[over] * x + beta[over]


def normalize(x: Array, p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Array:
    """The vectors x / max(||x||_p, eps) along an axis, for p > 0 up to infinity.

    The norm's slope at a zero vector is 0, as in PyTorch, so that the gradient there is that of x / eps, and finite.
    Otherwise than in PyTorch, powers of large numbers do not overflow: a vector is measured by its largest number.

    Raises:
        ConfigError: For p <= 0.
    """
    if not p > 0:
        raise ConfigError(f"normalize: expected p > 0, but got {p}")
    largest = jnp.abs(x).max(axis, keepdims=True)
    unit = lax.stop_gradient(jnp.where(largest > 0, largest, 1))
    return x / unit / jnp.maximum(_norm(x / unit, p, axis), eps / unit)


def _norm(x: Array, p: float, axis: int) -> Array:
    """||x||_p; powers are taken of positive numbers only, since that of zero may have no slope."""
    size = jnp.abs(x)
    if np.isinf(p):
        return size.max(axis, keepdims=True)
    powers = jnp.where(size > 0, jnp.where(size > 0, size, 1) ** p, 0)
    total = powers.sum(axis, keepdims=True)
    return jnp.where(total > 0, jnp.where(total > 0, total, 1) ** (1 / p), 0)


def pad(x: Array, widths: Sequence[int], mode: str = "constant", value: float = 0.0, *, layer: str = "pad") -> Array:
    """Add pixels around x [..., height, width].

    Args:
        x: Any number of dimensions.
        widths: (left, right, top, bottom, ...), the last dimension first; a negative number crops.
        mode: `constant` (`value`), `reflect` (about the outermost pixels), `replicate` (them) or `circular`.
        value: The constant.
        layer: What an error names.

    Raises:
        ConfigError: Where nothing would remain, or `reflect` or `circular` reach beyond the input.
    """
    if mode not in PADDINGS:
        raise ConfigError(f"{layer}: expected padding by {', '.join(PADDINGS)}, but got {mode!r}")
    if len(widths) % 2 or len(widths) > 2 * x.ndim:
        raise ConfigError(f"{layer}: expected two widths for each of at most {x.ndim} dimensions, but got {widths}")
    added = [(0, 0)] * (x.ndim - len(widths) // 2) + list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    x = _cropped(x, added, layer)
    more = [(max(before, 0), max(after, 0)) for before, after in added]
    most = {"reflect": -1, "circular": 0}
    for size, width in zip(x.shape, map(max, more), strict=True):
        if mode in most and width > max(size + most[mode], 0):
            raise ConfigError(
                f"{layer}: padding by {mode} of a size of {size} reaches at most {size + most[mode]}, but got {width}"
            )
    if mode == "constant":
        return jnp.pad(x, more, constant_values=value)
    return jnp.pad(x, more, PADDINGS[mode])


def _cropped(x: Array, added: Sequence[tuple[int, int]], layer: str) -> Array:
    for size, width in zip(x.shape, added, strict=True):
        if size + sum(min(w, 0) for w in width) < 1:
            raise ConfigError(f"{layer}: padding by {width} leaves nothing of a size of {size}")
    return x[tuple(slice(max(-low, 0), n - max(-high, 0)) for n, (low, high) in zip(x.shape, added, strict=True))]


def interpolate(
    x: Array, size: Size, mode: str = "nearest", *, align_corners: bool = False, layer: str = "interpolate"
) -> Array:
    """Images x [..., height, width] in another size.

    Each mode is linear and separable: one matrix acts on the rows, one on the columns.

    Args:
        x: Floating numbers.
        size: The new height and width.
        mode: `nearest`; `bilinear`; `bicubic` (Keys 1981, with a = -3/4); `area`, the mean over the pixels that a new
            pixel touches, which is adaptive average pooling.
        align_corners: The centres of the outermost pixels fall on each other, and not their outer edges; only for
            `bilinear` and `bicubic`.
        layer: What an error names.

    Raises:
        ConfigError: For another mode, an empty image, or aligned corners where they mean nothing.
    """
    if mode not in RESIZINGS:
        raise ConfigError(f"{layer}: expected resizing by {', '.join(RESIZINGS)}, but got {mode!r}")
    if align_corners and mode not in _ALIGNED:
        raise ConfigError(f"{layer}: align_corners is for {' and '.join(_ALIGNED)}, but the mode is {mode!r}")
    if min(*x.shape[-2:], *size) < 1:
        raise ConfigError(f"{layer}: expected sizes of at least 1, but got {x.shape[-2:]} to be resized to {size}")
    if size == x.shape[-2:]:
        return x
    rows, columns = (
        jnp.asarray(_resizing(source, target, mode, align_corners), x.dtype)
        for source, target in zip(x.shape[-2:], size, strict=True)
    )
    return jnp.einsum("...hw,Hh,Ww->...HW", x, rows, columns, precision=lax.Precision.HIGHEST)


def _resizing(source: int, target: int, mode: str, align_corners: bool) -> np.ndarray:
    """The weight [target, source] of each old pixel in each new one."""
    new, old = np.arange(target), np.arange(source)
    if mode == "nearest":
        # PyTorch multiplies in single precision whatever the images have, and only so do ties fall alike.
        step = np.float32(source) / np.float32(target)
        return np.eye(source)[np.minimum((new.astype(np.float32) * step).astype(int), source - 1)]
    if mode == "area":
        first, end = new * source // target, -(-(new + 1) * source // target)
        touched = (first[:, None] <= old) & (old < end[:, None])
        return touched / touched.sum(1, keepdims=True)
    at = new * (source - 1) / max(target - 1, 1) if align_corners else (new + 0.5) * source / target - 0.5
    kernel, reach = (_triangle, 1) if mode == "bilinear" else (_cubic, 2)
    weights = np.zeros((target, source))
    for offset in range(1 - reach, reach + 1):
        neighbour = np.floor(at).astype(int) + offset
        np.add.at(weights, (new, np.clip(neighbour, 0, source - 1)), kernel(np.abs(at - neighbour)))
    return weights


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - distance, 0.0)


def _cubic(distance: np.ndarray, a: float = -0.75) -> np.ndarray:
    """Keys' convolution kernel, which is 0 from a distance of 2 on."""
    near = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    far = a * (((distance - 5.0) * distance + 8.0) * distance - 4.0)
    return np.where(distance <= 1.0, near, np.where(distance < 2.0, far, 0.0))


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


def convolved(conv: eqx.nn.Conv2d, x: Array) -> Array:
    """The layer's output for an image x [channels, height, width].

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


def check_groups(groups: int, channels: int, *, layer: str) -> None:
    """Refuse groups that do not divide the channels."""
    if groups < 1 or channels % groups:
        raise ConfigError(f"{layer}: {channels} channels cannot be divided into {groups} equal groups")


def check_shape(x: Array, shape: tuple[int, ...], *, layer: str) -> None:
    """Refuse an input of another shape than the network was made for."""
    if x.shape != shape:
        raise ConfigError(
            f"{layer}: expected an input of shape {shape}, but got {x.shape}; batches go through jax.vmap"
        )


def check_word(word: str, words: Sequence[str], *, key: str) -> None:
    """Refuse a word that is none of the known ones."""
    if word not in words:
        raise ConfigError(f"{key}: expected one of {', '.join(words)}, but got {word!r}")


def check_counts(*, layer: str, **counts: int) -> None:
    """Refuse a number of things that is less than one."""
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"{layer}: expected {name} of at least 1, but got {count}")


def group_norm(groups: int, channels: int, size: int = 1, *, dtype: DTypeLike, layer: str) -> eqx.nn.GroupNorm:
    """Equinox's layer for channels of `size` pixels each.

    Raises:
        ConfigError: Where groups do not divide the channels, or have one number each, whose normalised value is 0.
    """
    check_groups(groups, channels, layer=layer)
    if channels // groups * size == 1:
        raise ConfigError(f"{layer}: a group of one number is normalised to 0; choose fewer groups than {groups}")
    return eqx.nn.GroupNorm(groups, channels, dtype=dtype)
