"""A problem that observes twice: other data of the same shapes beside its own, all of one posterior."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import numpyro
from numpyro.primitives import Messenger

from credo.models.binding import BoundModel
from credo.models.messages import Message
from credo.models.problem import Problem


class Twice(BoundModel):
    """A bound model whose observed sites observe once more, as sites `NAME_given` of the same distributions.

    Attributes:
        given: what they observe, by site.
    """

    given: dict[str, Any] = eqx.field(default_factory=dict)

    def __call__(self) -> None:
        """Run the program."""
        _Again(super().__call__, self.given)()


class _Again(Messenger):
    """Observes once more, within the same plates."""

    def __init__(self, fn: Callable[..., Any], values: Mapping[str, Any]) -> None:
        super().__init__(fn)
        self._values = values

    def postprocess_message(self, msg: Message) -> None:
        """Observe."""
        if msg["type"] == "sample" and msg["name"] in self._values:
            numpyro.sample(f"{msg['name']}_given", msg["fn"], obs=self._values[msg["name"]])


def observing_twice(problem: Problem) -> Problem:
    """The problem whose own observations are given, too, so that `Problem.observing` puts others beside them."""
    bound, other = problem.bound, replace(problem)
    given = {name: one.value for name, one in problem.observations.items()}
    rest = bound.params, bound.earlier, bound.reparam, bound.centred
    other.__dict__["bound"] = Twice(bound.model, bound.arrays, bound.sizes, *rest, given)
    return other
