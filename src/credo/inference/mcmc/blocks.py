"""What the host does between two blocks of Markov chains: collect, look, report, and decide whether to go on."""

import dataclasses
from collections.abc import Callable, Generator, Mapping
from typing import Any

import jax
import numpy as np

from credo.inference.base import Listener, NoListener, Snapshot
from credo.inference.calls import Call
from credo.inference.clock import Clock
from credo.inference.mcmc.adaptation import Adaptation
from credo.inference.mcmc.chain_state import Block, ChainState, restored
from credo.inference.mcmc.draws import Draws
from credo.inference.mcmc.layout import lying
from credo.inference.mcmc.programs import advance, first_points, start
from credo.inference.mcmc.settings import Settings
from credo.inference.result import Cost, Result, Status
from credo.inference.resumable import Loop
from credo.inference.start import Beginning, Beginnings, not_found
from credo.models.problem import Problem

_GROWTH, _GROWTH_TO_STOP = 2.0, 1.25
"""R-hat and ESS are looked at anew once there are so many times the draws, so that all looks cost a few of the last;
more often where a rule waits to stop the chains.
"""

Info = Mapping[str, np.ndarray]


class BlockLoop(Loop[ChainState]):
    """The way from one block to the next, for one run.

    Args:
        settings: of the chains.
        problem: the model and its data.
        keys: for the chains, for what is derived from their draws, and for each chain.
        listener: hears of each block.
        spill: puts a block out of memory; called where all draws would need too much of it.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        keys: tuple[jax.Array, jax.Array, jax.Array],
        listener: Listener,
        spill: Callable[[Block], Block],
    ) -> None:
        self.settings, self.problem, self.listener = settings, problem, listener
        self.layout, self.key = settings.layout(problem), keys[0]
        self.adaptation = Adaptation(settings, self.layout)
        self.kernel = self.adaptation.kernels[0]
        self.keys = keys[2]
        self.draws = Draws(settings, problem, keys[1], settings.chains * self.layout.block, spill)
        self.clock = Clock()

    def begin(self) -> Generator[Call, Any, ChainState]:
        """The chains at their starting points.

        Raises:
            RunError: a chain has none with a finite log density.
        """
        led = yield from self._led()
        self.clock = Clock()
        begin = self._start(None if led is None else led.points)
        self._prepare(begin)
        states = yield begin
        states = self.adaptation.shaped(states, led)
        finite, values = jax.tree.map(np.asarray, first_points(self.kernel, states))
        bad = np.flatnonzero(~finite)
        if bad.size:
            point = {name: value[bad[0]] for name, value in values.items()}
            raise not_found(self.problem, f"chain {bad[0]}", point)
        until, longest = self.settings.adapting, self.settings.longest
        return self._skipped(ChainState(states, start=dict(values), until=until, longest=longest))

    def restored(self, snapshot: Snapshot) -> ChainState:
        """The state of a snapshot, reported anew."""
        now = restored(snapshot, start.shapes(*self._start(None).args))
        for entry in now.history:
            numbers = {name: value for name, value in entry.items() if name not in ("phase", "done")}
            self.listener.progress(entry["phase"], entry["done"], self._total(entry["phase"]), numbers)
        return now

    def ahead(self, now: ChainState) -> Call | None:
        """The call that makes one more block; `None` where the run is at its end."""
        if now.ended is not None or now.done >= self.settings.longest + self.settings.draws:
            return None
        bound, chains = self.problem.bound, self.settings.chains
        return Call(
            advance, self.adaptation.kernels[now.target], self.layout, bound, chains, now.states, self._count(now)
        )

    def after(self, now: ChainState, answer: Any) -> ChainState:
        """The state after one more block."""
        count = self._count(now)
        states, *rest = answer
        latents, gradients, info = jax.tree.map(lambda a: np.asarray(a)[:, :count], rest)
        info = info._asdict()
        steps = info.get("n_steps", np.full((self.settings.chains, count), self.layout.thinning))
        then = dataclasses.replace(
            now, states=states, done=now.done + count, evaluations=now.evaluations + int(np.sum(steps))
        )
        if now.done < self.settings.longest:
            return self._warmed_up(then, latents, gradients, info)
        return self._sampled(then, latents, info, count)

    def snapshot(self, now: ChainState) -> Snapshot:
        """The state, with the seconds and programs of this process."""
        return dataclasses.replace(now, seconds=self._seconds(now), programs=self._programs(now)).snapshot()

    def result(self, now: ChainState) -> Result:
        """The answer at the end."""
        tree = self.draws.tree(now.blocks, now.start)
        self.clock.lap("evaluation")
        cost = Cost(
            seconds=self._seconds(now),
            gradients=now.evaluations if self.kernel.uses_gradients else 0,
            density_evaluations=now.evaluations,
            programs=self._programs(now),
        )
        tree["sample_stats"].attrs |= self.adaptation.made(now)
        status = Status.STOPPED if now.ended else Status.DONE
        return self.settings.result(self.problem, tree, status, cost, now.history)

    def _prepare(self, begin: Call) -> None:
        """Let threads compile, side by side, what the chains will call."""
        shapes = None if self.layout.mesh else start.ahead(*begin.args)
        if shapes is None:
            return
        states, bound, chains = lying(self.layout, shapes), self.problem.bound, self.settings.chains
        made = advance.ahead(self.kernel, self.layout, bound, chains, states, self.layout.block)
        if self.settings.longest:
            self.kernel.ahead(states, self.layout)
        if made is not None:
            self.draws.ahead(made[1])

    def _led(self) -> Generator[Call, Any, Beginnings | None]:
        """Where chains begin that are led there, by `pathfinder` or the training of networks; else `None`."""
        if self.settings.near is not None:
            key = jax.random.fold_in(self.key, 3)
            return self.settings.near.beginnings(self.problem.bound, self.settings.chains, key)
        if self.settings.start == "pathfinder":
            from credo.inference.variational.paths import beginnings  # takes time to load

            key = jax.random.fold_in(self.key, 2)
            return (yield from beginnings(self.problem, key, self.settings.chains))
        training = self.problem.training
        if training is None or self.settings.start not in ("auto", "map"):
            return None
        key = jax.random.fold_in(self.key, 1)
        modes = yield from training.modes(self.problem, key, self.settings.chains, self.listener)
        return Beginnings(modes)

    def _skipped(self, now: ChainState) -> ChainState:
        """Without the part of the warm-up that chains need not make which begin where others are."""
        near, done = self.settings.near, self.settings.skipped
        if near is None or not done:
            return now
        states = self.kernel.warmed(now.states, near.step_size, done * self.layout.thinning, self.layout)
        return dataclasses.replace(now, states=states, done=done, skipped=done, settled=True)

    def _start(self, modes: Any) -> Call:
        settings, bound = self.settings, self.problem.bound
        beginning = Beginning(settings.start, settings.start_values)
        return Call(start, self.kernel, self.layout, beginning, bound, settings.chains, self.keys, modes)

    def _count(self, now: ChainState) -> int:
        """Draws in the next block."""
        warmup = self.settings.longest
        ends = self.adaptation.ends(now) if now.done < warmup else (warmup + self.settings.draws,)
        return min(self.layout.block, min(end for end in ends if end > now.done) - now.done)

    def _warmed_up(self, then: ChainState, latents: Info, gradients: Any, info: Info) -> ChainState:
        """After a block of the warm-up."""
        then = self.adaptation.after(then, latents, gradients, info)
        self.clock.lap("warmup")
        return self._reported(then, "warmup", then.done, _numbers(info))

    def _sampled(self, then: ChainState, latents: Info, info: Info, count: int) -> ChainState:
        """After a block of draws that are kept."""
        self.clock.lap("sampling")
        done = then.done - self.settings.longest
        block = self.draws.block(latents, info, done - count)
        diverged = then.divergences + int(np.sum(info.get("diverging", 0)))
        then = dataclasses.replace(then, blocks=(*then.blocks, block), divergences=diverged)
        self.clock.lap("evaluation")
        return self._judged(then, done, _numbers(info, diverged))

    def _judged(self, then: ChainState, done: int, numbers: dict[str, float]) -> ChainState:
        """Look at the draws where it is time and someone wants to know, and stop where the rule says so."""
        stop, ended = self.settings.stop, None
        wanted = stop is not None or not isinstance(self.listener, NoListener)
        if wanted and (done >= then.next_look or done == self.settings.draws):
            numbers |= self.draws.precision(then.blocks)
            growth = _GROWTH if stop is None else _GROWTH_TO_STOP
            then = dataclasses.replace(then, next_look=done * growth)
        if stop is not None and done < self.settings.draws:
            ended = stop.reached(numbers, done, self._seconds(then).get("sampling", 0.0))
        return self._reported(dataclasses.replace(then, ended=ended), "sampling", done, numbers)

    def _reported(self, then: ChainState, phase: str, done: int, numbers: Mapping[str, float]) -> ChainState:
        """The state, once the listener has heard of it."""
        self.listener.progress(phase, done, self._total(phase), numbers)
        self.clock.lap("looks")
        return dataclasses.replace(then, history=(*then.history, {"phase": phase, "done": done, **numbers}))

    def _total(self, phase: str) -> int:
        return self.settings.longest if phase == "warmup" else self.settings.draws

    def _programs(self, now: ChainState) -> int:
        return now.programs + self.clock.programs

    def _seconds(self, now: ChainState) -> dict[str, float]:
        before, ours = now.seconds, self.clock.seconds
        return {
            phase: before.get(phase, 0.0) + ours.get(phase, 0.0) for phase in (*ours, *sorted(before.keys() - ours))
        }


def _numbers(info: Info, divergences: int | None = None) -> dict[str, float]:
    """What the steps of a block say of the chains; divergences are those of the block, unless they are given."""
    numbers = {}
    if "acceptance_rate" in info:
        numbers["acceptance_rate"] = float(np.mean(info["acceptance_rate"]))
    if "step_size" in info:
        numbers["step_size"] = float(np.mean(info["step_size"][:, -1]))
    if "diverging" in info:
        numbers["divergences"] = float(np.sum(info["diverging"]) if divergences is None else divergences)
    return numbers
