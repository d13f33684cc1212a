"""Restricted Boltzmann machines (Smolensky 1986; Hinton 2012): visible v, hidden h in {0, 1}, no edges within a layer.

Bernoulli-Bernoulli, v in {0, 1}:  E(v, h) = -(b.v + c.h + v.W.h).
Gaussian-Bernoulli, v in R^visible: E(v, h) = sum_i (v_i - b_i)^2 / (2 sigma_i^2) - c.h - (v / sigma^2).W.h
(Cho et al. 2011). The machine as an energy is the free energy F(v) = -log sum_h exp(-E(v, h)), which has the same Z.
"""

from abc import abstractmethod
from math import log, pi
from typing import Any, ClassVar

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.nn import softplus

from credo.energies.base import Discrete, Energy, check_numbers, real
from credo.errors import ConfigError


class Rbm(Energy):
    """What both machines share; a machine writes `visible_energy`, `drive`, `hidden_free_energy` and `visible_given`.

    Attributes:
        weights: W [visible, hidden].
        visible_bias: b [visible].
        hidden_bias: c [hidden].
    """

    weights: Array
    visible_bias: Array
    hidden_bias: Array

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
    def visible_energy(self, v: Array) -> Array:
        """E(v, 0) [] of v [visible]."""

    @abstractmethod
    def drive(self, v: Array) -> Array:
        """The logits [hidden] of h = 1 given v [visible]."""

    @abstractmethod
    def hidden_free_energy(self, h: Array) -> Array:
        """-log of the sum, or integral, of exp(-E(v, h)) over all v, [] of h [hidden]."""

    @abstractmethod
    def visible_given(self, h: Array) -> dist.Distribution:
        """P(v | h), of event shape [visible], given h [hidden]."""

    def energy(self, v: Array, h: Array) -> Array:
        """E(v, h) [] of v [visible] and h [hidden]."""
        self.check_state(v)
        self.check_state(h, self.hidden)
        return self.visible_energy(v) - self.drive(v) @ h

    def hidden_given(self, v: Array) -> dist.Distribution:
        """P(h | v), of event shape [hidden], given v [visible]."""
        return dist.Bernoulli(logits=self.drive(v)).to_event(1)

    def free_energy(self, v: Array) -> Array:
        """F(v) = E(v, 0) - sum_j softplus(drive_j(v)), [] of v [visible]."""
        return self.visible_energy(v) - softplus(self.drive(v)).sum()

    def __call__(self, x: Array) -> Array:
        """F(v) [] of the visible units x [visible]."""
        self.check_state(x)
        return self.free_energy(x)


class BernoulliRbm(Rbm, Discrete):
    """E(v, h) = -(b.v + c.h + v.W.h) with v in {0, 1}."""

    values: ClassVar[tuple[float, ...]] = (0.0, 1.0)

    def visible_energy(self, v: Array) -> Array:
        """-b.v."""
        return -self.visible_bias @ v

    def drive(self, v: Array) -> Array:
        """The logits c + v.W."""
        return self.hidden_bias + v @ self.weights

    def hidden_free_energy(self, h: Array) -> Array:
        """-c.h - sum_i softplus(b_i + (W.h)_i)."""
        return -self.hidden_bias @ h - softplus(self.visible_bias + self.weights @ h).sum()

    def visible_given(self, h: Array) -> dist.Distribution:
        """Independent v_i ~ Bernoulli(logit b_i + (W.h)_i)."""
        return dist.Bernoulli(logits=self.visible_bias + self.weights @ h).to_event(1)


class GaussianRbm(Rbm):
    """E(v, h) = sum_i (v_i - b_i)^2 / (2 sigma_i^2) - c.h - (v / sigma^2).W.h with v on the whole line.

    Attributes:
        scale: sigma [visible], the deviation of each visible unit given h, positive.
    """

    scale: Array

    def __init__(self, weights: Any, visible_bias: Any, hidden_bias: Any, scale: Any = 1.0):
        """As `Rbm`, with `scale` [visible] or one number for all.

        Raises:
            ConfigError: As `Rbm`, and for scales of another number than the visible units.
        """
        super().__init__(weights, visible_bias, hidden_bias)
        scale = real(scale)
        self.scale = scale if scale.ndim else jnp.full(self.dim, scale)
        check_numbers("energy.scale", self.scale, (self.dim,))

    def visible_energy(self, v: Array) -> Array:
        """Sum_i (v_i - b_i)^2 / (2 sigma_i^2)."""
        return 0.5 * jnp.square((v - self.visible_bias) / self.scale).sum()

    def drive(self, v: Array) -> Array:
        """The logits c + (v / sigma^2).W."""
        return self.hidden_bias + (v / jnp.square(self.scale)) @ self.weights

    def hidden_free_energy(self, h: Array) -> Array:
        """-c.h - sum_i ((b_i + m_i / 2) m_i / sigma_i^2 + log(2 pi sigma_i^2) / 2) with m = W.h."""
        m = self.weights @ h
        pull = (self.visible_bias + 0.5 * m) * m / jnp.square(self.scale)
        return -self.hidden_bias @ h - (pull + jnp.log(self.scale) + 0.5 * log(2 * pi)).sum()

    def visible_given(self, h: Array) -> dist.Distribution:
        """Independent v_i ~ N(b_i + (W.h)_i, sigma_i^2)."""
        return dist.Normal(self.visible_bias + self.weights @ h, self.scale).to_event(1)


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

    def __call__(self, x: Array) -> Array:
        """The free energy [] of the hidden units x [hidden]."""
        self.check_state(x)
        return self.machine.hidden_free_energy(x)
