"""Feature-wise linear modulation: a second network scales and shifts every layer of the first (Perez et al. 2018)."""

from collections.abc import Sequence
from typing import Protocol

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float, PRNGKeyArray

from credo.errors import ConfigError
from credo.networks.mlp import MLP, Films


class Trunk(Protocol):
    """A network that can be modulated."""

    @property
    def sites(self) -> tuple[int, ...]:
        """The features or channels of each layer that FiLM modulates."""

    def __call__(self, x: Float[Array, "..."], films: Films = ()) -> Float[Array, "..."]:
        """The output for x, its layers modulated by `films`."""


class FiLM(eqx.Module):
    """FiLM(x_i) = gamma_i x_i + beta_i in each layer of a trunk, where (gamma - 1, beta) is a network of the context.

    The last layer of that network begins at zero. So gamma begins at exactly 1 and beta at 0, and the output with FiLM
    equals the trunk's own to the bit.

    Example:
        >>> import jax
        >>> trunk = MLP(inputs=2, outputs=1, widths=[8], key=jax.random.key(0))
        >>> network = FiLM(trunk, inputs=4, widths=[8], key=jax.random.key(1))
        >>> bool(network(jnp.ones(2), jnp.ones(4)) == trunk(jnp.ones(2)))
        True

    Attributes:
        trunk: `MLP`, `Encoder` or `UNet`.
        context: The network that makes gamma and beta.
    """

    trunk: Trunk
    context: MLP

    def __init__(
        self,
        trunk: Trunk,
        inputs: int,
        widths: Sequence[int],
        *,
        activation: str = "mish",
        dtype: DTypeLike = jnp.float32,
        key: PRNGKeyArray,
    ):
        """Condition a trunk on `inputs` numbers, by hidden layers of `widths` features.

        Raises:
            ConfigError: As `MLP` does, and where the trunk has no layer that could be modulated.
        """
        if not trunk.sites:
            raise ConfigError("film: the trunk has no hidden layer that could be modulated; give it one")
        shifts = 2 * sum(trunk.sites)
        context = MLP(inputs, shifts, widths, activation=activation, dtype=dtype, layer="film.context", key=key)
        zeros = [jnp.zeros_like(context.head.weight), jnp.zeros(shifts, dtype)]
        self.trunk = trunk
        self.context = eqx.tree_at(lambda mlp: [mlp.head.weight, mlp.head.bias], context, zeros)

    def films(self, context: Float[Array, "inputs"]) -> Films:
        """(gamma, beta) for each layer of the trunk, given the context."""
        ends = np.cumsum(self.trunk.sites)[:-1]
        gammas, betas = (jnp.split(part, ends) for part in jnp.split(self.context(context), 2))
        return [(1 + gamma, beta) for gamma, beta in zip(gammas, betas, strict=True)]

    def __call__(self, x: Float[Array, "..."], context: Float[Array, "inputs"]) -> Float[Array, "..."]:
        """The trunk's output for x, given the context."""
        return self.trunk(x, self.films(context))
