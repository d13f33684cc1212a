"""Restricted Boltzmann machines: binary or real visible units, binary hidden ones, which are summed analytically."""

import dataclasses
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import constraints

from credo.energies.normaliser.exact import Enumerated, Exact
from credo.energies.rbm import BernoulliRbm, GaussianRbm
from credo.energies.rbm import Rbm as Energy
from credo.errors import ConfigError
from credo.models.energies.base import Family, Prior, Uniform
from credo.models.supports import OneOf
from credo.ranges import Count

KINDS = ("bernoulli", "gaussian")
_ENUMERATED = 16
"""Up to so many units of the smaller layer all states are visited."""


class Rbm(Family):
    """F(v) = -log sum_h exp(b.v + c.h + v.W.h), v in {0, 1}; for real v see `energies.rbm`, with sigma = 1.

    Attributes:
        visible: `bernoulli` or `gaussian` units.
        hidden: how many hidden units.
        rates: the means of the visible units on the training rows, at which their biases begin; empty until `fitted`.
        size: how many visible units; 0 until `fitted`, unless it is given.
    """

    formula: ClassVar[str] = "E(v, h) = -(b.v + c.h + v.W.h), h summed out\nW, b, c ~ priors"
    supports: ClassVar[dict[str, Any]] = {
        "weights": (constraints.real,),
        "visible_bias": (constraints.real,),
        "hidden_bias": (constraints.real,),
    }

    visible: str = eqx.field(static=True)
    hidden: Count = eqx.field(static=True)
    size: Count | None = eqx.field(static=True)
    rates: tuple[float, ...] = eqx.field(static=True, default=())

    def __check_init__(self) -> None:
        if self.visible not in KINDS:
            raise ConfigError(f"visible: expected one of {', '.join(KINDS)}, but got {self.visible!r}")

    @property
    def dim(self) -> int | None:
        """The number of visible units."""
        return self.size

    def fitted(self, y: np.ndarray, x: np.ndarray | None, context: np.ndarray | None) -> Self:
        """With as many visible units as y has, and their means."""
        super().fitted(y, x, context)
        return dataclasses.replace(self, size=y.shape[1], rates=tuple(map(float, y.mean(0))))

    def __call__(self, prior: Prior) -> Energy:
        """Sample the machine: `weights` [visible, hidden] and both biases."""
        with numpyro.plate("target", self.dim, dim=-2), numpyro.plate("hidden", self.hidden, dim=-1):
            weights = numpyro.sample("weights", prior["weights"])
        with numpyro.plate("target", self.dim):
            visible_bias = numpyro.sample("visible_bias", prior["visible_bias"])
        with numpyro.plate("hidden", self.hidden):
            hidden_bias = numpyro.sample("hidden_bias", prior["hidden_bias"])
        kind = BernoulliRbm if self.visible == "bernoulli" else GaussianRbm
        return kind(weights, visible_bias, hidden_bias)

    def start(self, key: Array) -> dict[str, Array]:
        """Small weights, and visible biases that make the units' means (Hinton 2012, section 8)."""
        rates = jnp.asarray(self.rates)
        if self.visible == "bernoulli":
            clipped = jnp.clip(rates, 0.01, 0.99)
            rates = jnp.log(clipped) - jnp.log1p(-clipped)
        weights = 0.01 * jax.random.normal(key, (len(self.rates), self.hidden))
        return {"weights": weights, "visible_bias": rates, "hidden_bias": jnp.zeros(self.hidden)}

    @property
    def exact(self) -> Exact | None:
        """Enumeration of the smaller layer, where it is small."""
        fewest = self.hidden if self.visible == "gaussian" else min(self.hidden, self.dim or self.hidden)
        return Enumerated() if fewest <= _ENUMERATED else None

    @property
    def support(self) -> Any:
        """0 or 1 each; or the whole space."""
        one = OneOf(BernoulliRbm.values) if self.visible == "bernoulli" else constraints.real
        return constraints.independent(one, 1)

    @property
    def base(self) -> dist.Distribution:
        """Independent units with the means of the training rows; all alike until then."""
        if self.visible == "gaussian":
            return dist.Normal(np.array(self.rates or (0.0,) * (self.dim or 1)), 1.0).to_event(1)
        if not self.rates:
            return Uniform(BernoulliRbm.values, self.dim or 1)
        return dist.BernoulliProbs(np.clip(np.array(self.rates), 0.01, 0.99)).to_event(1)
