"""L-BFGS (Liu & Nocedal 1989) with a zoom line search, on all data."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Bool

from credo.inference.density import Values
from credo.inference.point.derivatives import LogDensity
from credo.inference.point.optimiser import Optimiser, StartState, converged, if_finite, is_finite, norm
from credo.models.binding import BoundModel


class Lbfgs(Optimiser):
    """Optax's L-BFGS.

    Attributes:
        tolerance: of the gradient, by which a start has converged.
    """

    tolerance: Any

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        """With optax's line search."""
        return optax.lbfgs()

    def is_finished(self, state: StartState) -> Bool[Array, "*start"]:
        """A start that has converged takes no more steps."""
        return ~state.finite | converged(self.tolerance, state)

    def step(self, density: LogDensity, rows: tuple[str, ...], program: BoundModel, state: StartState) -> StartState:  # noqa: ARG002 - all of them
        """One step along the quasi-Newton direction; the line search has the value and gradient where it ends."""

        def loss(z: Values) -> Array:
            return -density.log_density(program, z)

        downhill = jax.tree.map(jnp.negative, state.gradient)
        updates, optimiser = self.transformation().update(
            downhill, state.optimiser, state.z, value=-state.objective, grad=downhill, value_fn=loss
        )
        objective = -optax.tree.get(optimiser, "value")
        gradient = jax.tree.map(jnp.negative, optax.tree.get(optimiser, "grad"))
        tried = optax.tree.get(optimiser, "info").num_linesearch_steps
        new = state._replace(
            z=optax.apply_updates(state.z, updates),
            optimiser=optimiser,
            objective=objective,
            gradient=gradient,
            gradient_norm=norm(gradient),
        )
        stepped = if_finite(is_finite(objective, gradient), new, state)
        return stepped._replace(evaluations=state.evaluations + tried)
