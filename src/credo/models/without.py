"""A problem without one of its observations: the same program, in which the density of that one does not count.

Which one it is, is a number of the program: another one compiles nothing.
"""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int
from numpyro.primitives import Messenger

from credo.models.binding import BoundModel
from credo.models.messages import Message
from credo.models.problem import Problem


class WithoutOne(BoundModel):
    """A bound model that leaves an observation out.

    Attributes:
        site: the name of an observed site.
        place: of the observation among the densities of the site, as a flat number.
    """

    site: str = eqx.field(static=True, default="")
    place: Int[Any, ""] = 0

    def __call__(self) -> None:
        """Run the program."""
        _LeftOut(super().__call__, self.site, self.place)()


class _LeftOut(Messenger):
    """Masks one density of an observed site."""

    def __init__(self, fn: Any, site: str, place: Any) -> None:
        super().__init__(fn)
        self._site, self._place = site, place

    def process_message(self, msg: Message) -> None:
        """Mask it."""
        if msg["type"] == "sample" and msg["is_observed"] and msg["name"] == self._site:
            shape = jnp.broadcast_shapes(msg["fn"].batch_shape, _shape_of_value(msg))
            places = np.arange(int(np.prod(shape))).reshape(shape)
            msg["fn"] = msg["fn"].expand(shape).mask(places != self._place)


def _shape_of_value(msg: Message) -> tuple[int, ...]:
    """The batch shape of what was observed."""
    shape = jnp.shape(msg["value"])
    return shape[: len(shape) - msg["fn"].event_dim]


def without(problem: Problem, site: str, place: int) -> Problem:
    """The problem without an observation; what is known of its shapes stays known.

    Args:
        problem: a model with its data.
        site: an observed site.
        place: of the observation among the densities of the site, as a flat number.
    """
    bound = problem.bound
    rest = bound.params, bound.earlier, bound.reparam, bound.centred
    left = WithoutOne(bound.model, bound.arrays, bound.sizes, *rest, site, jnp.asarray(place))
    other = replace(problem, test=None)
    known = ("sites", "observations", "names", "unread", "unknown")
    other.__dict__.update({name: getattr(problem, name) for name in known}, bound=left)
    return other
