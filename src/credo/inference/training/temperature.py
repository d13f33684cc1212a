"""Temperature scaling: the logits of a classifier divided by one number, which validation rows choose.

Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017). On calibration of modern neural networks. ICML. All members
of an ensemble have the same temperature, since each has few validation rows of its own; the loss of each is that on
these.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, PRNGKeyArray

from credo.inference.density import Values, WithoutPriors, constrain, log_joint
from credo.inference.training.epoch import Member, validation_rows
from credo.inference.training.objective import Objective
from credo.models.binding import BoundModel

_MOST = 10.0
"""The temperature lies between this and its inverse."""

_STEPS = 40
"""Of golden sections, each of which leaves 0.618 of the interval."""

_GOLDEN = (5**0.5 - 1) / 2


@partial(jax.jit, static_argnums=1)
def tempered(
    training: Objective, names: tuple[str, ...], program: BoundModel, key: PRNGKeyArray, members: Member
) -> tuple[Values, Float[Array, ""]]:
    """The best weights with their logits divided by the temperature of the least loss, and this temperature.

    Args:
        training: with validation rows.
        names: of the arrays that have a value per row.
        program: over the training rows.
        key: of the training, which chose the validation rows.
        members: trained.
    """
    total = next(program.arrays[name].shape[0] for name in names)
    rows = validation_rows(training, total, key)

    def at(factor: Float[Array, ""]) -> Values:
        return jax.vmap(lambda z: program.model.sharpened(z, factor))(members.best)

    def loss(log_factor: Float[Array, ""]) -> Float[Array, ""]:
        def one(pair: tuple[Any, Any]) -> Float[Array, ""]:
            own, z = pair
            seen = program.of_rows(own, names)
            return -log_joint(WithoutPriors(seen), constrain(seen, z)) / rows.shape[1]

        each = lax.map(one, (rows, at(jnp.exp(log_factor))))
        return jnp.where(members.finite, each, 0).sum()

    log_factor = _least(loss, jnp.log(1 / _MOST), jnp.log(_MOST))
    return at(jnp.exp(log_factor)), jnp.exp(-log_factor)


def _least(function: Any, low: Float[Array, ""], high: Float[Array, ""]) -> Float[Array, ""]:
    """Where a function of one valley has its least value, by golden sections (Kiefer 1953)."""

    def narrower(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        is_left = function(left) < function(right)
        return jnp.where(is_left, low, left), jnp.where(is_left, right, high)

    low, high = lax.fori_loop(0, _STEPS, narrower, (low, high))
    return (low + high) / 2
