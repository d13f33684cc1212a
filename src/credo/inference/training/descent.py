"""The driver of all trainings: stochastic gradient descent in epochs, one compiled loop, all members side by side.

What is descended is the loss of an objective (`likelihood`, `pcd`, `nce`, ...) on minibatches of rows. Members differ
in their first weights, in the order of their minibatches and in their validation rows, which are disjoint as far as the
rows suffice (an ensemble of M with 1/M of the rows for validation is a cross-validation): deep ensembles,
Lakshminarayanan, Pritzel & Blundell (2017).
"""

import dataclasses
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
import xarray as xr
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener
from credo.inference.calls import Call, Calls
from credo.inference.clock import Clock
from credo.inference.density import Program, Values, potential
from credo.inference.evaluate import evaluate
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.inference.resumable import resumable
from credo.inference.training.curves import learning_curves, require_finite
from credo.inference.training.epoch import Member, begin, train
from credo.inference.training.loop import TrainingLoop
from credo.inference.training.objective import Batch, Method, Objective
from credo.models.problem import Problem

READINGS = {"nll": "negative log likelihood per row, in nats"}
"""What any objective may measure, in words."""

__all__ = ["Batch", "Descent", "Method"]


class Descent(Objective):
    """Stochastic gradient descent on an objective. A subclass writes `loss` and `judge` (see `Objective`)."""

    def calls(
        self,
        method: Method,
        problem: Problem,
        key: PRNGKeyArray,
        listener: Listener,
        checkpointer: Checkpointer = NO_CHECKPOINTER,
    ) -> Calls:
        """Train, and evaluate the best weights of all members: a posterior of as many draws."""
        clock = Clock()
        train_key, evaluation_key = jax.random.split(key)
        loop = TrainingLoop(self, method, problem, train_key, listener)
        now = yield from resumable(loop, checkpointer)
        members = now.members
        clock.lap("training")
        if not self.keeps_going:
            require_finite(self, members)
        further = yield from loop.continued(members)
        clock.lap("continuation")
        best, found = yield from self.finished(problem, train_key, members)
        members = members._replace(best=best)
        tree = self._tree(problem, members, further, evaluation_key)
        tree["training"] = xr.DataTree(tree["training"].to_dataset().assign(found))
        clock.lap("evaluation")
        steps = self._steps(problem, members)
        return Result(
            tree=tree,
            status=Status.DONE if now.is_finite else Status.NOT_FINITE,
            cost=Cost(clock.seconds, gradients=steps, density_evaluations=steps, programs=clock.programs),
            method=method.name,
            kind=Kind.TRAINED,
            sampled=problem.judged,
            history=now.history,
        )

    def finished(
        self,
        problem: Problem,  # noqa: ARG002 - a hook
        key: PRNGKeyArray,  # noqa: ARG002
        members: Member,
    ) -> Generator[Call, Any, tuple[Values, dict[str, Any]]]:
        """The members' best weights as they are kept, and what is to be told of that in the group `training`."""
        yield from ()
        return members.best, {}

    def modes(
        self, problem: Problem, key: PRNGKeyArray, members: int, listener: Listener
    ) -> Generator[Call, Any, Values]:
        """Where chains begin: the trained weights of as many members [member, ...], by site, unconstrained."""
        several = dataclasses.replace(self, members=members)
        now = yield from resumable(TrainingLoop(several, _Posterior(), problem, key, listener), NO_CHECKPOINTER)
        return now.members.best

    def _tree(
        self, problem: Problem, members: Member, further: Float[np.ndarray, "member rate epoch"], key: PRNGKeyArray
    ) -> xr.DataTree:
        """The best weights as a posterior, and the learning curves."""
        best = jax.tree.map(np.asarray, members.best)
        tree = evaluate(problem, {name: z[None] for name, z in best.items()}, {}, key, 0)
        measure = self.measure(problem.bound) or ""
        readings = READINGS | {self.curve: self.reading or READINGS.get(self.curve, self.curve)}
        words = {"curve_reading": readings[self.curve], "measure_reading": readings.get(measure, measure)}
        tree["training"] = xr.DataTree(
            learning_curves(members)
            .assign(continued=(("member", "rate", "further_epoch"), further))
            .assign_attrs(objective=self.name, curve=self.curve, measure=measure, **words)
        )
        return tree

    def _steps(self, problem: Problem, members: Member) -> int:
        """Steps of all members."""
        total = problem.data.sizes[problem.row_dim]
        return int(np.sum(np.asarray(members.epoch))) * ((total - self.held(total)) // self.batch_size)


class _Posterior(eqx.Module):
    """The density that chains in unconstrained space have."""

    name: ClassVar[str] = "map"

    def log_density(self, program: Program, z: Values) -> Float[Array, ""]:
        return -potential(program)(z)


def epochs(training: Descent, method: Method, problem: Problem, key: PRNGKeyArray, count: int) -> Callable[[], Member]:
    """What makes so many epochs from the beginning, each time that it is called: to measure them."""
    members = begin(training, problem.bound, jax.random.split(key, training.members))
    return partial(train, training, method, problem.by_row, problem.bound, key, members, count)
