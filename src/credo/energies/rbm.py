"""Restricted Boltzmann machines (Smolensky 1986; Hinton 2012): visible v, hidden h in {0, 1}, no edges within a layer.

Bernoulli-Bernoulli, v in {0, 1}:  E(v, h) = -(b.v + c.h + v.W.h).
Gaussian-Bernoulli, v in R^visible: E(v, h) = sum_i (v_i - b_i)^2 / (2 sigma_i^2) - c.h - (v / sigma^2).W.h
(Cho et al. 2011). The machine as an energy is the free energy F(v) = -log sum_h exp(-E(v, h)), which has the same Z.
"""

import dataclasses
from abc import abstractmethod
from math import log, pi
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from jax.nn import sigmoid, softplus
from jax.typing import ArrayLike
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo.energies.base import Discrete, Energy, check_numbers, real
from credo.energies.model import EnergyModel, Prior
from credo.energies.normaliser.base import Enumerated, Normaliser
from credo.energies.path import Path
from credo.energies.uniforms import uniforms
from credo.energies.units import OneOf, Uniform
from credo.errors import ConfigError
from credo.ranges import Count


class Rbm(Energy):
    """What both machines share; a machine writes `visible_energy`, `drive`, `hidden_free_energy` and `visible_given`.

    Attributes:
        weights: W [visible, hidden].
        visible_bias: b [visible].
        hidden_bias: c [hidden].
    """

    gibbs: ClassVar[bool] = True

    weights: Float[Array, "visible hidden"]
    visible_bias: Float[Array, "visible"]
    hidden_bias: Float[Array, "hidden"]

    def __init__(self, weights: Any, visible_bias: Any, hidden_bias: Any):
        """A machine of `weights` [visible, hidden] and the biases of its layers.

        Raises:
            ConfigError: For weights that are no matrix, and biases of another length than their layer.
        """
        self.weights, self.visible_bias, self.hidden_bias = real(weights), real(visible_bias), real(hidden_bias)
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise ConfigError(f"energy.weights: expected a matrix [visible, hidden], but got {self.weights.shape}")
        check_numbers("energy.visible_bias", self.visible_bias, self.weights.shape[:1])
        check_numbers("energy.hidden_bias", self.hidden_bias, self.weights.shape[1:])

    @property
    def dim(self) -> int:
        """The number of visible units."""
        return self.weights.shape[0]

    @property
    def hidden(self) -> int:
        """The number of hidden units."""
        return self.weights.shape[1]

    @abstractmethod
    def visible_energy(self, v: Float[Array, "visible"]) -> Float[Array, ""]:
        """E(v, 0) of v."""

    @abstractmethod
    def drive(self, v: Float[Array, "*chain visible"]) -> Float[Array, "*chain hidden"]:
        """The logits [hidden] of h = 1 given v [visible]."""

    @abstractmethod
    def hidden_free_energy(self, h: Float[Array, "hidden"]) -> Float[Array, ""]:
        """-log of the sum, or integral, of exp(-E(v, h)) over all v."""

    @abstractmethod
    def visible_draws(
        self, mean: Float[Array, "chain visible"], key: PRNGKeyArray, dtype: Any
    ) -> Float[Array, "chain visible"]:
        """Visible units with these means given h."""

    @abstractmethod
    def visible_given(self, h: Float[Array, "hidden"]) -> dist.Distribution:
        """P(v | h), of event shape [visible], given h."""

    def energy(self, v: Float[Array, "visible"], h: Float[Array, "hidden"]) -> Float[Array, ""]:
        """E(v, h) of v and h."""
        self.check_state(v)
        self.check_state(h, self.hidden)
        return self.visible_energy(v) - self.drive(v) @ h

    @property
    def units(self) -> Discrete | None:
        """The hidden units."""
        return HiddenUnits(self)

    def path(self) -> Path:
        """From the machine without weights."""
        return Uncoupled(self)

    def sweep(
        self,
        x: Float[Array, "chain visible"],
        key: PRNGKeyArray,
        *,
        backwards: bool = False,  # noqa: ARG002 - it is reversible
    ) -> Float[Array, "chain visible"]:
        """New visible units, by way of hidden ones [chain, hidden]."""
        hidden_key, visible_key = jax.random.split(key)
        h = (uniforms(hidden_key, (len(x), self.hidden), x.dtype) < sigmoid(self.drive(x))).astype(x.dtype)
        return self.visible_draws(jax.vmap(lambda h: self.visible_given(h).mean)(h), visible_key, x.dtype)

    def free_energy(self, v: Float[Array, "visible"]) -> Float[Array, ""]:
        """F(v) = E(v, 0) - sum_j softplus(drive_j(v))."""
        return self.visible_energy(v) - softplus(self.drive(v)).sum()

    def __call__(self, x: Float[Array, "visible"]) -> Float[Array, ""]:
        """F(v) of the visible units x."""
        self.check_state(x)
        return self.free_energy(x)


class BernoulliRbm(Rbm, Discrete):
    """E(v, h) = -(b.v + c.h + v.W.h) with v in {0, 1}.

    Example:
        Without weights each hidden unit adds log 2.

        >>> free = BernoulliRbm(jnp.zeros((3, 2)), jnp.ones(3), jnp.zeros(2))
        >>> round(float(free(jnp.array([1.0, 1.0, 0.0]))), 4)
        -3.3863
    """

    values: ClassVar[tuple[float, ...]] = (0.0, 1.0)

    def visible_energy(self, v: Float[Array, "visible"]) -> Float[Array, ""]:
        """-b.v."""
        return -self.visible_bias @ v

    def drive(self, v: Float[Array, "*chain visible"]) -> Float[Array, "*chain hidden"]:
        """The logits c + v.W."""
        return self.hidden_bias + v @ self.weights

    def hidden_free_energy(self, h: Float[Array, "hidden"]) -> Float[Array, ""]:
        """-c.h - sum_i softplus(b_i + (W.h)_i)."""
        return -self.hidden_bias @ h - softplus(self.visible_bias + self.weights @ h).sum()

    def visible_given(self, h: Float[Array, "hidden"]) -> dist.Distribution:
        """Independent v_i ~ Bernoulli(logit b_i + (W.h)_i)."""
        return dist.Bernoulli(logits=self.visible_bias + self.weights @ h).to_event(1)

    def visible_draws(
        self, mean: Float[Array, "chain visible"], key: PRNGKeyArray, dtype: Any
    ) -> Float[Array, "chain visible"]:
        """Each 1 by its mean."""
        return (uniforms(key, mean.shape, dtype) < mean).astype(dtype)

    def tempered(self, beta: ArrayLike) -> "BernoulliRbm":
        """The machine whose joint energy E(v, h) is multiplied by beta."""
        leaves = self.weights, self.visible_bias, self.hidden_bias
        scaled = [jnp.asarray(beta) * leaf for leaf in leaves]
        return eqx.tree_at(lambda e: [e.weights, e.visible_bias, e.hidden_bias], self, scaled)

    @property
    def units(self) -> Discrete:
        """The smaller layer."""
        return HiddenUnits(self) if self.hidden < self.dim else self


class GaussianRbm(Rbm):
    """E(v, h) = sum_i (v_i - b_i)^2 / (2 sigma_i^2) - c.h - (v / sigma^2).W.h with v on the whole line.

    Attributes:
        scale: sigma [visible], the deviation of each visible unit given h, positive.
    """

    scale: Float[Array, "visible"]

    def __init__(self, weights: Any, visible_bias: Any, hidden_bias: Any, scale: Any = 1.0):
        """As `Rbm`, with `scale` [visible] or one number for all.

        Raises:
            ConfigError: As `Rbm`, and for scales of another number than the visible units.
        """
        super().__init__(weights, visible_bias, hidden_bias)
        scale = real(scale)
        self.scale = scale if scale.ndim else jnp.full(self.dim, scale)
        check_numbers("energy.scale", self.scale, (self.dim,))

    def visible_energy(self, v: Float[Array, "visible"]) -> Float[Array, ""]:
        """Sum_i (v_i - b_i)^2 / (2 sigma_i^2)."""
        return 0.5 * jnp.square((v - self.visible_bias) / self.scale).sum()

    def drive(self, v: Float[Array, "*chain visible"]) -> Float[Array, "*chain hidden"]:
        """The logits c + (v / sigma^2).W."""
        return self.hidden_bias + (v / jnp.square(self.scale)) @ self.weights

    def hidden_free_energy(self, h: Float[Array, "hidden"]) -> Float[Array, ""]:
        """-c.h - sum_i ((b_i + m_i / 2) m_i / sigma_i^2 + log(2 pi sigma_i^2) / 2) with m = W.h."""
        m = self.weights @ h
        pull = (self.visible_bias + 0.5 * m) * m / jnp.square(self.scale)
        return -self.hidden_bias @ h - (pull + jnp.log(self.scale) + 0.5 * log(2 * pi)).sum()

    def visible_given(self, h: Float[Array, "hidden"]) -> dist.Distribution:
        """Independent v_i ~ N(b_i + (W.h)_i, sigma_i^2)."""
        return dist.Normal(self.visible_bias + self.weights @ h, self.scale).to_event(1)

    def visible_draws(
        self, mean: Float[Array, "chain visible"], key: PRNGKeyArray, dtype: Any
    ) -> Float[Array, "chain visible"]:
        """Normal about the means."""
        return (mean + self.scale * jax.random.normal(key, mean.shape, dtype)).astype(dtype)

    def tempered(self, beta: ArrayLike) -> "GaussianRbm":
        """The machine whose joint energy E(v, h) is multiplied by beta."""
        beta = jnp.asarray(beta)
        new = self.scale / jnp.sqrt(beta), beta * self.hidden_bias
        return eqx.tree_at(lambda e: [e.scale, e.hidden_bias], self, new)


class HiddenUnits(Discrete):
    """A machine seen from its hidden units: -log sum_v exp(-E(v, h)) of h [hidden], with the same Z.

    Attributes:
        machine: The machine whose visible units are summed out.
    """

    values: ClassVar[tuple[float, ...]] = (0.0, 1.0)

    machine: Rbm

    @property
    def dim(self) -> int:
        """The number of hidden units."""
        return self.machine.hidden

    def __call__(self, x: Float[Array, "hidden"]) -> Float[Array, ""]:
        """The free energy of the hidden units x."""
        self.check_state(x)
        return self.machine.hidden_free_energy(x)


class Uncoupled(Path):
    """The RBM of weights beta W (Salakhutdinov & Murray 2008); the base has no weights.

    Attributes:
        machine: The machine at beta = 1.
    """

    machine: Rbm

    def at(self, beta: Shaped[Array, ""]) -> Rbm:
        """The machine of weights beta W."""
        return eqx.tree_at(lambda machine: machine.weights, self.machine, beta * self.machine.weights)

    def draws(self, key: PRNGKeyArray, count: int) -> Float[Array, "draw visible"]:
        """The visible units by their biases."""
        given: Any = self.at(jnp.zeros(())).visible_given(jnp.zeros(self.machine.hidden))
        return given.sample(key, (count,)).astype(self.machine.weights.dtype)

    @property
    def log_z(self) -> Float[Array, ""]:
        """Both layers by themselves."""
        alone = self.at(jnp.zeros(())).hidden_free_energy(jnp.zeros(self.machine.hidden))
        return softplus(self.machine.hidden_bias).sum() - alone


KINDS = ("bernoulli", "gaussian")
_ENUMERATED = 16
"""Up to so many units of the smaller layer all states are visited."""


class RbmModel(EnergyModel):
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

    def fitted(
        self,
        y: Float[np.ndarray, "row dim"],
        x: Shaped[np.ndarray, "row feature"] | None,
        context: Shaped[np.ndarray, "row context_feature"] | None,
    ) -> Self:
        """With as many visible units as y has, and their means."""
        super().fitted(y, x, context)
        return dataclasses.replace(self, size=y.shape[1], rates=tuple(map(float, y.mean(0))))

    def __call__(self, prior: Prior) -> Rbm:
        """Sample the machine: `weights` [visible, hidden] and both biases."""
        with numpyro.plate("target", self.dim, dim=-2), numpyro.plate("hidden", self.hidden, dim=-1):
            weights = numpyro.sample("weights", prior["weights"])
        with numpyro.plate("target", self.dim):
            visible_bias = numpyro.sample("visible_bias", prior["visible_bias"])
        with numpyro.plate("hidden", self.hidden):
            hidden_bias = numpyro.sample("hidden_bias", prior["hidden_bias"])
        kind = BernoulliRbm if self.visible == "bernoulli" else GaussianRbm
        return kind(weights, visible_bias, hidden_bias)

    def start(self, key: PRNGKeyArray) -> dict[str, Float[Array, "..."]]:
        """Small weights, and visible biases that make the units' means (Hinton 2012, section 8)."""
        rates = jnp.asarray(self.rates)
        if self.visible == "bernoulli":
            clipped = jnp.clip(rates, 0.01, 0.99)
            rates = jnp.log(clipped) - jnp.log1p(-clipped)
        weights = 0.01 * jax.random.normal(key, (len(self.rates), self.hidden))
        return {"weights": weights, "visible_bias": rates, "hidden_bias": jnp.zeros(self.hidden)}

    @property
    def normaliser(self) -> Normaliser | None:
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
