"""Energies that a network computes: E(x) = net(u) + |u|^2 / (2 tail^2) with u = (x - mean) / sd.

The quadratic tail makes Z finite over the whole space; within bounds none is needed.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.energies.base import Energy
from credo.energies.model import Prior
from credo.energies.network import ConditionalNetworkModel, NetworkModel
from credo.energies.normaliser.base import Integrated, Normaliser
from credo.errors import ConfigError
from credo.networks.film import FiLM
from credo.networks.mlp import MLP
from credo.ranges import Count, Positive


class Neural(Energy):
    """E(x) of one state x [dim].

    Attributes:
        network: of u [dim] (and, of conditional energies, of what is given), with one output.
        mean: that u is counted from, [dim].
        sd: the unit of u, [dim].
        tail: how wide the Gaussian is that the tail alone would be, in units of u; `None` for no tail.
        dtype: in which the network is computed.
    """

    network: Any
    mean: tuple[float, ...] = eqx.field(static=True)
    sd: tuple[float, ...] = eqx.field(static=True)
    tail: float | None = eqx.field(static=True)
    dtype: str = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """The length of mean."""
        return len(self.mean)

    def __call__(self, x: Float[Array, "dim"]) -> Float[Array, ""]:
        """E(x) of x."""
        self.check_state(x)
        u = self.standard(x)
        return self.of(u, u)

    def standard(self, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch dim"]:
        """The state in units of the data, in the network's precision."""
        return ((x - np.array(self.mean)) / np.array(self.sd)).astype(self.dtype)

    def of(self, u: Float[Array, "dim"], *inputs: Float[Array, "..."]) -> Float[Array, ""]:
        """The network's energy of its inputs, and the tail's of u."""
        energy = jnp.reshape(self.network(*inputs), ())
        return energy if self.tail is None else energy + 0.5 * jnp.square(u / self.tail).sum()


class Conditional(Neural):
    """E(y; x, context): the network sees what is given beside y, or is modulated by it (FiLM, Perez et al. 2018).

    Attributes:
        given: means and standard deviations of each condition's columns.
        film: whether the last condition modulates the network; otherwise it is an input like the others.
    """

    given: tuple[Any, ...]
    film: bool = eqx.field(static=True)

    def __call__(self, y: Float[Array, "dim"], *conditions: Float[Array, "..."]) -> Float[Array, ""]:
        """E of a state y given x [feature] and perhaps context."""
        u = self.standard(y)
        seen = [u, *(m(c).astype(self.dtype) for m, c in zip(self.given, conditions, strict=True))]
        if self.film:
            *inputs, context = seen
            return self.of(u, jnp.concatenate(inputs), context)
        return self.of(u, jnp.concatenate(seen))


CONDITIONINGS = ("concat", "film")
_POINTS = {1: 256, 2: 128}
"""Nodes along each axis with which log Z is integrated during the inference, for each number of dimensions."""
_REACH = 4.5
"""Without bounds the integral reaches so many widths of the tail to each side, and beyond all training rows."""
_BEYOND = 1.25
"""How far beyond: a row where the integral sees nothing could be made as likely as one likes."""


def _pairs(given: Any) -> Any:
    """What is given for `bounds`, hashable; whole numbers as floating ones."""
    if given is None:
        return None
    pairs = [pair if isinstance(pair, Sequence) and not isinstance(pair, str) else (pair,) for pair in given]
    return tuple(tuple(float(end) if isinstance(end, int | float) else end for end in pair) for pair in pairs)


class NeuralModel(NetworkModel):
    """E(x) = net(u) + |u|^2 / (2 tail^2), u = x in units of the data's standard deviations.

    Attributes:
        hidden: the widths of the hidden layers.
        residual: whether hidden layers of one width add to their input.
        spectral: whether every matrix is divided by its largest singular value, so that the network's slope is bounded
            (Miyato et al. 2018).
        tail: the width of the Gaussian to which the energy falls off, in standard deviations of the data; `None` for
            none, where there are bounds.
        bounds: (low, high) of each number of a state, or of all, outside of which there is no density.
    """

    formula: ClassVar[str] = (
        "E(x) = network(u) + |u|^2 / (2 tail^2), u = (x - mean) / sd\n"
        "network weights ~ prior / sqrt(inputs of the layer), biases ~ prior"
    )

    hidden: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    residual: bool = eqx.field(static=True)
    spectral: bool = eqx.field(static=True)
    tail: Positive | None = eqx.field(static=True)
    bounds: tuple[tuple[float, float], ...] | None = eqx.field(static=True, converter=_pairs)

    def __check_init__(self) -> None:
        if self.tail is None and self.bounds is None:
            raise ConfigError(
                "tail: without a tail Z is infinite over the whole space; give it a width, or set energy.bounds"
            )
        for pair in self.bounds or ():
            numbers = len(pair) == 2 and all(isinstance(end, float) for end in pair)
            if not numbers or not pair[0] < pair[1]:
                raise ConfigError(
                    f"bounds: expected pairs low < high of finite numbers, but got {list(self.bounds or ())}"
                )

    def fitted(
        self,
        y: Float[np.ndarray, "row dim"],
        x: Shaped[np.ndarray, "row feature"] | None,
        context: Shaped[np.ndarray, "row context_feature"] | None,
    ) -> Self:
        """With the moments of the rows."""
        if self.bounds is not None and len(self.bounds) not in (1, y.shape[1]):
            raise ConfigError(
                f"energy.bounds: expected one pair, or one for each of {y.shape[1]} numbers, but got {len(self.bounds)}"
            )
        return super().fitted(y, x, context)

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """The bounds of each number."""
        if self.bounds is None:
            return super().box
        return self.bounds if len(self.bounds) == self.dim else self.bounds * (self.dim or 1)

    def __call__(self, prior: Prior) -> Any:
        """Sample the weights."""
        network = self.sampled(prior)
        return self._energy(_bounded(network) if self.spectral else network)

    @property
    def normaliser(self) -> Normaliser | None:
        """An integral in one and two dimensions."""
        if self.dim not in _POINTS:
            return None
        reach = max(_REACH * (self.tail or 1.0), _BEYOND * self.farthest)
        return Integrated(_POINTS[self.dim], self.box, self.mean, self.sd, reach)

    def _energy(self, network: Any) -> Any:
        return Neural(network, self.mean, self.sd, self.tail, self.dtype)

    def made(self, key: PRNGKeyArray) -> Any:
        """A network that begins as networks do."""
        return self._mlp(self.dim or 1, key)

    def _mlp(self, inputs: int, key: PRNGKeyArray) -> MLP:
        return MLP(
            inputs,
            1,
            self.hidden,
            activation=self.activation,
            residual=self.residual,
            dtype=jnp.dtype(self.dtype),
            layer="hidden",
            key=key,
        )


class ConditionalModel(ConditionalNetworkModel, NeuralModel):
    """E(y; x, context), an energy of y for each x.

    Attributes:
        conditioning: `concat`: what is given is further inputs; `film`: a second network of the context (of x, where
            there is none) scales and shifts the hidden layers.
        context_hidden: the hidden layers of that network.
    """

    formula: ClassVar[str] = (
        "E(y; x) = network(u, x) + |u|^2 / (2 tail^2), u = (y - mean) / sd\n"
        "network weights ~ prior / sqrt(inputs of the layer), biases ~ prior"
    )

    conditioning: str = eqx.field(static=True)
    context_hidden: tuple[Count, ...] = eqx.field(static=True, converter=tuple)

    def __check_init__(self) -> None:
        if self.conditioning not in CONDITIONINGS:
            raise ConfigError(
                f"conditioning: expected one of {', '.join(CONDITIONINGS)}, but got {self.conditioning!r}"
            )
        if self.conditioning == "film" and not self.hidden:
            raise ConfigError("hidden: film modulates hidden layers, but there are none; give it one")

    def _energy(self, network: Any) -> Any:
        film = self.conditioning == "film"
        return Conditional(network, self.mean, self.sd, self.tail, self.dtype, self.given, film)

    def made(self, key: PRNGKeyArray) -> Any:
        """A network that begins as networks do."""
        sizes = [len(moments.mean) for moments in self.given]
        if self.conditioning == "concat":
            return self._mlp((self.dim or 1) + sum(sizes), key)
        trunk_key, context_key = jax.random.split(key)
        *inputs, context = sizes
        trunk = self._mlp((self.dim or 1) + sum(inputs), trunk_key)
        make = partial(FiLM, activation=self.activation, dtype=jnp.dtype(self.dtype), key=context_key)
        return make(trunk, context, self.context_hidden)


def _bounded(network: Any) -> Any:
    """The network with every matrix divided by its largest singular value, where that is above 1."""

    def divided(leaf: Any) -> Any:
        if not hasattr(leaf, "ndim") or leaf.ndim != 2:
            return leaf
        return leaf / jnp.maximum(jnp.linalg.norm(leaf, 2), 1.0)

    return jax.tree.map(divided, network)
