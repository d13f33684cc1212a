"""What an optimiser of point estimates is: one step of one start, on unconstrained coordinates.

Failure is a status, not a NaN: a start that meets an infinite density keeps its last finite point.
"""

import abc
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float

from credo.inference.density import Values
from credo.inference.point.derivatives import LogDensity
from credo.models.binding import BoundModel


class StartState(NamedTuple):
    """One start of the optimiser.

    - **z** - latents by site, unconstrained.
    - **optimiser** - optax's state.
    - **objective** - log density at z, of all rows (of `adam`: as of the last block's end).
    - **gradient**, **gradient_norm** - its gradient, and the largest component of that in absolute value.
    - **steps** - steps so far.
    - **evaluations** - gradients so far.
    - **finite** - False once the density stopped being finite; z is the last point where it was.
    - **rng_key** - for minibatches.
    """

    z: Values
    optimiser: Any
    objective: Array
    gradient: Values
    gradient_norm: Array
    steps: Array
    evaluations: Array
    finite: Array
    rng_key: Array


class Optimiser(eqx.Module):
    """Steps uphill on a log density. A subclass writes `transformation` and `step`."""

    @abc.abstractmethod
    def transformation(self) -> optax.GradientTransformationExtraArgs:
        """Optax's."""

    @abc.abstractmethod
    def step(self, density: LogDensity, rows: tuple[str, ...], program: BoundModel, state: StartState) -> StartState:
        """One more step.

        Args:
            density: what is maximised.
            rows: the arrays of the program that have a row per observation.
            program: the model with its data.
            state: of one start.
        """

    def init(self, z: Values) -> Any:
        """What it carries from step to step, before the first."""
        return self.transformation().init(z)

    @property
    def in_batches(self) -> bool:
        """Whether a step sees some rows only."""
        return False

    def is_finished(self, state: StartState) -> Bool[Array, "*start"]:
        """Whether a start takes no more steps."""
        return ~state.finite

    def at_end(self, density: LogDensity, program: BoundModel, state: StartState) -> StartState:  # noqa: ARG002 - of others
        """The state after a block of steps, its objective that of all rows."""
        return state


def norm(gradient: Values) -> Float[Array, ""]:
    """The largest component in absolute value."""
    return jnp.max(jnp.abs(ravel_pytree(gradient)[0]))


def is_finite(value: Float[Array, ""], gradient: Values) -> Bool[Array, ""]:
    """Whether both are."""
    return jnp.isfinite(value) & jnp.isfinite(norm(gradient))


def converged(tolerance: Any, state: StartState) -> Bool[Array, "*start"]:
    """Whether no component of the gradient is larger than the tolerance, relative to a log density above one."""
    return state.gradient_norm <= tolerance * jnp.maximum(1.0, jnp.abs(state.objective))


def if_finite(finite: Bool[Array, ""], new: StartState, old: StartState) -> StartState:
    """The new state of a step, or the old one where it led nowhere."""
    state = jax.tree.map(partial(jnp.where, finite), new, old)
    return state._replace(steps=old.steps + 1, finite=finite)
