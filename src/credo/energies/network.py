"""What energies have in common whose unknowns are a network's weights."""

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray
from numpyro.distributions import constraints

from credo.energies.model import ContinuousModel, Prior
from credo.errors import ConfigError
from credo.networks import bayesian
from credo.networks.bayesian import Moments
from credo.networks.functional import ACTIVATIONS

DTYPES = ("float32", "float64")


class NetworkModel(ContinuousModel):
    """An energy with a network; a subclass writes `made` and `__call__`.

    Attributes:
        activation: one of `networks.functional.ACTIVATIONS`.
        dtype: in which the network is computed.
    """

    supports: ClassVar[dict[str, Any]] = {"weight": (constraints.real,), "bias": (constraints.real,)}
    networks: ClassVar[bool] = True

    activation: str = eqx.field(kw_only=True, static=True)
    dtype: str = eqx.field(kw_only=True, static=True)

    def __check_init__(self) -> None:
        for name, words in (("activation", ACTIVATIONS), ("dtype", DTYPES)):
            if getattr(self, name) not in words:
                raise ConfigError(f"{name}: expected one of {', '.join(words)}, but got {getattr(self, name)!r}")

    @abstractmethod
    def made(self, key: PRNGKeyArray) -> Any:
        """A network that begins as networks do."""

    @property
    def fixed(self) -> Mapping[str, Float[Array, "..."]]:
        """The weights that are known, by site; they are not sampled."""
        return {}

    def sampled(self, prior: Prior) -> Any:
        """The network, its unknown weights being sampled."""
        shape = eqx.filter_eval_shape(self.made, jax.random.PRNGKey(0))
        latents = {
            name: bayesian.sample(name, leaf.shape, prior)
            for name, leaf in bayesian.named(shape).items()
            if name not in self.fixed
        }
        return bayesian.filled(shape, bayesian.cast(latents | dict(self.fixed), self.dtype))

    def start(self, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:
        """Weights as networks begin, by site."""
        values = bayesian.latents_of(bayesian.in_double(self.made(key)))
        return {name: value for name, value in values.items() if name not in self.fixed}


class ConditionalNetworkModel(NetworkModel):
    """An energy of y given x and perhaps context, of which it takes the moments.

    Attributes:
        given: moments of the columns of what is given, once it is `fitted`.
    """

    conditional: ClassVar[bool] = True
    kind_in_errors: ClassVar[str] = "conditional energy"

    given: tuple[Moments, ...] = eqx.field(default=(), kw_only=True)

    def fitted(
        self,
        y: Float[np.ndarray, "row dim"],
        x: Float[np.ndarray, "row feature"] | None,
        context: Float[np.ndarray, "row context_feature"] | None,
    ) -> Self:
        """With the moments of y and of what is given."""
        if x is None:
            raise ConfigError(f"data: a {self.kind_in_errors} needs the variable 'x', but the data has none")
        columns = [given for given in (x, context) if given is not None]
        for name, values in zip(("features", "context"), columns, strict=False):
            bayesian.require_varied(values, f"data.{name}", [f"column {i}" for i in range(values.shape[1])])
        fitted = super().fitted(y, x, context)
        return dataclasses.replace(fitted, given=tuple(Moments(c.mean(0), c.std(0)) for c in columns))
