"""Adam (Kingma & Ba 2015), whose steps may see minibatches of rows; its learning rate decays to zero by a cosine."""

from typing import Any

import equinox as eqx
import jax
import optax
from jax import Array

from credo.inference.density import Values
from credo.inference.point import batches
from credo.inference.point.derivatives import LogDensity
from credo.inference.point.optimiser import Optimiser, StartState, if_finite, is_finite, norm
from credo.models.binding import BoundModel


class Adam(Optimiser):
    """Optax's Adam.

    Attributes:
        learning_rate: at the start.
        steps: in which it decays to zero; a start takes them all.
        batch_size: rows per step; `None` for all.
    """

    learning_rate: Any
    steps: int = eqx.field(static=True)
    batch_size: int | None = eqx.field(static=True)

    @property
    def in_batches(self) -> bool:
        """Where there is a batch size."""
        return self.batch_size is not None

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        """With the schedule."""
        schedule = optax.cosine_decay_schedule(self.learning_rate, self.steps)
        return optax.with_extra_args_support(optax.adam(schedule))

    def step(self, density: LogDensity, rows: tuple[str, ...], program: BoundModel, state: StartState) -> StartState:
        """One step along the gradient of some rows."""
        key, batch_key = jax.random.split(state.rng_key)
        seen = batches.draw(self.batch_size, rows, program, batch_key)

        def loss(z: Values) -> Array:
            return -density.log_density(seen, z)

        value, gradient = jax.value_and_grad(loss)(state.z)
        updates, optimiser = self.transformation().update(gradient, state.optimiser, state.z)
        new = state._replace(z=optax.apply_updates(state.z, updates), optimiser=optimiser)
        stepped = if_finite(is_finite(value, gradient), new, state)
        return stepped._replace(evaluations=state.evaluations + 1, rng_key=key)

    def at_end(self, density: LogDensity, program: BoundModel, state: StartState) -> StartState:
        """With the objective and its gradient over all rows."""

        def value(z: Values) -> Array:
            return density.log_density(program, z)

        objective, gradient = jax.value_and_grad(value)(state.z)
        return state._replace(
            objective=objective,
            gradient=gradient,
            gradient_norm=norm(gradient),
            finite=state.finite & is_finite(objective, gradient),
            evaluations=state.evaluations + 1,
        )
