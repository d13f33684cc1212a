"""The loop of a training: some epochs at a time, of which the listener hears, and a look at how it would go on."""

import dataclasses
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array

from credo.inference.base import Listener, Snapshot
from credo.inference.calls import Call
from credo.inference.resumable import Loop
from credo.inference.state import packed, unpacked
from credo.inference.training import continuation
from credo.inference.training.epoch import Member, begin, goes_on, make_optimiser, rise_of, train
from credo.inference.training.objective import Method, Objective
from credo.models.problem import Problem

SECONDS = 0.5
"""About how long the compiled loop runs between two looks."""

_MOST_REPORTED = 200
"""About how many epochs the listener hears of."""


@dataclass(frozen=True)
class TrainingState:
    """Where a training is between two blocks of epochs.

    Attributes:
        members: all networks.
        history: what the listener heard.
        count: epochs of the next block at most.
    """

    members: Member
    history: tuple[Mapping[str, Any], ...] = ()
    count: int = 1

    @property
    def epoch(self) -> int:
        """Epochs so far."""
        return int(np.max(np.asarray(self.members.epoch)))

    @property
    def is_finite(self) -> bool:
        """Whether the weights of all members are."""
        return bool(np.all(np.asarray(self.members.finite)))


class TrainingLoop(Loop[TrainingState]):
    """The epochs of all members, one block after another.

    Args:
        training: what is descended, and how.
        method: whose density the objective may take.
        problem: the model and its data.
        key: for first weights, validation rows and the order of rows.
        listener: hears of the epochs.
    """

    def __init__(self, training: Objective, method: Method, problem: Problem, key: Array, listener: Listener) -> None:
        self.training, self.method, self.problem, self.key, self.listener = training, method, problem, key, listener
        self.measure = training.measure(problem.bound)
        self._begin = Call(begin, training, problem.bound, jax.random.split(key, training.members))
        self._block_began = 0.0

    def begin(self) -> Generator[Call, Any, TrainingState]:
        """The members before their first epoch."""
        return self._reported(TrainingState((yield self._begin)))

    def restored(self, snapshot: Snapshot) -> TrainingState:
        """The state of a snapshot, reported anew."""
        members = unpacked(snapshot.arrays, jax.eval_shape(self._begin))
        history = tuple(snapshot.numbers["history"])
        for entry in history:
            self._report(entry)
        return self._reported(TrainingState(members, history))

    def ahead(self, now: TrainingState) -> Call | None:
        """Some more epochs; those of members that have stopped change nothing."""
        if self._ended(now.members):
            return None
        self._block_began = time.perf_counter()
        count = min(now.count, self.training.epochs - now.epoch)
        problem = self.problem
        return Call(train, self.training, self.method, problem.by_row, problem.bound, self.key, now.members, count)

    def after(self, now: TrainingState, answer: Member) -> TrainingState:
        """The state after these epochs; the next block is longer or shorter, so that all take about as long."""
        now = self._reported(dataclasses.replace(now, members=answer))
        seconds = time.perf_counter() - self._block_began
        longer, shorter = seconds < SECONDS / 2, seconds > 2 * SECONDS
        count = 2 * now.count if longer else max(now.count // 2, 1) if shorter else now.count
        return dataclasses.replace(now, count=count)

    def snapshot(self, now: TrainingState) -> Snapshot:
        """The state as a checkpointer takes it."""
        return Snapshot(packed(now.members), {"history": now.history})

    def is_urgent(self, now: TrainingState) -> bool:
        """Weights that exploded end the run: the last good ones are in its checkpoint."""
        return not self.training.keeps_going and not now.is_finite

    def continued(self, members: Member) -> Generator[Call, Any, np.ndarray]:
        """The validation losses [member, rate, further epoch] of a training that goes on; the weights stay.

        Of no epochs where there is no such loss, NaN where it is not finite.
        """
        training, problem = self.training, self.problem
        if self.measure is None or not np.isfinite(np.asarray(members.best_loss)).all():
            return np.full((training.members, 1, 0), np.nan)
        total = problem.data.sizes[problem.row_dim]
        peak = rise_of(training, (total - training.held(total)) // training.batch_size * training.epochs)
        further = continuation.length(int(np.max(np.asarray(members.epoch))))
        curves = []
        for highest in continuation.peaks(training.learning_rate):
            curve = yield from self._continued_at(members, highest, further, peak)
            curves.append(curve)
        return np.stack(curves, axis=1)

    def _continued_at(
        self, members: Member, highest: float, further: int, peak: int
    ) -> Generator[Call, Any, np.ndarray]:
        """The losses [member, further epoch] at one learning rate."""
        training, problem = self.training, self.problem
        member, losses = continuation.restarted(members, make_optimiser(training, 1)), []
        for epoch, rate in enumerate(continuation.rates(further, highest)):
            at = min(epoch, training.epochs - 1)
            slower = dataclasses.replace(training, learning_rate=rate)
            ready = continuation.ready(member, at, peak)
            member = yield Call(train, slower, self.method, problem.by_row, problem.bound, self.key, ready, 1)
            losses.append(np.where(member.finite, np.asarray(member.validation)[:, at], np.nan))
        return np.stack(losses, axis=1)

    def _ended(self, members: Member) -> bool:
        return not np.any(np.asarray(goes_on(self.training, members)))

    def _reported(self, now: TrainingState) -> TrainingState:
        """The state, once the listener has heard of its epochs, or of some where there are many."""
        last = now.history[-1]["done"] if now.history else 0
        every, ended = max(self.training.epochs // _MOST_REPORTED, 1), self._ended(now.members)
        entries = []
        for epoch in range(last + 1, now.epoch + 1):
            is_last = ended and epoch == now.epoch
            if epoch % every == 0 or is_last:
                total = now.epoch if ended else self.training.epochs
                entry = {"phase": "training", "done": epoch, "total": total, **self._means(now.members, epoch)}
                entries.append(entry)
                self._report(entry)
        return dataclasses.replace(now, history=(*now.history, *entries))

    def _means(self, members: Member, epoch: int) -> dict[str, float]:
        """What the curves have of an epoch, the mean of the members."""
        curves = {f"{self.training.curve}_train": np.asarray(members.train)}
        curves |= {f"{self.measure}_validation": np.asarray(members.validation)}
        points = {name: curve[:, epoch - 1] for name, curve in curves.items()}
        return {name: float(np.nanmean(ones)) for name, ones in points.items() if np.isfinite(ones).any()}

    def _report(self, entry: Mapping[str, Any]) -> None:
        numbers = {name: value for name, value in entry.items() if name not in ("phase", "done", "total")}
        self.listener.progress("training", entry["done"], entry["total"], numbers)
