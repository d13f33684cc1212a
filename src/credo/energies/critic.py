"""Energies of a pair, E(y; x) = -f(x, y) / temperature, whose scores tell pairs that belong together from others.

van den Oord, A., Li, Y. and Vinyals, O. (2018). Representation learning with contrastive predictive coding.
Poole, B. et al. (2019). On variational bounds of mutual information. ICML; section 3, separable and joint critics.
"""

from abc import abstractmethod
from collections.abc import Sequence
from math import log
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike
from jaxtyping import Float, PRNGKeyArray

from credo.energies.base import Energy
from credo.energies.model import Prior
from credo.energies.network import ConditionalNetworkModel
from credo.errors import ConfigError
from credo.networks import functional
from credo.networks.bayesian import Moments
from credo.networks.mlp import MLP
from credo.ranges import Count, Positive

SIMILARITIES = ("dot", "cosine", "bilinear")


class Critic(Energy):
    """What both kinds share.

    Attributes:
        log_temperature: [], as a logarithm, so that the temperature stays positive while it is learned.
        learn_temperature: whether it is; otherwise it has no gradient.
        features: the length of x.
        size: the length of y.
    """

    log_temperature: Float[Array, ""]
    learn_temperature: bool = eqx.field(static=True)
    features: int = eqx.field(static=True)
    size: int = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """The length of y."""
        return self.size

    @property
    def temperature(self) -> Float[Array, ""]:
        """The unit of f."""
        learned = self.log_temperature
        return jnp.exp(learned if self.learn_temperature else lax.stop_gradient(learned))

    def __call__(self, y: Float[Array, "dim"], x: Float[Array, "features"]) -> Float[Array, ""]:  # type: ignore[override]
        """E of y given x."""
        self.check_state(y)
        self.check_state(x, self.features)
        return -self.scores(x[None], y[None])[0, 0]

    @abstractmethod
    def scores(self, x: Float[Array, "K features"], y: Float[Array, "J dim"]) -> Float[Array, "K J"]:
        """-E(y_j; x_i) of all pairs, of x and y."""

    def check_pairs(self, x: Float[Array, "..."], y: Float[Array, "..."]) -> None:
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
    weight: Float[Array, "embedding embedding"] | None
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
        key: PRNGKeyArray,
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
            activation: One of `networks.functional.ACTIVATIONS`.
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

    def scores(self, x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "K J"]:
        """-E(y_j; x_i) of all pairs, of x and y."""
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
        key: PRNGKeyArray,
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

    def scores(self, x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "K J"]:
        """-E(y_j; x_i) of all pairs, of x and y."""
        self.check_pairs(x, y)
        rows = [jnp.repeat(x, len(y), axis=0), jnp.tile(y, (len(x), 1))]
        f = jax.vmap(self.network)(jnp.concatenate(rows, axis=1))
        return f.reshape(len(x), len(y)) / self.temperature


def _log(temperature: float, dtype: DTypeLike) -> Float[Array, ""]:
    if not 0 < temperature < jnp.inf:
        raise ConfigError(f"energy.temperature: expected a positive number, but got {temperature}")
    return jnp.asarray(log(temperature), dtype)


KINDS = ("separable", "joint")
_BEGIN = {"dot": 1.0, "bilinear": 1.0, "cosine": 0.1}
"""Where a learned temperature begins, by similarity."""


class Pairs(Energy):
    """A critic of y and what is given, both in units of the data.

    Attributes:
        critic: of u [dim] and of what is given [features], standardised.
        mean: that u is counted from, [dim].
        sd: the unit of u, [dim].
        dtype: in which the critic is computed.
        given: means and standard deviations of each condition's columns.
    """

    critic: Critic
    mean: tuple[float, ...] = eqx.field(static=True)
    sd: tuple[float, ...] = eqx.field(static=True)
    dtype: str = eqx.field(static=True)
    given: tuple[Moments, ...]

    @property
    def dim(self) -> int:
        """The length of y."""
        return len(self.mean)

    def __call__(self, y: Float[Array, "dim"], *conditions: Float[Array, "..."]) -> Float[Array, ""]:
        """E of a state y given x [feature] and perhaps context."""
        self.check_state(y)
        return self.critic(self._standard(y), self._conditions(conditions))

    def pair_scores(
        self, conditions: tuple[Float[Array, "K ..."], ...], y: Float[Array, "J dim"]
    ) -> Float[Array, "K J"]:
        """-E(y_j; x_i) of all pairs, of conditions and states y."""
        return self.critic.scores(self._conditions(conditions), self._standard(y))

    def _standard(self, y: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        return ((y - np.array(self.mean)) / np.array(self.sd)).astype(self.dtype)

    def _conditions(self, conditions: tuple[Float[Array, "..."], ...]) -> Float[Array, "*batch features"]:
        """What is given side by side."""
        seen = [m(c).astype(self.dtype) for m, c in zip(self.given, conditions, strict=True)]
        return jnp.concatenate(seen, -1)


class CriticModel(ConditionalNetworkModel):
    """E(y; x) = -f(x, y) / temperature; trained by InfoNCE, f is ln p(y | x) / p(y) but for a function of x.

    The density of y given x is thus p(y) exp(-E), whose Z is intractable. x and y are standardised by the moments of
    the training rows; a context is further numbers of x.

    Attributes:
        kind: `separable`, f = s(g(x), h(y)) of two embeddings, so that all pairs cost one product of matrices; or
            `joint`, a network of x and y side by side, which every pair passes.
        hidden: the widths of the hidden layers, of each network.
        embedding: the length of g and h.
        similarity: s: `dot`, g'h; `cosine`, g'h / (|g| |h|); `bilinear`, g'W h.
        temperature: the unit of f; `None` learns it, its logarithm with the prior of a bias.
    """

    density: ClassVar[bool] = False
    kind_in_errors: ClassVar[str] = "critic"

    kind: str = eqx.field(static=True)
    hidden: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    embedding: Count = eqx.field(static=True)
    similarity: str = eqx.field(static=True)
    temperature: Positive | None = eqx.field(static=True)

    def __check_init__(self) -> None:
        for name, words in (("kind", KINDS), ("similarity", SIMILARITIES)):
            if getattr(self, name) not in words:
                raise ConfigError(f"{name}: expected one of {', '.join(words)}, but got {getattr(self, name)!r}")

    @property
    def formula(self) -> str:  # type: ignore[override]
        """That of its kind."""
        of_pair = {"dot": "g(x)'h(y)", "cosine": "cos(g(x), h(y))", "bilinear": "g(x)'W h(y)"}[self.similarity]
        f = of_pair if self.kind == "separable" else "network(x, y)"
        return (
            f"E(y; x) = -{f} / temperature, x and y standardised\n"
            "network weights ~ prior / sqrt(inputs of the layer), biases ~ prior"
        )

    def __call__(self, prior: Prior) -> Pairs:
        """Sample the weights, and the temperature where it is learned."""
        return Pairs(self.sampled(prior), self.mean, self.sd, self.dtype, self.given)

    @property
    def fixed(self) -> dict[str, Float[Array, ""]]:
        """The temperature, where it is given."""
        return {} if self.temperature is None else {"log_temperature": jnp.asarray(log(self.temperature))}

    def made(self, key: PRNGKeyArray) -> Critic:
        """A critic that begins as networks do."""
        features = sum(len(moments.mean) for moments in self.given) or 1
        shared: dict[str, Any] = {"activation": self.activation, "dtype": jnp.dtype(self.dtype), "key": key}
        shared["learn_temperature"] = self.temperature is None
        if self.kind == "joint":
            return Joint(features, self.dim or 1, self.hidden, temperature=self.temperature or 1.0, **shared)
        return Separable(
            features,
            self.dim or 1,
            self.hidden,
            embedding=self.embedding,
            similarity=self.similarity,
            temperature=self.temperature or _BEGIN[self.similarity],
            **shared,
        )
