"""Paths from a base whose log Z and draws are known to an energy, for annealed importance sampling."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from credo.energies.states import States, Wrapped
from credo.errors import ConfigError


class Path(eqx.Module):
    """Energies E_beta, from a base at beta = 0 to the energy at beta = 1."""

    @abstractmethod
    def at(self, beta: Shaped[Array, ""]) -> States:
        """The energy E_beta."""

    @abstractmethod
    def draws(self, key: PRNGKeyArray, count: int) -> Float[Array, "draw dim"]:
        """Independent draws of the base."""

    @property
    @abstractmethod
    def log_z(self) -> Float[Array, ""]:
        """Log Z of the base."""


class Heated(Path):
    """E_beta = beta E of discrete units; the base is uniform.

    Attributes:
        energy: E; Ising and Potts models stay what they are.
    """

    energy: Any

    def at(self, beta: Shaped[Array, ""]) -> States:
        """The energy at inverse temperature beta."""
        tempered: States = self.energy.tempered(beta)
        return tempered

    def draws(self, key: PRNGKeyArray, count: int) -> Float[Array, "draw dim"]:
        """Each unit with equal probabilities."""
        return jax.random.choice(key, jnp.asarray(self.energy.values, float), (count, self.energy.dim))

    @property
    def log_z(self) -> Float[Array, ""]:
        """Of dim units: dim log(number of values)."""
        return self.energy.dim * jnp.log(jnp.asarray(len(self.energy.values), float))


class Mixed(Wrapped):
    """The energy -(1 - beta) log g(x) + beta E(x).

    Attributes:
        base: g, of event shape [dim].
        beta: [].
    """

    base: Any
    beta: Shaped[Array, ""]

    def row(self, i: Int[Array, ""]) -> "Mixed":
        """The mixed energy of one row."""
        return Mixed(self.energy.row(i), self.base, self.beta)

    def batch(self, x: Float[Array, "state dim"]) -> Float[Array, "state"]:
        """The energies of states x; those of the base at beta = 0, also where E is infinite."""
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

    def at(self, beta: Shaped[Array, ""]) -> Mixed:
        """The mixed energy."""
        return Mixed(self.energy, self.base, jnp.asarray(beta))

    def draws(self, key: PRNGKeyArray, count: int) -> Float[Array, "draw dim"]:
        """Draws of g."""
        return self.base.sample(key, (count,)).astype(float)

    @property
    def log_z(self) -> Float[Array, ""]:
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
    path: Path | None = energy.path()
    if path is not None:
        return path
    raise ConfigError(
        f"evidence.base: {energy.name} has real numbers, for which there is no base by itself; expected a "
        "distribution, but got none; give a normal one with the moments of the data"
    )
