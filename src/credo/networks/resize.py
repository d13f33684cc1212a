"""Images in another size: padding, cropping and resizing, with the meanings that PyTorch gives to these words.

Images are [..., channels, height, width]; sizes are (height, width).
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Shaped

from credo.errors import ConfigError
from credo.networks.convolution import Size

RESIZINGS = ("nearest", "bilinear", "bicubic", "area")


_ALIGNED = ("bilinear", "bicubic")


PADDINGS = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's words for the kinds of padding, and NumPy's."""


def pad(
    x: Shaped[Array, "..."], widths: Sequence[int], mode: str = "constant", value: float = 0.0, *, layer: str = "pad"
) -> Shaped[Array, "..."]:
    """Add pixels around x [..., height, width].

    Example:
        >>> pad(jnp.array([[1.0, 2.0]]), (1, 2), "replicate").tolist()
        [[1.0, 1.0, 2.0, 2.0, 2.0]]

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


def _cropped(x: Shaped[Array, "..."], added: Sequence[tuple[int, int]], layer: str) -> Shaped[Array, "..."]:
    for size, width in zip(x.shape, added, strict=True):
        if size + sum(min(w, 0) for w in width) < 1:
            raise ConfigError(f"{layer}: padding by {width} leaves nothing of a size of {size}")
    return x[tuple(slice(max(-low, 0), n - max(-high, 0)) for n, (low, high) in zip(x.shape, added, strict=True))]


def interpolate(
    x: Float[Array, "*batch height width"],
    size: Size,
    mode: str = "nearest",
    *,
    align_corners: bool = False,
    layer: str = "interpolate",
) -> Float[Array, "*batch new_height new_width"]:
    """Images x in another size.

    Each mode is linear and separable: one matrix acts on the rows, one on the columns.

    Example:
        >>> interpolate(jnp.array([[1.0, 3.0], [5.0, 7.0]]), (1, 1), "area").tolist()
        [[4.0]]

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


def _resizing(source: int, target: int, mode: str, align_corners: bool) -> Float[np.ndarray, "target source"]:
    """The weight of each old pixel in each new one."""
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


def _triangle(distance: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return np.maximum(1.0 - distance, 0.0)


def _cubic(distance: Float[np.ndarray, "*shape"], a: float = -0.75) -> Float[np.ndarray, "*shape"]:
    """Keys' convolution kernel, which is 0 from a distance of 2 on."""
    near = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    far = a * (((distance - 5.0) * distance + 8.0) * distance - 4.0)
    return np.where(distance <= 1.0, near, np.where(distance < 2.0, far, 0.0))
