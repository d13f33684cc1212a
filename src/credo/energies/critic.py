"""Energies of a pair, E(y; x) = -f(x, y) / temperature, whose scores tell pairs that belong together from others.

van den Oord, A., Li, Y. and Vinyals, O. (2018). Representation learning with contrastive predictive coding.
Poole, B. et al. (2019). On variational bounds of mutual information. ICML; section 3, separable and joint critics.
"""

from abc import abstractmethod
from collections.abc import Sequence
from math import log

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from credo.energies.base import Energy
from credo.errors import ConfigError
from credo.networks import functional
from credo.networks.mlp import MLP

SIMILARITIES = ("dot", "cosine", "bilinear")


class Critic(Energy):
    """What both kinds share.

    Attributes:
        log_temperature: [], as a logarithm, so that the temperature stays positive while it is learned.
        learn_temperature: whether it is; otherwise it has no gradient.
        features: the length of x.
        size: the length of y.
    """

    log_temperature: Array
    learn_temperature: bool = eqx.field(static=True)
    features: int = eqx.field(static=True)
    size: int = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """The length of y."""
        return self.size

    @property
    def temperature(self) -> Array:
        """The unit of f, []."""
        learned = self.log_temperature
        return jnp.exp(learned if self.learn_temperature else lax.stop_gradient(learned))

    def __call__(self, y: Array, x: Array) -> Array:  # type: ignore[override]
        """E [] of y [dim] given x [features]."""
        self.check_state(y)
        self.check_state(x, self.features)
        return -self.scores(x[None], y[None])[0, 0]

    @abstractmethod
    def scores(self, x: Array, y: Array) -> Array:
        """-E(y_j; x_i) of all pairs, [K, J], of x [K, features] and y [J, dim]."""

    def check_pairs(self, x: Array, y: Array) -> None:
        """Refuse rows of another length."""
        for name, rows, length in (("x", x, self.features), ("y", y, self.size)):
            if rows.ndim != 2 or rows.shape[1] != length:
                raise ConfigError(f"energy: expected rows {name} of shape (K, {length}), but got {rows.shape}")


class Separable(Critic):
    """f(x, y) = s(g(x), h(y)) of two embeddings, so that all pairs cost one product of matrices.

    Attributes:
        of_x: g.
        of_y: h.
        similarity: s: `dot`, g'h; `cosine`, g'h / (|g| |h|), within -1 and 1; `bilinear`, g'W h.
        weight: W [embedding, embedding], which begins as the identity; `None` without it.
    """

    of_x: MLP
    of_y: MLP
    weight: Array | None
    similarity: str = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        dim: int,
        widths: Sequence[int],
        *,
        embedding: int = 32,
        similarity: str = "dot",
        temperature: float = 1.0,
        learn_temperature: bool = True,
        activation: str = "mish",
        norm: str = "none",
        groups: int = 1,
        dtype: DTypeLike = jnp.float32,
        key: Array,
    ):
        """Embeddings of x [features] and of y [dim].

        Args:
            features: Numbers of x.
            dim: Numbers of y.
            widths: Of the hidden layers, of both networks.
            embedding: The length of g and h.
            similarity: One of `SIMILARITIES`.
            temperature: At the start, or for good.
            learn_temperature: Whether it changes.
            activation: One of `nets.functional.ACTIVATIONS`.
            norm: After each hidden layer: `none`, `layer` or `group`.
            groups: Of `group`.
            dtype: Of the weights.
            key: The weights' seed.

        Raises:
            ConfigError: For unknown words, and for sizes and temperatures that are not positive.
        """
        functional.check_word(similarity, SIMILARITIES, key="energy.similarity")
        first, second = jax.random.split(key)
        self.of_x, self.of_y = (
            MLP(n, embedding, widths, activation=activation, norm=norm, groups=groups, dtype=dtype, layer=word, key=k)
            for n, word, k in ((features, "energy.x", first), (dim, "energy.y", second))
        )
        self.similarity, self.features, self.size = similarity, features, dim
        self.weight = jnp.eye(embedding, dtype=dtype) if similarity == "bilinear" else None
        self.log_temperature, self.learn_temperature = _log(temperature, dtype), learn_temperature

    def scores(self, x: Array, y: Array) -> Array:
        """-E(y_j; x_i) of all pairs, [K, J], of x [K, features] and y [J, dim]."""
        self.check_pairs(x, y)
        g, h = jax.vmap(self.of_x)(x), jax.vmap(self.of_y)(y)
        if self.similarity == "cosine":
            g, h = functional.normalize(g), functional.normalize(h)
        if self.weight is not None:
            g = g @ self.weight
        return jnp.matmul(g, h.T, precision=lax.Precision.HIGHEST) / self.temperature


class Joint(Critic):
    """f(x, y), a network of x and y side by side: K x J passes for all pairs, but no restriction on f.

    Attributes:
        network: f, with one output.
    """

    network: MLP

    def __init__(
        self,
        features: int,
        dim: int,
        widths: Sequence[int],
        *,
        temperature: float = 1.0,
        learn_temperature: bool = False,
        activation: str = "mish",
        norm: str = "none",
        groups: int = 1,
        dtype: DTypeLike = jnp.float32,
        key: Array,
    ):
        """A network of x [features] and y [dim]; the arguments are those of `Separable`."""
        functional.check_counts(layer="energy", features=features, dim=dim)
        self.network = MLP(
            features + dim,
            1,
            widths,
            activation=activation,
            norm=norm,
            groups=groups,
            dtype=dtype,
            layer="energy",
            key=key,
        )
        self.features, self.size = features, dim
        self.log_temperature, self.learn_temperature = _log(temperature, dtype), learn_temperature

    def scores(self, x: Array, y: Array) -> Array:
        """-E(y_j; x_i) of all pairs, [K, J], of x [K, features] and y [J, dim]."""
        self.check_pairs(x, y)
        rows = [jnp.repeat(x, len(y), axis=0), jnp.tile(y, (len(x), 1))]
        f = jax.vmap(self.network)(jnp.concatenate(rows, axis=1))
        return f.reshape(len(x), len(y)) / self.temperature


def _log(temperature: float, dtype: DTypeLike) -> Array:
    if not 0 < temperature < jnp.inf:
        raise ConfigError(f"energy.temperature: expected a positive number, but got {temperature}")
    return jnp.asarray(log(temperature), dtype)
