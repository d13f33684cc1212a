"""Critics: energies of y given x whose scores tell pairs that belong together from others (`training=infonce`).

van den Oord, A., Li, Y. and Vinyals, O. (2018). Representation learning with contrastive predictive coding.
Poole, B. et al. (2019). On variational bounds of mutual information. ICML; section 3, separable and joint critics.
"""

import dataclasses
from math import log
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpyro.distributions import constraints

from credo.energies import critic as energies
from credo.energies.base import Energy
from credo.errors import ConfigError
from credo.models import networks
from credo.models.energies.base import Continuous, Prior
from credo.models.energies.neural import DTYPES
from credo.models.networks import Moments
from credo.networks.functional import ACTIVATIONS
from credo.ranges import Count, Positive

KINDS = ("separable", "joint")
_BEGIN = {"dot": 1.0, "bilinear": 1.0, "cosine": 0.1}
"""Where a learned temperature begins, by similarity."""
_TEMPERATURE = "log_temperature"


class Pairs(Energy):
    """A critic of y and what is given, both in units of the data.

    Attributes:
        critic: of u [dim] and of what is given [features], standardised.
        mean: that u is counted from, [dim].
        sd: the unit of u, [dim].
        dtype: in which the critic is computed.
        given: means and standard deviations of each condition's columns.
    """

    critic: energies.Critic
    mean: tuple[float, ...] = eqx.field(static=True)
    sd: tuple[float, ...] = eqx.field(static=True)
    dtype: str = eqx.field(static=True)
    given: tuple[Moments, ...]

    @property
    def dim(self) -> int:
        """The length of y."""
        return len(self.mean)

    def __call__(self, y: Array, *conditions: Array) -> Array:
        """E [] of a state y [dim] given x [feature] and perhaps context."""
        self.check_state(y)
        return self.critic(self._standard(y), self._conditions(conditions))

    def scores(self, conditions: tuple[Array, ...], y: Array) -> Array:
        """-E(y_j; x_i) of all pairs, [K, J], of conditions [K, ...] and states y [J, dim]."""
        return self.critic.scores(self._conditions(conditions), self._standard(y))

    def _standard(self, y: Array) -> Array:
        return ((y - np.array(self.mean)) / np.array(self.sd)).astype(self.dtype)

    def _conditions(self, conditions: tuple[Array, ...]) -> Array:
        """What is given side by side, [..., features]."""
        seen = [m(c).astype(self.dtype) for m, c in zip(self.given, conditions, strict=True)]
        return jnp.concatenate(seen, -1)


class Critic(Continuous):
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
        activation: one of `nets.functional.ACTIVATIONS`.
        dtype: in which the networks are computed.
        given: moments of the columns of what is given, once it is `fitted`.
    """

    supports: ClassVar[dict[str, Any]] = {"weight": (constraints.real,), "bias": (constraints.real,)}
    conditional: ClassVar[bool] = True
    networks: ClassVar[bool] = True

    kind: str = eqx.field(static=True)
    hidden: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    embedding: Count = eqx.field(static=True)
    similarity: str = eqx.field(static=True)
    temperature: Positive | None = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    dtype: str = eqx.field(static=True)
    given: tuple[Moments, ...] = ()

    def __check_init__(self) -> None:
        for name, words in (
            ("kind", KINDS),
            ("similarity", energies.SIMILARITIES),
            ("activation", ACTIVATIONS),
            ("dtype", DTYPES),
        ):
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

    def fitted(self, y: np.ndarray, x: np.ndarray | None, context: np.ndarray | None) -> Self:
        """With the moments of y and of what is given."""
        if x is None:
            raise ConfigError("data: a critic needs the variable 'x', but the data has none")
        columns = [given for given in (x, context) if given is not None]
        for name, values in zip(("features", "context"), columns, strict=False):
            networks.require_varied(values, f"data.{name}", [f"column {i}" for i in range(values.shape[1])])
        fitted = super().fitted(y, x, context)
        return dataclasses.replace(fitted, given=tuple(Moments(c.mean(0), c.std(0)) for c in columns))

    def __call__(self, prior: Prior) -> Pairs:
        """Sample the weights, and the temperature where it is learned."""
        shape = eqx.filter_eval_shape(self._made, jax.random.PRNGKey(0))
        latents = {
            name: networks.sample(name, leaf.shape, prior)
            for name, leaf in networks.named(shape).items()
            if not self._is_fixed(name)
        }
        if self.temperature is not None:
            latents[_TEMPERATURE] = jnp.asarray(log(self.temperature))
        critic = networks.filled(shape, networks.cast(latents, self.dtype))
        return Pairs(critic, self.mean, self.sd, self.dtype, self.given)

    def start(self, key: Array) -> dict[str, Array]:
        """Weights as networks begin, by site."""
        begun = networks.latents_of(networks.in_double(self._made(key)))
        return {name: value for name, value in begun.items() if not self._is_fixed(name)}

    def _is_fixed(self, name: str) -> bool:
        return name == _TEMPERATURE and self.temperature is not None

    def _made(self, key: Array) -> energies.Critic:
        """A critic that begins as networks do."""
        features = sum(len(moments.mean) for moments in self.given) or 1
        shared: dict[str, Any] = {"activation": self.activation, "dtype": jnp.dtype(self.dtype), "key": key}
        shared["learn_temperature"] = self.temperature is None
        if self.kind == "joint":
            return energies.Joint(features, self.dim or 1, self.hidden, temperature=self.temperature or 1.0, **shared)
        return energies.Separable(
            features,
            self.dim or 1,
            self.hidden,
            embedding=self.embedding,
            similarity=self.similarity,
            temperature=self.temperature or _BEGIN[self.similarity],
            **shared,
        )
