"""What the networks are built of, with the meanings that PyTorch gives to these words.

Where JAX and Equinox have the same meanings they are used as they are: `jax.nn.mish`, `jax.nn.softmax`, `jnp.matmul`,
`jnp.cumprod`, `jnp.unstack` for unbind, and the layers `Conv2d`, `GroupNorm` and `LayerNorm` of `eqx.nn`. Here is what
is missing, and the refusal of sizes that do not fit. The tests compare all of it with recorded answers of PyTorch.

Images are [..., channels, height, width]; sizes are (height, width).
"""

from collections.abc import Callable, Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike
from jaxtyping import Float, Shaped

from credo.errors import ConfigError

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "mish": jax.nn.mish,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "identity": lambda x: x,
}
"""`gelu` is x Phi(x) itself and not its tanh approximation; with `identity` a network is linear in its input."""


def film(
    x: Float[Array, "channels *rest"], gamma: Float[Array, "channels"], beta: Float[Array, "channels"]
) -> Float[Array, "channels *rest"]:
    """gamma_i x_i + beta_i for each channel i of x (Perez et al. 2018, equation 2).

    Gamma and beta are [channels], and where they are 1 and 0 it returns x to the bit.

    Example:
        >>> film(jnp.ones((2, 3)), gamma=jnp.array([1.0, 2.0]), beta=jnp.array([0.0, 1.0])).tolist()
        [[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]]
    """
    over = (slice(None), *[None] * (x.ndim - 1))
    return gamma[over] * x + beta[over]


def normalize(x: Float[Array, "*shape"], p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Float[Array, "*shape"]:
    """The vectors x / max(||x||_p, eps) along an axis, for p > 0 up to infinity.

    The norm's slope at a zero vector is 0, as in PyTorch, so that the gradient there is that of x / eps, and finite.
    Otherwise than in PyTorch, powers of large numbers do not overflow: a vector is measured by its largest number.

    Example:
        >>> print(normalize(jnp.array([[3.0, 4.0]])))
        [[0.6 0.8]]

    Raises:
        ConfigError: For p <= 0.
    """
    if not p > 0:
        raise ConfigError(f"normalize: expected p > 0, but got {p}")
    largest = jnp.abs(x).max(axis, keepdims=True)
    unit = lax.stop_gradient(jnp.where(largest > 0, largest, 1))
    return x / unit / jnp.maximum(_norm(x / unit, p, axis), eps / unit)


def _norm(x: Float[Array, "..."], p: float, axis: int) -> Float[Array, "..."]:
    """||x||_p; powers are taken of positive numbers only, since that of zero may have no slope."""
    size = jnp.abs(x)
    if np.isinf(p):
        return size.max(axis, keepdims=True)
    powers = jnp.where(size > 0, jnp.where(size > 0, size, 1) ** p, 0)
    total = powers.sum(axis, keepdims=True)
    return jnp.where(total > 0, jnp.where(total > 0, total, 1) ** (1 / p), 0)


def check_groups(groups: int, channels: int, *, layer: str) -> None:
    """Refuse groups that do not divide the channels."""
    if groups < 1 or channels % groups:
        raise ConfigError(f"{layer}: {channels} channels cannot be divided into {groups} equal groups")


def check_shape(x: Shaped[Array, "..."], shape: tuple[int, ...], *, layer: str) -> None:
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
