"""What the host does in the warm-up of Markov chains: all chains learn one metric, and it is seen when they are done.

The warm-up has parts. In the first the metric is learned at the end of each window, until the last window or until the
chains have settled, and the step size adapts to the last metric. Where the acceptance rate has several targets, a trial
of the step size follows, and for each further target a stretch in which the step size adapts to it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from credo.inference.mcmc.chain_state import ChainState
from credo.inference.mcmc.layout import Layout
from credo.inference.mcmc.settings import MOST_SCALARS, Settings
from credo.inference.mcmc.warmup import Told, settled, stretch, trial
from credo.inference.start import Beginnings

_LEAST_DRAWS = 20
"""Draws that the warm-up learns from, of models however large."""

Info = Mapping[str, np.ndarray]


class Adaptation:
    """The warm-up of one run; all that it knows of its course is in the `ChainState`.

    Args:
        settings: of the chains.
        layout: how they run.

    Attributes:
        kernels: one for each target of the acceptance rate.
    """

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self._settings, self._layout, kernel = settings, layout, settings.kernel
        self._targets = kernel.targets
        several = len(self._targets) > 1
        self.kernels = [kernel.aimed(target) for target in self._targets] if several else [kernel]
        self._windows = kernel.windows(settings.adapting)
        self._adapt_metric = self.kernels[0].adapt_metric  # a module makes its bound methods whenever it is asked

    def shaped(self, states: Any, led: Beginnings | None) -> Any:
        """With the metric that paths have learned, where all of them have, or else a first guess of all chains."""
        if not self._settings.longest:
            return states
        if led is None or led.z is None or not np.isfinite(led.z).all():
            return self.kernels[0].gathered(states, self._layout)
        return self._adapt_metric(states, np.asarray(led.z), np.asarray(led.gradients), self._layout)

    def ends(self, now: ChainState) -> tuple[int, ...]:
        """The draws of the warm-up at which it is to be looked at."""
        return (*self._open(now), now.until, self._settings.longest)

    def after(self, then: ChainState, latents: Info, gradients: Any, info: Info) -> ChainState:
        """The state after a block of the warm-up, of which the kernel told latents, gradients and Info."""
        z, gradients = self._recent(then, latents, gradients)
        then = self._heard(dataclasses.replace(then, z=z, gradients=gradients), info)
        if then.done in self._open(then):
            then = self._learned(then)
        if then.done == then.until:
            then = self._aimed(then)
        over = then.done >= self._settings.longest
        return dataclasses.replace(then, z=None, gradients=None, told=None) if over else then

    def made(self, now: ChainState) -> dict[str, float]:
        """What was made of the settings: the draws of the warm-up, and the target of the acceptance rate."""
        target = {"target_accept": float(self._targets[now.target])} if self._targets else {}
        return {"warmup": self._settings.longest - now.skipped, **target}

    def _learned(self, then: ChainState) -> ChainState:
        """At the end of a window: with another metric, and perhaps settled."""
        assert then.z is not None  # noqa: S101 - there is a window
        oldest = then.z.shape[1] // 4
        z, gradients = jax.tree.map(lambda a: a[:, oldest:], (then.z, then.gradients))
        states = self._adapt_metric(then.states, z, gradients, self._layout)
        now = dataclasses.replace(then, states=states, z=z, gradients=gradients, told=None)
        if then.told is None or not self._settings.is_auto or states is then.states:
            return now
        in_use, learned = (self.kernels[0].suits(one, z, gradients) for one in (then.states, states))
        target = self._targets[then.target]
        if not settled(Told(*then.told), then.done, z.shape[-1], target, in_use, learned):
            return now
        until = min(then.done + stretch(self._settings.adapting), then.until)
        return dataclasses.replace(now, settled=True, until=until, z=None, gradients=None)

    def _aimed(self, then: ChainState) -> ChainState:
        """At the end of a part of the warm-up: try the step size, or take another target, or end the warm-up."""
        adapting, more = self._settings.adapting, then.target + 1 < len(self._targets)
        now = dataclasses.replace(then, settled=True, z=None, gradients=None, told=None)
        if then.is_trial and then.told is not None and Told(*then.told).has_failed:
            states = self.kernels[0].warmed(then.states, 0.0, then.done * self._layout.thinning, self._layout)
            until = then.done + stretch(adapting)
            return dataclasses.replace(now, states=states, target=then.target + 1, is_trial=False, until=until)
        if then.done == self._settings.longest:
            return now
        states = then.states if then.is_trial else self.kernels[0].settled(then.states, self._layout)
        if more and not then.is_trial:
            return dataclasses.replace(now, states=states, is_trial=True, until=then.done + trial(adapting))
        longest = self._settings.longest
        return dataclasses.replace(now, states=states, done=longest, skipped=then.skipped + longest - then.done)

    def _heard(self, then: ChainState, info: Info) -> ChainState:
        """With what the kernel told, where that decides anything."""
        if not (self._settings.is_auto or then.is_trial):
            return then
        told = np.stack(Told.of(info))
        return dataclasses.replace(then, told=told if then.told is None else np.concatenate([then.told, told], axis=2))

    def _open(self, now: ChainState) -> tuple[int, ...]:
        """The windows at whose ends the metric is still learned."""
        return () if now.settled else self._windows

    def _recent(self, then: ChainState, latents: Info, gradients: Any) -> tuple[Any, Any]:
        """The draws of the warm-up from which there is something to learn, and their gradients."""
        if not any(window >= then.done for window in self._open(then)):
            return None, None
        flat = np.concatenate([latents[n].reshape(*latents[n].shape[:2], -1) for n in sorted(latents)], axis=-1)
        recent = (flat, gradients)
        if then.z is not None:
            before = (then.z, then.gradients)
            recent = jax.tree.map(lambda old, new: np.concatenate([old, new], axis=1), before, recent)
        while recent[0].shape[1] > _LEAST_DRAWS and recent[0].size > MOST_SCALARS:
            recent = jax.tree.map(lambda a: a[:, 1::2], recent)
        return recent
