"""What the host does between two blocks of Markov chains: collect, look, tell, and know where it is.

A `Position` holds all that a run is at the end of a block. `Journey.ahead` and `after` lead from one to the next and
change none, so a run that is cut off anywhere has a whole position to be taken up from, and goes on from it to the same
bits.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from credo.diagnostics.summary import running
from credo.inference.base import Listener, Snapshot
from credo.inference.calls import Call
from credo.inference.clock import Clock
from credo.inference.evaluate import Evaluation, assemble
from credo.inference.mcmc.lazy import Joined
from credo.inference.mcmc.programs import Stats, advance
from credo.inference.result import Cost, Result, Status
from credo.inference.state import packed, unpacked
from credo.models.problem import Problem

if TYPE_CHECKING:
    from credo.inference.mcmc.mcmc import Chains

Block = Mapping[str, np.ndarray]

MOST_BYTES = 2**28
"""Draws that need more memory than this are put out of it block by block, and read from there."""

MOST_SCALARS = 2**23
"""Numbers in the draws of one block, and in those from which a metric is learned."""

_GROWTH, _GROWTH_TO_STOP = 2.0, 1.25
"""R-hat and ESS are looked at anew once there are so many times the draws, so that all looks cost a few of the last;
more often where a rule waits to stop the chains.
"""

_LEAST_TRAIL = 20


@dataclass(frozen=True)
class Position:
    """Where a run is between two blocks.

    Attributes:
        states: the states of all chains.
        start: where they began, by latent [chain, ...], unconstrained; empty for a run of an earlier version.
        done: draws per chain so far, those of the warm-up included.
        z, trail: continuous latents and what the sampler noted of them [chains, draws, ...], of recent warm-up draws.
        blocks: what is derived from the draws, block by block: arrays [chains, draws, ...] by `GROUP/SITE`.
        history: what the listener was told.
        evaluations: densities so far.
        divergences: in the sampling so far.
        next_look: draws at which R-hat and ESS are looked at next.
        seconds, programs: see `Cost`; of earlier processes that the run was in.
        ended: why the chains stopped before all draws were made.
    """

    states: Any
    start: Mapping[str, np.ndarray] = field(default_factory=dict)
    done: int = 0
    z: np.ndarray | None = None
    trail: np.ndarray | None = None
    blocks: tuple[Block, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    evaluations: int = 0
    divergences: int = 0
    next_look: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    programs: int = 0
    ended: str | None = None


_START = "start/"
"""Before the names of latents, among the arrays that a checkpointer keeps."""

_COUNTERS = ("done", "history", "evaluations", "divergences", "next_look", "ended")
_KEPT = (*_COUNTERS, "seconds", "programs")


def restored(kept: Snapshot, shape: Any) -> Position:
    """The position that was kept; `shape` is a state's structure."""
    z, trail = kept.arrays.get("z"), kept.arrays.get("trail")
    start = {name.removeprefix(_START): array for name, array in kept.arrays.items() if name.startswith(_START)}
    numbers: dict[str, Any] = {name: kept.numbers[name] for name in _KEPT if name in kept.numbers}
    return Position(unpacked(kept.arrays, shape), start, z=z, trail=trail, blocks=tuple(kept.blocks), **numbers)


class Journey:
    """The way from one position to the next, for one run.

    Args:
        sampler: with all its settings chosen.
        program: the sampler as the compiled programs take it.
        problem: the model and its data.
        key: for what is derived from the draws.
        listener: told after each block.
        spill: puts a block out of memory; asked where all draws would need too much of it.
    """

    def __init__(
        self,
        sampler: "Chains",
        program: "Chains",
        problem: Problem,
        key: jax.Array,
        listener: Listener,
        spill: Callable[[Block], Block],
    ) -> None:
        self.sampler, self.program, self.problem, self.listener = sampler, program, problem, listener
        self.spill = spill
        self.windows = sampler.windows()
        self.evaluate = Evaluation(problem, key, most=sampler.chains * self.program.block)
        self.clock = Clock()

    def kept(self, now: Position) -> Snapshot:
        """A position as a checkpointer takes it."""
        arrays = packed(now.states) | {n: value for n in ("z", "trail") if (value := getattr(now, n)) is not None}
        arrays |= {f"{_START}{name}": value for name, value in now.start.items()}
        numbers = {name: getattr(now, name) for name in _COUNTERS}
        return Snapshot(arrays, numbers | {"seconds": self._seconds(now), "programs": self._programs(now)}, now.blocks)

    def tell_again(self, now: Position) -> None:
        """Tell the listener again what it was told before."""
        for entry in now.history:
            numbers = {name: value for name, value in entry.items() if name not in ("phase", "done")}
            self.listener.progress(entry["phase"], entry["done"], self._total(entry["phase"]), numbers)

    def ahead(self, now: Position) -> Call | None:
        """The call that makes one more block; `None` where the run is at its end."""
        if now.ended is not None or now.done >= self.sampler.warmup + self.sampler.draws:
            return None
        return Call(advance, self.program, self.problem.bound, self.sampler.chains, now.states, self._count(now))

    def after(self, now: Position, answer: Any) -> Position:
        """The position after one more block, given what its call returned."""
        count = self._count(now)
        states, *kept = answer
        draws, trail, stats = jax.tree.map(lambda a: np.asarray(a)[:, :count], kept)
        there = (states, draws, trail, stats, now.done + count)
        return self._warmed_up(now, *there) if now.done < self.sampler.warmup else self._sampled(now, *there)

    def result(self, now: Position) -> Result:
        """The answer at the end."""
        groups: dict[str, dict[str, Any]] = {}
        for name in now.blocks[0]:
            if not all(name in block for block in now.blocks):
                continue  # it could not be derived any more
            group, site = name.split("/", 1)
            joined = Joined(now.blocks, name)
            groups.setdefault(group, {})[site] = joined if joined.nbytes > MOST_BYTES else joined.whole()
        if now.start:
            groups["start"] = self._start(now.start)
        tree = assemble(self.problem, groups, self.evaluate.missing)
        self.clock.lap("evaluation")
        return Result(
            tree=tree,
            status=Status.STOPPED if now.ended else Status.DONE,
            cost=Cost(
                seconds=self._seconds(now),
                gradients=now.evaluations if self.sampler.uses_gradients else 0,
                density_evaluations=now.evaluations,
                programs=self._programs(now),
            ),
            method=self.sampler.method,
            kind="draws",
            sampled=self.problem.judged,
            observed=self.problem.informative,
            improper=self.problem.improper,
            history=now.history,
        )

    def _start(self, start: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Where the chains began, of what the verdict is about, [chain, ...] in the latents' own space."""
        found = self.evaluate({name: values[:, None] for name, values in start.items()})["posterior"]
        judged, called = self.problem.judged, self.problem.names.variable
        return {name: values[:, 0] for name, values in found.items() if called(name) in judged}

    def _count(self, now: Position) -> int:
        """Draws in the next block."""
        warmup = self.sampler.warmup
        ends = (*self.windows, warmup) if now.done < warmup else (warmup + self.sampler.draws,)
        return min(self.program.block, min(end for end in ends if end > now.done) - now.done)

    def _warmed_up(self, now: Position, states: Any, draws: Stats, trail: Any, stats: Stats, after: int) -> Position:
        z, trail = self._recent(now, draws, trail)
        if after in self.windows:
            oldest = z.shape[1] // 4
            z, trail = z[:, oldest:], trail[:, oldest:]
            states = self.program.retuned(states, z, trail)
        self.clock.lap("warmup")
        numbers = _numbers(stats)
        return self._told(
            now, "warmup", after, numbers, states=states, done=after, z=z, trail=trail, **_added(now, stats)
        )

    def _sampled(self, now: Position, states: Any, draws: Stats, _: Any, stats: Stats, after: int) -> Position:
        self.clock.lap("sampling")
        done = after - self.sampler.warmup
        groups = {**self.evaluate(draws, now.done - self.sampler.warmup), "sample_stats": _finished(stats)}
        if (keep := self.sampler.keep) is not None:
            rest = {n: values for n, values in groups["posterior"].items() if n not in keep}
            groups["posterior"] = {n: values for n, values in groups["posterior"].items() if n in keep}
            groups |= _moments(rest) if self.sampler.moments else {}
        block: Block = {f"{group}/{site}": values for group, sites in groups.items() for site, values in sites.items()}
        if sum(values.nbytes for values in block.values()) / (after - now.done) * self.sampler.draws > MOST_BYTES:
            block = self.spill(block)
        blocks = (*now.blocks, block)
        self.clock.lap("evaluation")
        numbers = _numbers(stats, now.divergences)
        next_look, ended = now.next_look, None
        if done >= next_look or done == self.sampler.draws:
            numbers |= self._look(blocks)
            next_look = done * (_GROWTH if self.sampler.stop is None else _GROWTH_TO_STOP)
        if self.sampler.stop is not None and done < self.sampler.draws:
            ended = self.sampler.stop.reached(numbers, done, self._seconds(now).get("sampling", 0.0))
        diverged = now.divergences + int(np.sum(stats.get("diverging", 0)))
        changed = {
            "blocks": blocks,
            "divergences": diverged,
            "next_look": next_look,
            "ended": ended,
            "z": None,
            "trail": None,
        }
        return self._told(now, "sampling", done, numbers, states=states, done=after, **changed, **_added(now, stats))

    def _recent(self, now: Position, draws: Stats, trail: Any) -> tuple[Any, Any]:
        """The draws of the warm-up from which there is something to learn, and what was noted of them."""
        if trail is None or not any(window > now.done for window in self.windows):
            return None, None
        flat = np.concatenate([draws[n].reshape(*draws[n].shape[:2], -1) for n in sorted(draws)], axis=-1)
        if now.z is not None:
            flat, trail = np.concatenate([now.z, flat], axis=1), np.concatenate([now.trail, trail], axis=1)
        while flat.shape[1] > _LEAST_TRAIL and flat.size > MOST_SCALARS:
            flat, trail = flat[:, 1::2], trail[:, 1::2]
        return flat, trail

    def _look(self, blocks: Sequence[Block]) -> dict[str, float]:
        """How precise the chains are by now."""
        stop = self.sampler.stop
        if stop is None:
            return running([Group(block, "posterior") for block in blocks])
        judged = [Group(block, "posterior", stop.variables) for block in blocks]
        return running(judged, None, dict.fromkeys(("r_hat", "ess_bulk", *stop.targets)))

    def _told(self, now: Position, phase: str, count: int, numbers: Mapping[str, float], **changes: Any) -> Position:
        """The next position, told to the listener."""
        self.listener.progress(phase, count, self._total(phase), numbers)
        self.clock.lap("looks")
        history = (*now.history, {"phase": phase, "done": count, **numbers})
        return dataclasses.replace(now, **changes, history=history)

    def _total(self, phase: str) -> int:
        return self.sampler.warmup if phase == "warmup" else self.sampler.draws

    def _programs(self, now: Position) -> int:
        return now.programs + self.clock.programs

    def _seconds(self, now: Position) -> dict[str, float]:
        before, ours = now.seconds, self.clock.seconds
        return {
            phase: before.get(phase, 0.0) + ours.get(phase, 0.0) for phase in (*ours, *sorted(before.keys() - ours))
        }


def _added(now: Position, stats: Stats) -> dict[str, int]:
    return {"evaluations": now.evaluations + int(np.sum(stats["n_steps"]))}


def _moments(draws: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Means and variances of a block, each [chains, 1, ...]."""
    chains, count = next(iter(draws.values())).shape[:2] if draws else (0, 0)
    return {
        "posterior_count": {"draws": np.full((chains, 1), count)},
        "posterior_mean": {name: values.mean(axis=1, keepdims=True) for name, values in draws.items()},
        "posterior_variance": {name: values.var(axis=1, keepdims=True) for name, values in draws.items()},
    }


class Group(Mapping[str, np.ndarray]):
    """One group of a block, by site, or some sites of it; its arrays are read when they are asked for."""

    def __init__(self, block: Block, group: str, only: Sequence[str] | None = None) -> None:
        sites = [name.split("/", 1)[1] for name in block if name.startswith(f"{group}/")]
        self._block, self._group = block, group
        self._sites = [site for site in sites if only is None or site in only]

    def __getitem__(self, site: str) -> np.ndarray:
        return self._block[f"{self._group}/{site}"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sites)

    def __len__(self) -> int:
        return len(self._sites)


def _numbers(block: Stats, divergences: int = 0) -> dict[str, float]:
    """What the steps of a block tell of the chains, with the divergences before it."""
    numbers = {"acceptance_rate": float(np.mean(block["acceptance_rate"]))}
    if "step_size" in block:
        numbers["step_size"] = float(np.mean(block["step_size"][:, -1]))
    if "diverging" in block:
        numbers["divergences"] = float(divergences + np.sum(block["diverging"]))
    return numbers


def _finished(stats: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values.astype(int) if name == "tree_depth" else values for name, values in stats.items()}
