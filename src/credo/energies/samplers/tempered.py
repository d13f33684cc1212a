"""Energies at an inverse temperature, as members of their own kind where they have one, so that Gibbs can move them."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from credo.energies.ising import Ising
from credo.energies.potts import Potts
from credo.energies.rbm import GaussianRbm, Rbm


class Scaled(eqx.Module):
    """beta E(x).

    Attributes:
        energy: E, or a conditional energy of many rows.
        beta: the inverse temperature [].
    """

    energy: Any
    beta: Array

    @property
    def dim(self) -> int:
        """How many numbers a state has."""
        dim: int = self.energy.dim
        return dim

    def batch(self, x: Array) -> Array:
        """The energies [state] of states x [state, dim]; 0 at beta = 0, also where E is infinite."""
        return jnp.where(self.beta > 0, self.beta * self.energy.batch(x), 0.0)


def tempered(energy: Any, beta: ArrayLike) -> Any:
    """The energy at an inverse temperature beta.

    Of an RBM it is the joint energy E(v, h) that is multiplied by beta: the result is again an RBM. Of all others,
    E(x).
    """
    beta = jnp.asarray(beta)
    if isinstance(energy, Ising | Potts):
        return eqx.tree_at(lambda e: e.inverse_temperature, energy, beta * energy.inverse_temperature)
    if isinstance(energy, GaussianRbm):
        new = energy.scale / jnp.sqrt(beta), beta * energy.hidden_bias
        return eqx.tree_at(lambda e: [e.scale, e.hidden_bias], energy, new)
    if isinstance(energy, Rbm):
        leaves = energy.weights, energy.visible_bias, energy.hidden_bias
        return eqx.tree_at(
            lambda e: [e.weights, e.visible_bias, e.hidden_bias], energy, [beta * leaf for leaf in leaves]
        )
    return Scaled(energy, beta)
