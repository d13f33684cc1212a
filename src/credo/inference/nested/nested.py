"""Nested sampling: live points climb from the prior, and the share of the prior that they leave behind is known.

Skilling (2006), "Nested sampling for general Bayesian computation", Bayesian Analysis 1(4). In each batch the lowest
live points are replaced by ones above them, by slice sampling (Yallup, Kroupa and Handley 2025, "Nested slice
sampling"). No gradient is needed, and no temperature: a likelihood with a phase transition is climbed like any other.
Independent repeats judge each other.
"""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float, Int, PRNGKeyArray, Shaped
from scipy.special import logsumexp

from credo.config.naming import Named
from credo.errors import RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener, Snapshot
from credo.inference.calls import Call, Calls, alone
from credo.inference.clock import Clock
from credo.inference.evaluate import evaluate
from credo.inference.evidence import table as evidence
from credo.inference.evidence.repeats import of_repeats
from credo.inference.kind import Kind
from credo.inference.nested import volume
from credo.inference.nested.live import MOST_DRAWS, Batch, Live, advance, answer, start
from credo.inference.result import Cost, Result, Status
from credo.inference.resumable import Loop, resumable
from credo.inference.smc.path import require_path, require_room
from credo.inference.smc.peak import GROUP as PEAK
from credo.inference.smc.peak import peak
from credo.inference.state import packed, unpacked
from credo.models.problem import Problem
from credo.ranges import Between, Count, Several, Steps

_NUMBERS = tuple(name for name in Batch._fields if name != "dead")


class Nested(Named, eqx.Module):
    """Independent repeats of a set of live points.

    Attributes:
        particles: the live points of each repeat, and the draws that it is resampled to.
        repeats: how many sets, each by itself.
        replaced: the share of the live points that a batch replaces.
        moves: slice moves of each new point, at most; they end as soon as no scalar remembers where it began.
        remaining: the share of the evidence in the live points at which the last batch is made.
        batches: at most.
    """

    gives_evidence: ClassVar[bool] = True

    particles: Several = eqx.field(static=True)
    repeats: Count = eqx.field(static=True)
    replaced: Between = eqx.field(static=True)
    moves: Steps
    remaining: Between
    batches: Count

    @property
    def gone(self) -> int:
        """How many live points a batch replaces."""
        return min(max(round(self.replaced * self.particles), 1), self.particles - 1)

    def kind(self, problem: Problem) -> Kind:  # noqa: ARG002 - as the others
        """What its answer is made of."""
        return Kind.WEIGHTED

    def check(self, problem: Problem) -> None:
        """Refuse what has no way from the prior to the posterior."""
        require_path(problem, self.name)
        require_room(problem, self.particles, self.repeats)

    def run(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Result:
        """Bring the live points to the highest likelihood.

        Raises:
            RunError: the prior has too few draws with a finite likelihood.
        """
        return alone(self.calls(problem, key, listener, checkpointer))

    def calls(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        clock = Clock()
        live_key, draw_key, evaluation_key = jax.random.split(key, 3)
        now = yield from resumable(NestedLoop(self, problem, live_key, listener), checkpointer)
        points, log_weight = _points(now), _log_weight(now)
        generator = np.random.default_rng(np.asarray(jax.random.bits(draw_key, (4,))))
        chosen = np.stack([volume.resampled(weight, self.particles, generator) for weight in log_weight])
        z = np.take_along_axis(points["z"], chosen[..., None], axis=1)
        lp = np.take_along_axis(points["log_prior"] + points["log_likelihood"], chosen, axis=1)
        draws = yield Call(answer, problem.bound, jnp.asarray(z))
        clock.lap("sampling")
        highest = yield from peak(problem.bound, jnp.asarray(z), jnp.asarray(lp))
        tree = evaluate(problem, jax.tree.map(np.asarray, draws), {"lp": lp}, evaluation_key)
        tree[PEAK] = xr.DataTree(highest)
        tree["levels"] = xr.DataTree(_table(now, log_weight))
        tree["repeats"] = xr.DataTree(_repeats(now, points["founder"], log_weight))
        evidence.merged(tree, {self.name: _log_evidence(tree["repeats"].to_dataset())})
        clock.lap("evaluation")
        evaluations = int(np.asarray(now.live.evaluations, int).sum())
        return Result(
            tree=tree,
            status=Status.DONE,
            cost=Cost(clock.seconds, 0, evaluations, clock.programs),
            method=self.name,
            kind=Kind.WEIGHTED,
            sampled=problem.judged,
            observed=problem.informative,
            unread=problem.unread,
            statistics=("lp",),
            history=now.history,
        )


class NestedState(NamedTuple):
    """All repeats between two batches.

    - **live** - their live points, with a leading axis [repeat].
    - **blocks** - what the batches left behind, several together where they were read from a checkpoint: arrays
      [repeat, point, ...] by the names in `Points`, and [repeat, batch] by those in `Batch`.
    - **history** - what the listener heard.
    """

    live: Live
    blocks: Sequence[Mapping[str, np.ndarray]] = ()
    history: tuple[Mapping[str, Any], ...] = ()

    @property
    def done(self) -> int:
        """How many batches were made."""
        return sum(block["remaining"].shape[1] for block in self.blocks)


class NestedLoop(Loop[NestedState]):
    """All repeats, one batch at a time, until all have come to the end.

    Args:
        method: the settings.
        problem: the model and its data.
        key: for all repeats.
        listener: hears of each batch.
    """

    def __init__(self, method: Nested, problem: Problem, key: PRNGKeyArray, listener: Listener) -> None:
        self.method, self.problem, self.listener = method, problem, listener
        self._begin = Call(start, method, problem.bound, jax.random.split(key, method.repeats))

    def begin(self) -> Generator[Call, Any, NestedState]:
        """Draws of the prior.

        Raises:
            RunError: the data has a finite likelihood at too few of them.
        """
        now = NestedState((yield self._begin))
        known = np.isfinite(np.asarray(now.live.points.log_likelihood)).mean()
        if known < 1:
            draws = MOST_DRAWS * self.method.particles * self.method.repeats
            raise RunError(
                f"inference=nested begins at draws of the prior, but of {draws:,} too few have a finite log likelihood "
                f"({known:.0%} of the live points were found); check that the prior allows the data"
            )
        return now

    def restored(self, snapshot: Snapshot) -> NestedState:
        """The state of a snapshot, reported anew."""
        history = tuple(snapshot.numbers["history"])
        for entry in history:
            self._report(entry)
        live = unpacked(snapshot.arrays, jax.eval_shape(self._begin))
        return NestedState(live, tuple(snapshot.blocks), history)

    def ahead(self, now: NestedState) -> Call | None:
        """The next batch."""
        ended = now.done > 0 and bool((now.blocks[-1]["remaining"][:, -1] <= self.method.remaining).all())
        if ended or now.done >= self.method.batches:
            return None
        return Call(advance, self.method, self.problem.bound, now.live)

    def after(self, now: NestedState, answer: tuple[Live, Batch]) -> NestedState:
        """The state after that batch."""
        live, batch = answer
        numbers = {name: np.asarray(getattr(batch, name))[:, None] for name in _NUMBERS}
        block = {name: np.asarray(values) for name, values in batch.dead._asdict().items()} | numbers
        then = NestedState(live, (*now.blocks, block))
        remaining, done = float(block["remaining"].max()), then.done
        entry = {
            "phase": "nested",
            "done": done,
            "total": done + int(remaining > self.method.remaining),
            "remaining": remaining,
        }
        self._report(entry)
        return then._replace(history=(*now.history, entry))

    def snapshot(self, now: NestedState) -> Snapshot:
        """The state as a checkpointer takes it."""
        return Snapshot(packed(now.live), {"history": list(now.history)}, list(now.blocks))

    def _report(self, entry: Mapping[str, Any]) -> None:
        self.listener.progress("nested", entry["done"], entry["total"], {"remaining": entry["remaining"]})


def _joined(now: NestedState, name: str) -> Shaped[np.ndarray, "repeat each ..."]:
    """One array of all batches."""
    return np.concatenate([block[name] for block in now.blocks], axis=1)


def _points(now: NestedState) -> dict[str, Shaped[np.ndarray, "repeat all ..."]]:
    """All points of each repeat by the names in `Points`, the dead in order and then the live."""
    live = now.live.points._asdict()
    return {name: np.concatenate([_joined(now, name), np.asarray(live[name])], axis=1) for name in live}


def _dead(now: NestedState) -> Float[np.ndarray, "repeat batch dead"]:
    """The log likelihood of the points of each batch."""
    flat = _joined(now, "log_likelihood").astype(float)
    return flat.reshape(len(flat), now.done, -1)


def _log_likelihood(now: NestedState) -> Iterator[tuple[volume.Batches, volume.Last]]:
    """Of the dead and of the live points, repeat by repeat."""
    return zip(_dead(now), np.asarray(now.live.points.log_likelihood, float), strict=True)


def _log_weight(now: NestedState) -> Float[np.ndarray, "repeat all"]:
    """The part of each point in the evidence of its repeat."""
    inside = np.stack([volume.log_weights(dead, live) for dead, live in _log_likelihood(now)])
    return inside + np.asarray(now.live.log_share, float)[:, None]


def _repeats(
    now: NestedState, founder: Int[np.ndarray, "repeat all"], log_weight: Float[np.ndarray, "repeat all"]
) -> xr.Dataset:
    """What is recorded of each repeat."""
    inside = np.array([volume.variance(dead, live) for dead, live in _log_likelihood(now)])
    missing = 1 - np.exp(np.asarray(now.live.log_share, float))
    columns = {
        "log_evidence": logsumexp(log_weight, axis=1),
        "variance": inside + missing / now.live.points.label.shape[1],
        "founders": [volume.founders(weight, own) for weight, own in zip(log_weight, founder, strict=True)],
    }
    return xr.Dataset({name: ("repeat", values) for name, values in columns.items()})


def _log_evidence(repeats: xr.Dataset) -> tuple[float, float]:
    """The log of the mean evidence, and its error: the larger of what the repeats and what the volumes say."""
    log_evidence = repeats["log_evidence"].to_numpy()
    value, error = of_repeats(log_evidence)
    return value, float(np.maximum(error, volume.combined(log_evidence, repeats["variance"].to_numpy())))


def _table(now: NestedState, log_weight: Float[np.ndarray, "repeat all"]) -> xr.Dataset:
    """What is recorded of each batch."""
    level = _dead(now)
    repeats, live = now.live.points.label.shape
    share = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))[:, :-live]
    below = np.arange(1, now.done + 1) * math.log1p(-level.shape[2] / live)
    columns = {name: _joined(now, name) for name in _NUMBERS} | {
        "log_likelihood": level[..., -1],
        "log_volume": np.asarray(now.live.log_share, float)[:, None] + below,
        "share": share.reshape(repeats, now.done, -1).sum(axis=2),
    }
    return xr.Dataset({name: (("repeat", "batch"), values) for name, values in columns.items()})
