"""Paths from a base whose log Z and draws are known to an energy, for annealed importance sampling."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.nn import softplus

from credo.energies.base import Discrete
from credo.energies.rbm import Rbm
from credo.energies.samplers.base import name_of
from credo.energies.samplers.tempered import tempered
from credo.errors import ConfigError


class Path(eqx.Module):
    """Energies E_beta, from a base at beta = 0 to the energy at beta = 1."""

    @abstractmethod
    def at(self, beta: Array) -> Any:
        """The energy E_beta, with a `dim` and a `batch`."""

    @abstractmethod
    def draws(self, key: Array, count: int) -> Array:
        """Independent draws of the base, [draw, dim]."""

    @property
    @abstractmethod
    def log_z(self) -> Array:
        """Log Z of the base, []."""


class Heated(Path):
    """E_beta = beta E of discrete units; the base is uniform.

    Attributes:
        energy: E; Ising and Potts models stay what they are.
    """

    energy: Discrete

    def at(self, beta: Array) -> Any:
        """The energy at inverse temperature beta."""
        return tempered(self.energy, beta)

    def draws(self, key: Array, count: int) -> Array:
        """Each unit with equal probabilities."""
        return jax.random.choice(key, jnp.asarray(self.energy.values, float), (count, self.energy.dim))

    @property
    def log_z(self) -> Array:
        """Of dim units: dim log(number of values)."""
        return self.energy.dim * jnp.log(jnp.asarray(len(self.energy.values), float))


class Uncoupled(Path):
    """The RBM of weights beta W (Salakhutdinov & Murray 2008); the base has no weights.

    Attributes:
        machine: The machine at beta = 1.
    """

    machine: Rbm

    def at(self, beta: Array) -> Rbm:
        """The machine of weights beta W."""
        return eqx.tree_at(lambda machine: machine.weights, self.machine, beta * self.machine.weights)

    def draws(self, key: Array, count: int) -> Array:
        """The visible units by their biases."""
        given: Any = self.at(jnp.zeros(())).visible_given(jnp.zeros(self.machine.hidden))
        return given.sample(key, (count,)).astype(self.machine.weights.dtype)

    @property
    def log_z(self) -> Array:
        """Both layers by themselves."""
        alone = self.at(jnp.zeros(())).hidden_free_energy(jnp.zeros(self.machine.hidden))
        return softplus(self.machine.hidden_bias).sum() - alone


class Mixed(eqx.Module):
    """The energy -(1 - beta) log g(x) + beta E(x).

    Attributes:
        energy: E.
        base: g, of event shape [dim].
        beta: [].
    """

    energy: Any
    base: Any
    beta: Array

    @property
    def dim(self) -> int:
        """How many numbers a state has."""
        dim: int = self.energy.dim
        return dim

    def batch(self, x: Array) -> Array:
        """The energies [state] of states x [state, dim]; those of the base at beta = 0, also where E is infinite."""
        energies = jnp.where(self.beta > 0, self.beta * self.energy.batch(x), 0.0)
        return jnp.where(self.beta < 1, energies - (1 - self.beta) * self.base.log_prob(x), energies)


class Geometric(Path):
    """p_beta in proportion to g^(1 - beta) exp(-beta E) of any energy.

    Attributes:
        energy: E.
        base: g, a distribution of event shape [dim] of the same kind of states, at least as wide as exp(-E).
    """

    energy: Any
    base: Any

    def at(self, beta: Array) -> Mixed:
        """The mixed energy."""
        return Mixed(self.energy, self.base, jnp.asarray(beta))

    def draws(self, key: Array, count: int) -> Array:
        """Draws of g."""
        return self.base.sample(key, (count,)).astype(float)

    @property
    def log_z(self) -> Array:
        """None: g is normalised."""
        return jnp.zeros(())


def to(energy: Any, base: dist.Distribution | None = None) -> Path:
    """The path to an energy from `base`; without one, that of its own kind, on which Gibbs sampling goes.

    Raises:
        ConfigError: For an energy of real numbers without a base, and a base of states of another dimension.
    """
    if base is not None:
        if base.event_shape != (energy.dim,):
            raise ConfigError(
                f"evidence.base: expected a distribution of states of shape ({energy.dim},), but got {base.event_shape}"
            )
        return Geometric(energy, base)
    if isinstance(energy, Rbm):
        return Uncoupled(energy)
    if isinstance(energy, Discrete):
        return Heated(energy)
    raise ConfigError(
        f"evidence.base: {name_of(energy)} has real numbers, for which there is no base by itself; expected a "
        "distribution, but got none; give a normal one with the moments of the data"
    )
