"""Pathfinder as a beginning: of variational fits, and of Markov chains."""

from collections.abc import Generator, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.inference.base import NO_CHECKPOINTER
from credo.inference.calls import Call
from credo.inference.density import Program, Values, potential
from credo.inference.point.optimise import OptimiserLoop
from credo.inference.point.optimiser import StartState
from credo.inference.resumable import resumable
from credo.inference.start import Beginnings
from credo.inference.variational.path import Path
from credo.models.problem import Problem

_DRAWS = 100
"""Draws of each path's distribution, for a metric."""


class Paths(eqx.Module):
    """Paths of L-BFGS, as far as a beginning needs them.

    Attributes:
        starts: how many.
        steps: at most, of each.
        tolerance: of the gradient.
        elbo_draws: for the ELBO at every step.
    """

    starts: int = eqx.field(static=True)
    steps: int = eqx.field(static=True, default=200)
    tolerance: float = 1e-4
    elbo_draws: int = eqx.field(static=True, default=10)

    @property
    def algorithm(self) -> Path:
        """What goes along a path."""
        return Path(self.tolerance, self.steps, self.elbo_draws)

    def log_density(self, program: Program, z: Values) -> Float[Array, ""]:
        """The log joint density in unconstrained space."""
        return -potential(program)(z)

    def loop(self, problem: Problem, key: PRNGKeyArray) -> OptimiserLoop:
        """The way from the starts to the ends, of which nobody hears."""
        return OptimiserLoop(self, problem, key, _Silence())


def beginnings(problem: Problem, key: PRNGKeyArray, count: int) -> Generator[Call, Any, Beginnings]:
    """So many of them.

    Raises:
        RunError: no path begins where the log density is finite.
    """
    path_key, draw_key = jax.random.split(key)
    found = yield from resumable(Paths(count).loop(problem, path_key), NO_CHECKPOINTER)
    drawn: Beginnings = yield Call(_drawn, found.states, jax.random.split(draw_key, count))
    return drawn


@jax.jit
def _drawn(states: StartState, keys: Shaped[Array, "start ..."]) -> Beginnings:
    """Of each path; where it has no distribution, it begins at its end, and its draws are no numbers."""

    def one(state: StartState, key: PRNGKeyArray) -> Beginnings:
        (flat, unravel), normal = ravel_pytree(state.z), state.optimiser.best
        is_found = jnp.isfinite(state.optimiser.elbo)
        drawn = normal.draw(jax.random.normal(key, flat.shape, flat.dtype))[0]
        noise = jax.random.normal(jax.random.fold_in(key, 1), (_DRAWS, flat.size), flat.dtype)
        z = jax.vmap(lambda noise: normal.draw(noise)[0])(noise)
        gradients = jax.vmap(normal.precision)(z - normal.mean)
        return Beginnings(
            unravel(jnp.where(is_found, drawn, flat)),
            jnp.where(is_found, z, jnp.nan),
            jnp.where(is_found, gradients, 0),
        )

    return jax.vmap(one)(states, keys)


class _Silence:
    """A listener to what is short."""

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Nothing."""
