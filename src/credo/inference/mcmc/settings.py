"""The settings of Markov chains around a kernel."""

import copy
import math
from collections.abc import Mapping
from typing import Any, Self

import equinox as eqx
import jax
import numpy as np
import xarray as xr

from credo import memory
from credo.errors import ConfigError
from credo.inference.grouping import Grouping
from credo.inference.kind import Kind
from credo.inference.mcmc.kernel import Kernel
from credo.inference.mcmc.layout import Layout
from credo.inference.mcmc.near import Near, shortened
from credo.inference.mcmc.stop import Stop
from credo.inference.mcmc.warmup import stretch, trial
from credo.inference.result import Cost, Result, Status
from credo.inference.start import require_possible
from credo.models.problem import Problem
from credo.ranges import Count, Natural, Steps

CHAIN_METHODS = ("auto", "sequential", "vectorized")

MOST_SCALARS = 2**23
"""Numbers in the draws of one block, and in those from which a metric is learned."""

_STEPS = 2**17
"""Kernel steps of a block, at most: while it goes on, no signal is looked at."""

_MOST_STEPS = 2**53
"""Steps of all chains together, so that no count of them overflows 64 bits."""


def _rule(stop: Stop | Mapping[str, Any] | None) -> Stop | None:
    rule = Stop(**stop) if isinstance(stop, Mapping) else stop
    return rule if rule is not None and (rule.targets or rule.minutes is not None) else None


def _arrays(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {str(name): np.asarray(value, float) for name, value in (values or {}).items()}


class Settings(eqx.Module):
    """What is chosen for a run of Markov chains.

    Attributes:
        chains: how many chains.
        warmup: draws per chain in which the kernel adapts; they are thrown away. `auto`: until its step size and metric
            have settled (see `warmup`), and `warmup_max` at most.
        draws: draws per chain that are kept.
        thinning: kernel steps per draw.
        block: draws per chain between two looks at the chains.
        chain_method: `sequential` runs the chains of one device one after another, `vectorized` in step; `auto` chooses
            what the kernel prefers on a CPU, and `vectorized` elsewhere.
        start: where continuous latents begin (see `start.WORDS`): `jitter`, `prior`, half of the chains each (`auto`),
            `map`, `pathfinder` or `values`.
        start_values: with `values`, latents by name, in their own space; others begin by jitter.
        stop: when to stop before all draws are made.
        moments: of the variables whose draws are not kept, keep means and variances by block.
        keep: the variables whose draws are kept; `None` for all.
        kernel: makes the steps; the only part of these that compiled programs take.
        warmup_max: draws of the warm-up at most, where `warmup=auto`.
        placement: the name of `chain_method` in earlier versions.
        near: finished chains of a like problem, where these begin (see `beside`); it is no setting.
    """

    chains: Count
    warmup: Natural | str
    draws: Count
    thinning: Steps
    block: Count
    chain_method: str
    start: str
    start_values: dict[str, Any] = eqx.field(converter=_arrays)
    stop: Stop | None = eqx.field(converter=_rule)
    moments: bool
    keep: tuple[str, ...] | None = eqx.field(converter=lambda names: None if names is None else tuple(names))
    kernel: Kernel
    warmup_max: Natural = 1000
    placement: str | None = None
    near: Near | None = eqx.field(init=False, default=None)

    def __check_init__(self) -> None:
        for name in ("chain_method", "placement"):
            word = getattr(self, name)
            if word not in CHAIN_METHODS and (word, name) != (None, "placement"):
                raise ConfigError(f"{name}: expected {', '.join(CHAIN_METHODS[:-1])} or vectorized, but got {word!r}")
        if isinstance(self.warmup, str) and self.warmup != "auto":
            raise ConfigError(f"warmup: expected a whole number of at least 0, or auto, but got {self.warmup!r}")
        if self.chains * (self.longest + self.draws) * self.thinning > _MOST_STEPS:
            warmup = "warmup_max" if self.is_auto else "warmup"
            counts = {name: getattr(self, name) for name in ("chains", warmup, "draws", "thinning")}
            name = max(counts, key=lambda name: counts[name])
            raise ConfigError(
                f"{name}: expected at most 2^53 steps of all chains (chains x (warmup + draws) x thinning), but got "
                f"{counts[name]}; lower it"
            )

    def beside(self, near: Near) -> Self:
        """These settings for chains that begin where others of a like problem are."""
        found = copy.copy(self)
        object.__setattr__(found, "near", near)  # modules are frozen, and this is no argument of theirs
        return found

    def suited(self, problem: Problem) -> Self:
        """These settings with what the kernel chooses by the problem."""
        if (kernel := self.kernel.suited(problem)) is self.kernel:
            return self
        found = copy.copy(self)
        object.__setattr__(found, "kernel", kernel)  # `near` stays
        return found

    @property
    def is_auto(self) -> bool:
        """Whether the warm-up ends when it has settled."""
        return self.warmup == "auto"

    @property
    def adapting(self) -> int:
        """Draws of the warm-up at most, before its step size is tried where the acceptance rate has several targets."""
        return self.warmup_max if isinstance(self.warmup, str) else self.warmup

    @property
    def longest(self) -> int:
        """Draws of the warm-up at most, with a trial and a stretch for each further target."""
        further = max(len(self.kernel.targets) - 1, 0)
        return self.adapting + further * (trial(self.adapting) + stretch(self.adapting))

    @property
    def skipped(self) -> int:
        """Draws of the warm-up that are not made where chains begin beside others."""
        return self.adapting - shortened(self.adapting) if self.near is not None and self.kernel.takes_over else 0

    def result(
        self,
        problem: Problem,
        tree: xr.DataTree,
        status: Status,
        cost: Cost,
        history: tuple[Mapping[str, float], ...] = (),
    ) -> Result:
        """The answer that such chains gave."""
        return Result(
            tree=tree,
            status=status,
            cost=cost,
            method=self.name,
            kind=Kind.CHAINS,
            statistics=self.statistics,
            sampled=problem.judged,
            observed=problem.informative,
            unread=problem.unread,
            improper=problem.improper,
            history=history,
        )

    @property
    def statistics(self) -> tuple[str, ...]:
        """What the kernel reports of each draw, by ArviZ's names."""
        names: tuple[str, ...] = self.kernel.info._fields
        return names

    @property
    def name(self) -> str:
        """The kernel's."""
        return self.kernel.name

    @property
    def in_step(self) -> bool:
        """Whether chains advance in step, each by one vectorised operation with the others, or one after another."""
        chosen = self.placement or self.chain_method
        if chosen == "auto":
            chosen = self.kernel.chain_method if jax.default_backend() == "cpu" else "vectorized"
        return chosen == "vectorized"

    def layout(self, problem: Problem) -> Layout:
        """What the programs of these chains are compiled for."""
        scalars = sum(math.prod(site.shape) for site in problem.latents)
        most = max(MOST_SCALARS // (self.chains * max(scalars, 1)), 1), max(_STEPS // self.thinning, 1)
        return Layout(
            chains=self.chains,
            warmup=self.longest * self.thinning,
            thinning=self.thinning,
            block=min(self.block, *most),
            in_step=self.in_step,
            mesh=problem.mesh,
        )

    def grouping(self, problem: Problem) -> Grouping:
        """Which draws belong together."""
        return Grouping(self.kernel.round(problem, self.thinning), self.kernel.together(self.chains))

    def check(self, problem: Problem) -> None:
        """Raise `ConfigError` if this method cannot do this problem."""
        problem.check()
        problem.require_priors(self.name)
        self.kernel.check(problem)
        if self.kernel.learns_across:
            self._require_company()
        if self.is_auto and not self.kernel.settles:
            raise ConfigError(
                f"inference.warmup=auto: inference={self.name} learns more than a step size and a metric, or has none "
                "that settles; give a whole number, as in inference.warmup=1000, or use inference=nuts"
            )
        if problem.training is not None:
            problem.training.check(problem)
        require_possible(problem, self.start, self.start_values)
        if self.start == "pathfinder":
            self._require_paths(problem)
        scalars = sum(math.prod(site.shape) for site in problem.latents)
        memory.require(f"inference.chains={self.chains}", 30 * self.chains * scalars)
        memory.require(f"inference.draws={self.draws}", 4 * self.chains * self.draws)  # of one scalar at a time
        self._require_known(problem)
        if problem.mesh is not None:
            self._require_mesh(*problem.mesh)

    def _require_mesh(self, chains: int, data: int) -> None:
        """Raise `ConfigError` unless chains can share devices like this."""
        if self.chains % chains:
            raise ConfigError(
                f"device.mesh.chains={chains}: {self.chains} chains cannot be divided into {chains} equal parts; "
                "choose another number, or change inference.chains"
            )
        if chains > 1 < data and (self.placement or self.chain_method) == "sequential":
            raise ConfigError(
                "inference.chain_method=sequential: chains on devices that share the rows, too, advance in step; leave "
                "it out, or set device.mesh.data=1"
            )

    def _require_company(self) -> None:
        """Raise `ConfigError` unless chains run in step and can learn from each other."""
        if not self.in_step:
            raise ConfigError(
                f"inference.chain_method: inference={self.name} moves all chains in step, expected vectorized, but got "
                f"{self.placement or self.chain_method}; leave it out, or use inference=nuts"
            )
        if self.chains == 1 and self.longest:
            raise ConfigError(
                f"inference.chains: inference={self.name} learns from how far chains are from each other, expected at "
                "least 2, but got 1; raise it, or use inference=nuts"
            )

    def _require_paths(self, problem: Problem) -> None:
        """Raise `ConfigError` unless there is a density in continuous latents alone, of which there is a gradient."""
        lacking = ""
        if problem.training is not None:
            lacking = "a posterior, and networks are trained"
        elif any(not site.normalised for site in problem.named("observed")):
            lacking = "the likelihood, but Z of this energy is intractable"
        elif self.kernel.moves_discrete and any(site.discrete for site in problem.latents):
            lacking = f"continuous latents alone, but inference={self.name} moves discrete ones, too"
        if lacking:
            raise ConfigError(f"inference.start: pathfinder needs {lacking}; use inference.start=auto")

    def _require_known(self, problem: Problem) -> None:
        """Raise `ConfigError` unless the model has the variables that are kept, and those are kept that are judged."""
        shown = [s.name for s in problem.sites if s.kind in ("latent", "deterministic") and not s.internal]
        if self.keep == ():
            raise ConfigError("inference.keep: expected names of variables, or null for all, but got an empty list")
        for name in self.keep or ():
            if name not in shown:
                raise ConfigError(f"keep: expected names among {', '.join(shown)}, but got {name!r}")
        if self.stop is not None:
            self.stop.require_known(shown if self.keep is None else self.keep)
