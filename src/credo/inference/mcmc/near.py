"""What chains take from finished ones of a like problem: where those are, their shape, and their step size."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import PRNGKeyArray, Shaped

from credo.inference.density import Values, potential
from credo.inference.start import Beginnings
from credo.models.binding import BoundModel

_DRAWS = 1000
"""Draws of all chains together from which the metric is learned."""

_SHARE, _LEAST = 5, 100
"""The warm-up is so many times shorter, but not shorter than this."""


class Near(NamedTuple):
    """Chains of a problem of which this one differs in numbers.

    - **draws** - their draws by site [chain, draw, ...], unconstrained.
    - **step_size** - with which they ended; 0 where it is not known.
    """

    draws: dict[str, Shaped[np.ndarray, "chain draw ..."]]
    step_size: float

    def beginnings(self, program: BoundModel, chains: int, key: PRNGKeyArray) -> Beginnings:
        """Where so many chains begin, and draws with the gradients of this problem there.

        Each chain begins at a random draw of a part of the draws that is its own.
        """
        first = next(iter(self.draws.values()))
        total = first.shape[0] * first.shape[1]
        own = max(total // chains, 1)
        starts = np.asarray(jax.random.randint(key, (chains,), 0, own)) + own * np.arange(chains)
        flat = {name: values.reshape(total, *values.shape[2:]) for name, values in self.draws.items()}
        step = max(own // max(_DRAWS // chains, 1), 1)
        some = np.minimum(own * np.arange(chains)[:, None] + np.arange(0, own, step), total - 1)
        z, gradients = _with_gradients(program, {name: values[some] for name, values in flat.items()})
        points = {name: jnp.asarray(values[np.minimum(starts, total - 1)]) for name, values in flat.items()}
        return Beginnings(points, z, gradients)


def shortened(warmup: int) -> int:
    """The draws of the warm-up that chains need which begin so."""
    return min(warmup, max(warmup // _SHARE, _LEAST))


@jax.jit
def _with_gradients(program: BoundModel, draws: Values) -> tuple[Array, Array]:
    """The draws [chain, draw, dim], flat, and the gradients of the potential there."""

    def one(z: Values) -> tuple[Array, Array]:
        return ravel_pytree(z)[0], ravel_pytree(jax.grad(potential(program))(z))[0]

    z, gradients = jax.lax.map(jax.vmap(one), draws)
    return z, gradients
