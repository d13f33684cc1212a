"""The energies of many states at once: what samplers and normalisers ask of an energy, and of one that is wrapped."""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Int, PRNGKeyArray, Shaped


class States(eqx.Module):
    """Energies of states [state, dim], in nats; hooks with defaults say what else is known of them."""

    gibbs: ClassVar[bool] = False
    """Whether `sweep` is written: Gibbs sampling is then possible, and `auto` chooses it."""
    values: ClassVar[tuple[float, ...] | None] = None
    """What a discrete unit can be; `None` for real numbers."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """How many numbers a state has."""

    @property
    def name(self) -> str:
        """What an error calls it."""
        return type(self).__name__.removesuffix("Model")

    @abstractmethod
    def batch(self, x: Float[Array, "state dim"]) -> Float[Array, "state"]:
        """The energies of states x."""

    def tempered(self, beta: ArrayLike) -> "States":
        """The energy at an inverse temperature beta [], of the same kind where that lets Gibbs sampling go on."""
        return Scaled(self, jnp.asarray(beta))

    def row(self, i: Int[Array, ""]) -> "States":  # noqa: ARG002 - for those with conditions
        """The energy of the state of row i alone, as a batch of one."""
        return self

    def sweep(
        self, x: Float[Array, "chain dim"], key: PRNGKeyArray, *, backwards: bool = False
    ) -> Float[Array, "chain dim"]:
        """One sweep of Gibbs sampling: every block of units given the others.

        Args:
            x: states.
            key: the randomness.
            backwards: whether the blocks are visited in the other order, where a sweep is not reversible.
        """
        raise NotImplementedError

    def sweeps(
        self, x: Float[Array, "chain dim"], keys: Shaped[Array, "sweep ..."], *, backwards: bool = False
    ) -> Float[Array, "chain dim"]:
        """As many sweeps as there are keys."""
        return lax.scan(lambda x, key: (self.sweep(x, key, backwards=backwards), None), x, keys)[0]


class Wrapped(States):
    """Another energy within a temperature, a path or conditions.

    Attributes:
        energy: what is wrapped.
    """

    energy: Any

    @property
    def dim(self) -> int:
        """How many numbers a state has."""
        dim: int = self.energy.dim
        return dim

    @property
    def name(self) -> str:
        """That of the energy within."""
        name: str = self.energy.name
        return name

    @property
    def values(self) -> tuple[float, ...] | None:  # type: ignore[override]
        """Those of the energy within."""
        values: tuple[float, ...] | None = self.energy.values
        return values


class Scaled(Wrapped):
    """beta E(x).

    Attributes:
        beta: the inverse temperature [].
    """

    beta: Shaped[Array, ""]

    def batch(self, x: Float[Array, "state dim"]) -> Float[Array, "state"]:
        """The energies of states x; 0 at beta = 0, also where E is infinite."""
        return jnp.where(self.beta > 0, self.beta * self.energy.batch(x), 0.0)

    def row(self, i: Int[Array, ""]) -> "Scaled":
        """The energy of one row, scaled."""
        return Scaled(self.energy.row(i), self.beta)


def slopes(energy: States, x: Float[Array, "chain dim"]) -> tuple[Float[Array, "chain"], Float[Array, "chain dim"]]:
    """The energies of states x, and their gradients."""

    def total(x: Float[Array, "chain dim"]) -> tuple[Float[Array, ""], Float[Array, "chain"]]:
        energies = energy.batch(x)
        return energies.sum(), energies

    (_, energies), gradients = jax.value_and_grad(total, has_aux=True)(x)
    return energies, gradients
