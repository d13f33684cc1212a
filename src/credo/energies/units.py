"""Discrete units: the support of one of a few numbers, and the uniform distribution over all states."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints
from numpyro.distributions.constraints import Constraint


class OneOf(Constraint):
    """One of a few numbers."""

    is_discrete = True

    def __init__(self, values: tuple[float, ...]) -> None:
        self.values = values

    @property
    def description(self) -> str:
        """In words."""
        return f"one of {', '.join(f'{value:g}' for value in self.values)}"

    def __call__(self, x: Any) -> Any:
        """Whether it is."""
        return jnp.isin(x, jnp.asarray(self.values))

    def feasible_like(self, prototype: Any) -> Any:
        """The first of them."""
        return jnp.full_like(prototype, self.values[0])

    def tree_flatten(self) -> Any:
        """Nothing that is a number of the program."""
        return (), ((), {"values": self.values})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OneOf) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)


class Uniform(dist.Distribution):
    """Independent units, each uniform over `values`; event shape [dim]."""

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_aux_fields = ("values", "dim")

    def __init__(self, values: tuple[float, ...], dim: int) -> None:
        self.values, self.dim = values, dim
        super().__init__((), (dim,))

    @property
    def support(self) -> Any:
        """One of the values, each."""
        return constraints.independent(OneOf(self.values), 1)

    def log_prob(self, value: Shaped[Array, "*batch dim"]) -> Float[Array, "*batch"]:
        """The same of all states."""
        return jnp.full(value.shape[:-1], -self.dim * np.log(len(self.values)))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "*sample dim"]:
        """Independent draws."""
        return jax.random.choice(key, jnp.asarray(self.values), (*sample_shape, self.dim))
