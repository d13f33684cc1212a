"""What an energy is: p(x) = exp(-E(x)) / Z, where Z sums or integrates exp(-E) over all states (LeCun et al. 2006)."""

from abc import abstractmethod
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, Shaped

from credo.energies.path import Heated, Path
from credo.energies.states import States, Wrapped
from credo.errors import ConfigError


class Energy(States):
    """E(x) of one state x [dim], in nats; batches go through `jax.vmap`.

    To write an energy, give `dim` and `__call__`. Everything else has a default: `sweep` with `gibbs = True` makes
    Gibbs sampling possible, `tempered` keeps it possible at other temperatures, `path` gives annealed importance
    sampling a base of its own, and `units` is what enumeration sums over. Every leaf is an array of floating numbers,
    by which E can be differentiated; everything else is static.
    """

    @abstractmethod
    def __call__(self, x: Float[Array, "dim"]) -> Float[Array, ""]:
        """The energy of a state x.

        Raises:
            ConfigError: For an x of another shape.
        """

    @property
    def units(self) -> "Discrete | None":
        """The discrete energy with the same Z that enumeration sums over; `None` where there is none."""
        return None

    def path(self) -> Path | None:
        """The path to this energy from a base of its own kind; `None` where there is none."""
        return None

    def pair_scores(
        self, conditions: tuple[Float[Array, "K ..."], ...], y: Float[Array, "J dim"]
    ) -> Float[Array, "K J"]:
        """-E(y_j; x_i) of all pairs, of conditions x, and states y."""
        return -Given(self, conditions).table(y)

    def batch(self, x: Float[Array, "state dim"]) -> Float[Array, "state"]:
        """The energies of states x."""
        return jax.vmap(self)(x)

    def table(self, x: Float[Array, "node dim"]) -> Float[Array, "*row node"]:
        """The energies at nodes x; of one given conditions, by row."""
        return self.batch(x)

    def check_state(self, x: Shaped[Array, "..."], dim: int | None = None) -> None:
        """Refuse an x that is no single state [dim]."""
        expected = (self.dim if dim is None else dim,)
        if jnp.shape(x) != expected:
            raise ConfigError(
                f"energy: expected a state of shape {expected}, but got {jnp.shape(x)}; batches go through jax.vmap"
            )


class Discrete(Energy):
    """An energy of units that each take one of a few `values`."""

    values: ClassVar[tuple[float, ...]]
    """What a unit can be."""

    @property
    def units(self) -> "Discrete":
        """The energy itself."""
        return self

    def path(self) -> Path:
        """From uniform states, by temperature."""
        return Heated(self)


class Given(Wrapped):
    """A conditional energy E(y; x_i), one row of conditions for each state of a batch.

    The call of `energy` takes a state y [dim] and then the conditions of its row.

    Attributes:
        conditions: what is given, each [row, ...].
    """

    conditions: tuple[Float[Array, "row ..."], ...]

    def row(self, i: Int[Array, ""]) -> "Given":
        """With the conditions of one row."""
        return Given(self.energy, tuple(each[i][None] for each in self.conditions))

    def batch(self, x: Float[Array, "row dim"]) -> Float[Array, "row"]:
        """The energies of a state x for each row."""
        return jax.vmap(self.energy)(x, *self.conditions)

    def table(self, x: Float[Array, "node dim"]) -> Float[Array, "row node"]:
        """The energies of states x, each given each row."""
        return jax.vmap(lambda *given: jax.vmap(lambda y: self.energy(y, *given))(x))(*self.conditions)


def real(numbers: Any) -> Float[Array, "..."]:
    """An array of floating numbers in their own precision; whole numbers get JAX's default one."""
    array = jnp.asarray(numbers)
    return array.astype(jnp.result_type(array, float))


def check_numbers(key: str, numbers: Float[Array, "..."], shape: tuple[int, ...]) -> None:
    """Refuse numbers of another shape; the error names `key`."""
    if numbers.shape != shape:
        raise ConfigError(f"{key}: expected numbers of shape {shape}, but got {numbers.shape}")
