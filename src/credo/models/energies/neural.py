"""Energies that a network computes, of y alone or of y given x: `Neural` and `Conditional`."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpyro.distributions import constraints

from credo.energies.neural import Conditional as ConditionalEnergy
from credo.energies.neural import Neural as Energy
from credo.energies.normaliser.exact import Exact, Integrated
from credo.errors import ConfigError
from credo.models import networks
from credo.models.energies.base import Continuous, Prior
from credo.models.networks import Moments
from credo.networks.film import FiLM
from credo.networks.functional import ACTIVATIONS
from credo.networks.mlp import MLP
from credo.ranges import Count, Positive

CONDITIONINGS = ("concat", "film")
DTYPES = ("float32", "float64")
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


class Neural(Continuous):
    """E(x) = net(u) + |u|^2 / (2 tail^2), u = x in units of the data's standard deviations.

    Attributes:
        hidden: the widths of the hidden layers.
        activation: one of `nets.functional.ACTIVATIONS`.
        residual: whether hidden layers of one width add to their input.
        spectral: whether every matrix is divided by its largest singular value, so that the network's slope is bounded
            (Miyato et al. 2018).
        tail: the width of the Gaussian to which the energy falls off, in standard deviations of the data; `None` for
            none, where there are bounds.
        bounds: (low, high) of each number of a state, or of all, outside of which there is no density.
        dtype: in which the network is computed.
    """

    formula: ClassVar[str] = (
        "E(x) = network(u) + |u|^2 / (2 tail^2), u = (x - mean) / sd\n"
        "network weights ~ prior / sqrt(inputs of the layer), biases ~ prior"
    )
    supports: ClassVar[dict[str, Any]] = {"weight": (constraints.real,), "bias": (constraints.real,)}
    networks: ClassVar[bool] = True

    hidden: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    activation: str = eqx.field(static=True)
    residual: bool = eqx.field(static=True)
    spectral: bool = eqx.field(static=True)
    tail: Positive | None = eqx.field(static=True)
    bounds: tuple[tuple[float, float], ...] | None = eqx.field(static=True, converter=_pairs)
    dtype: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise ConfigError(f"activation: expected one of {', '.join(ACTIVATIONS)}, but got {self.activation!r}")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype: expected one of {', '.join(DTYPES)}, but got {self.dtype!r}")
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

    def fitted(self, y: np.ndarray, x: np.ndarray | None, context: np.ndarray | None) -> Self:
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
        shape = self._shape()
        latents = {name: networks.sample(name, leaf.shape, prior) for name, leaf in networks.named(shape).items()}
        network = networks.filled(shape, networks.cast(latents, self.dtype))
        return self._energy(_bounded(network) if self.spectral else network)

    def start(self, key: Array) -> dict[str, Array]:
        """Weights as networks begin, by site."""
        return networks.latents_of(networks.in_double(self._made(key)))

    @property
    def exact(self) -> Exact | None:
        """An integral in one and two dimensions."""
        if self.dim not in _POINTS:
            return None
        reach = max(_REACH * (self.tail or 1.0), _BEYOND * self.farthest)
        return Integrated(_POINTS[self.dim], self.box, self.mean, self.sd, reach)

    def _energy(self, network: Any) -> Any:
        return Energy(network, self.mean, self.sd, self.tail, self.dtype)

    def _made(self, key: Array) -> Any:
        """A network that begins as networks do."""
        return self._mlp(self.dim or 1, key)

    def _mlp(self, inputs: int, key: Array) -> MLP:
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

    def _shape(self) -> Any:
        return eqx.filter_eval_shape(self._made, jax.random.PRNGKey(0))


class Conditional(Neural):
    """E(y; x, context), an energy of y for each x.

    Attributes:
        conditioning: `concat`: what is given is further inputs; `film`: a second network of the context (of x, where
            there is none) scales and shifts the hidden layers.
        context_hidden: the hidden layers of that network.
        given: moments of the columns of what is given, once it is `fitted`.
    """

    formula: ClassVar[str] = (
        "E(y; x) = network(u, x) + |u|^2 / (2 tail^2), u = (y - mean) / sd\n"
        "network weights ~ prior / sqrt(inputs of the layer), biases ~ prior"
    )
    conditional: ClassVar[bool] = True

    conditioning: str = eqx.field(static=True)
    context_hidden: tuple[Count, ...] = eqx.field(static=True, converter=tuple)
    given: tuple[Moments, ...] = ()

    def __check_init__(self) -> None:
        if self.conditioning not in CONDITIONINGS:
            raise ConfigError(
                f"conditioning: expected one of {', '.join(CONDITIONINGS)}, but got {self.conditioning!r}"
            )
        if self.conditioning == "film" and not self.hidden:
            raise ConfigError("hidden: film modulates hidden layers, but there are none; give it one")

    def fitted(self, y: np.ndarray, x: np.ndarray | None, context: np.ndarray | None) -> Self:
        """With the moments of y and of what is given."""
        if x is None:
            raise ConfigError("data: a conditional energy needs the variable 'x', but the data has none")
        columns = [given for given in (x, context) if given is not None]
        for name, values in zip(("features", "context"), columns, strict=False):
            networks.require_varied(values, f"data.{name}", [f"column {i}" for i in range(values.shape[1])])
        fitted = super().fitted(y, x, context)
        return dataclasses.replace(fitted, given=tuple(Moments(c.mean(0), c.std(0)) for c in columns))

    def _energy(self, network: Any) -> Any:
        film = self.conditioning == "film"
        return ConditionalEnergy(network, self.mean, self.sd, self.tail, self.dtype, self.given, film)

    def _made(self, key: Array) -> Any:
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
