"""Would a training have gained by going on? It goes on for a while from its best weights, only to see.

The learning rate is the highest of the training for the first part of the further epochs, and falls to zero over the
rest, whatever the schedule was: a schedule that has come to its end has stopped the learning by itself, and a high rate
alone hides in its own noise what was learned. A rate may have been so low that nothing is learned at it, so that of low
ones Adam's usual rate is tried, too. The further epochs are made by the program of the training.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Shaped

_FEWEST, _MOST, _SHARE = 10, 20, 0.15
"""As many further epochs as there were, within these; of long trainings this share of them, where that is more."""

_FALL = 0.4
"""Of the further epochs, the share in which the rate falls."""


_USUAL = 1e-3
"""The rate that Kingma & Ba (2015) recommend for Adam."""


def peaks(highest: float) -> tuple[float, ...]:
    """The learning rates at which a training with this highest one goes on."""
    return (highest,) if highest >= _USUAL else (highest, _USUAL)


def length(epochs: int) -> int:
    """How many further epochs are made after so many."""
    return max(min(max(epochs, _FEWEST), _MOST), int(_SHARE * epochs))


def rates(epochs: int, highest: float) -> Iterator[float]:
    """The learning rate of each further epoch."""
    falling = max(round(_FALL * epochs), 1)
    for epoch in range(epochs):
        yield highest * min((epochs - epoch - 0.5) / falling, 1.0)


def restarted(member: Any, optimiser: optax.GradientTransformation) -> Any:
    """All members at their best weights, with the optimiser's memory empty and keys of their own."""
    best = member.best
    return member._replace(
        z=best,
        optimiser=jax.tree.map(_as_before, jax.vmap(optimiser.init)(best), member.optimiser),
        rng_key=jax.vmap(lambda key: jax.random.fold_in(key, 3))(member.rng_key),
        finite=jnp.ones_like(member.finite),
        average=best if jax.tree.leaves(member.average) else member.average,
    )


def ready(member: Any, epoch: int, peak: int) -> Any:
    """All members before a further epoch: at this number of epochs, and where their schedule has its highest rate."""

    def reset(state: Any) -> Any:
        return state._replace(count=jnp.full_like(state.count, peak)) if _is_schedule(state) else state

    now = jnp.full_like(member.epoch, epoch)
    optimiser = jax.tree.map(reset, member.optimiser, is_leaf=_is_schedule)
    return member._replace(epoch=now, best_epoch=now, optimiser=optimiser)


def _is_schedule(state: Any) -> bool:
    return isinstance(state, optax.ScaleByScheduleState)


def _as_before(new: Shaped[Array, "*shape"], old: Shaped[Array, "*shape"]) -> Shaped[Array, "*shape"]:
    """With the type that compiled programs know."""
    return jax.lax.convert_element_type(new, old.dtype)
