"""What all Markov chain methods have: settings, and a run from the first state to the result.

Two compiled programs do the work (`programs`), in blocks; between blocks the host has all the state there is
(`journey`), tells the listener how the chains are doing, and may keep it, so that a run can be taken up again.
"""

import abc
import dataclasses
import math
from collections.abc import Generator, Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer.mcmc import MCMCKernel

from credo import memory
from credo.errors import ConfigError, Interrupted
from credo.inference.base import NO_KEEPER, Keeper, Listener
from credo.inference.calls import Call, Calls, alone
from credo.inference.mcmc.blocks import MOST_SCALARS, Journey, Position, restored
from credo.inference.mcmc.programs import Stats, first_points, start
from credo.inference.mcmc.stop import Stop
from credo.inference.result import Kind, Result
from credo.inference.start import not_found, require_possible
from credo.models.problem import BoundModel, Problem
from credo.ranges import Count, Natural, Steps

_STEPS = 2**17
"""Kernel steps of a block, at most: while it goes on, no signal is looked at."""


_MOST_STEPS = 2**53
"""Steps of all chains together, so that no count of them overflows 64 bits."""


def _rule(given: Stop | Mapping[str, Any] | None) -> Stop | None:
    rule = Stop(**given) if isinstance(given, Mapping) else given
    return rule if rule is not None and (rule.targets or rule.minutes is not None) else None


def _arrays(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {str(name): np.asarray(value, float) for name, value in (values or {}).items()}


class Chains(eqx.Module):
    """A Markov chain Monte Carlo method. A subclass gives the kernel and names what it reports.

    Attributes:
        chains: how many chains.
        warmup: draws per chain in which the kernel adapts; they are thrown away.
        draws: draws per chain that are kept.
        thinning: kernel steps per draw.
        block: draws per chain between two looks at the chains.
        placement: `sequential` runs the chains of one device one after another, `vectorized` in step; `auto` chooses
            what `preferred` says on a CPU, and `vectorized` elsewhere.
        start: where continuous latents begin (see `start.WORDS`): `jitter`, `prior`, half of the chains each (`auto`),
            `map` or `values`.
        start_values: with `values`, latents by name, in their own space; others begin by jitter.
        stop: when to stop before all draws are made.
        keep: the variables whose draws are kept; `None` for all.
        moments: of the other variables, keep means and variances by block.
    """

    chains: Count = eqx.field(static=True)
    warmup: Natural = eqx.field(static=True)
    draws: Count = eqx.field(static=True)
    thinning: Steps = eqx.field(static=True)
    block: Count = eqx.field(static=True)
    placement: str = eqx.field(static=True)
    start: str = eqx.field(static=True)
    start_values: dict[str, Any] = eqx.field(converter=_arrays)
    stop: Stop | None = eqx.field(static=True, converter=_rule)
    moments: bool = eqx.field(static=True)
    keep: tuple[str, ...] | None = eqx.field(
        static=True, converter=lambda names: None if names is None else tuple(names)
    )

    method: ClassVar[str]
    preferred: ClassVar[str] = "sequential"
    uses_gradients: ClassVar[bool] = True
    diverges: ClassVar[bool] = False
    """Whether its transitions may diverge."""

    def __check_init__(self) -> None:
        if self.placement not in ("auto", "sequential", "vectorized"):
            raise ConfigError(f"placement: expected auto, sequential or vectorized, but got {self.placement!r}")
        if self.chains * (self.warmup + self.draws) * self.thinning > _MOST_STEPS:
            counts = {name: getattr(self, name) for name in ("chains", "warmup", "draws", "thinning")}
            name = max(counts, key=lambda name: counts[name])
            raise ConfigError(
                f"{name}: expected at most 2^53 steps of all chains (chains x (warmup + draws) x thinning), but got "
                f"{counts[name]}; lower it"
            )

    def kind(self, problem: Problem) -> Kind:  # noqa: ARG002 - for those that train
        """What its answer is made of."""
        return Kind.CHAINS

    def windows(self) -> tuple[int, ...]:
        """The draws of the warm-up after which `retuned` is asked."""
        return ()

    def retuned(self, states: Any, z: np.ndarray, trail: np.ndarray) -> Any:  # noqa: ARG002 - for those that adjust
        """The states with what the kernel can learn between two blocks of the warm-up.

        Args:
            states: of all chains.
            z: the continuous latents of recent draws [chains, draws, dim], flat and unconstrained.
            trail: what `trail` said of them [chains, draws, ...].
        """
        return states

    @abc.abstractmethod
    def kernel(self, program: BoundModel) -> MCMCKernel:
        """The NumPyro kernel for a program, with this sampler's settings."""

    @abc.abstractmethod
    def begin(self, program: BoundModel, key: jax.Array, mode: Any = None, from_prior: jax.Array | None = None) -> Any:
        """A starting point, as the kernel's `init` takes it; at `mode`, continuous latents, if it is given.

        With `start=auto` the chain may begin by a draw of the prior (see `start.find`).
        """

    def point(self, state: Any) -> Any:
        """Where a state is, as the kernel's `init` takes it."""
        return self.values(state)

    @abc.abstractmethod
    def values(self, state: Any) -> dict[str, Any]:
        """A state's latents by site: continuous ones unconstrained, discrete ones as they are."""

    @abc.abstractmethod
    def stats(self, state: Any) -> Stats:
        """What a state tells of its step, by ArviZ's names: booleans, counts and numbers (all scalars)."""

    def is_finite(self, state: Any) -> jax.Array:
        """Whether the state is one from which to go on."""
        return jnp.isfinite(self.log_density(state))

    def trail(self, state: Any) -> Any:  # noqa: ARG002 - for those that adjust
        """What `retuned` needs to know of a state."""
        return None

    def examined(self, problem: Problem, states: Any, result: Result) -> Result:  # noqa: ARG002 - for those that add
        """The result with what only the sampler can tell of it, from the last states of all chains."""
        return result

    @abc.abstractmethod
    def log_density(self, state: Any) -> jax.Array:
        """The state's log density in unconstrained space."""

    def check(self, problem: Problem) -> None:
        """Raise `ConfigError` if this method cannot do this problem."""
        problem.check()
        problem.require_priors(self.method)
        self.require_likelihood(problem)
        if problem.training is not None:
            problem.training.check(problem)
        require_possible(problem, self.start, self.start_values)
        scalars = sum(math.prod(site.shape) for site in problem.latents)
        memory.require(f"inference.chains={self.chains}", 30 * self.chains * scalars)
        memory.require(f"inference.draws={self.draws}", 4 * self.chains * self.draws)  # of one scalar at a time
        shown = [s.name for s in problem.sites if s.kind in ("latent", "deterministic") and not s.internal]
        if self.keep == ():
            raise ConfigError("inference.keep: expected names of variables, or null for all, but got an empty list")
        for name in self.keep or ():
            if name not in shown:
                raise ConfigError(f"keep: expected names among {', '.join(shown)}, but got {name!r}")
        if self.stop is not None:
            self.stop.require_known(shown if self.keep is None else self.keep)

    def require_likelihood(self, problem: Problem) -> None:
        """Raise `ConfigError` if this method needs a likelihood that cannot be computed."""
        problem.require_normalised(f"inference={self.method}")

    @property
    def in_step(self) -> bool:
        """Whether chains advance in step, each by one vectorised operation with the others, or one after another."""
        placement = self.placement
        if placement == "auto":
            placement = self.preferred if jax.default_backend() == "cpu" else "vectorized"
        return placement == "vectorized"

    def gains_by_company(self, problem: Problem) -> bool:
        """On a CPU not those that wait for the longest tree, nor those whose density has products with a table of data.

        How such a product is rounded depends on how many columns it has, and chains that adapt do not forget it.
        """
        if jax.default_backend() != "cpu":
            return self.in_step
        tables = any(np.ndim(array) > 1 for array in problem.bound.arrays.values())
        return self.in_step and self.preferred == "vectorized" and not tables

    def run(self, problem: Problem, key: jax.Array, listener: Listener, keeper: Keeper = NO_KEEPER) -> Result:
        """Run the chains.

        Raises:
            RunError: no starting point has a finite log density.
        """
        return alone(self.calls(problem, key, listener, keeper))

    def calls(self, problem: Problem, key: jax.Array, listener: Listener, keeper: Keeper = NO_KEEPER) -> Calls:
        """As `run`, by whoever makes the calls."""
        chain_key, evaluation_key = jax.random.split(key)
        program = self.program(problem)
        keys = jax.random.split(chain_key, self.chains)
        kept = keeper.load()
        modes = (yield from self._modes(problem, chain_key, listener)) if kept is None else None
        begin = Call(start, program, problem.bound, self.chains, keys, modes)
        journey = Journey(self, program, problem, evaluation_key, listener, keeper.shelve)
        if kept is None:
            states = yield begin
            now = Position(states, start=_begun(program, states, problem))
        else:
            now = restored(kept, jax.eval_shape(begin))
            journey.tell_again(now)
        try:
            while (call := journey.ahead(now)) is not None:
                now = journey.after(now, (yield call))
                if keeper.is_due():
                    keeper.save(journey.kept(now))
        except (KeyboardInterrupt, Interrupted):
            keeper.save(journey.kept(now))
            raise
        keeper.done(journey.kept(now))
        return program.examined(problem, now.states, journey.result(now))

    def _modes(self, problem: Problem, key: jax.Array, listener: Listener) -> Generator[Call, Any, Any]:
        """Where the chains of a model with networks begin, if they begin at modes; else `None`."""
        if problem.training is None or self.start not in ("auto", "map"):
            return None
        return (yield from problem.training.modes(problem, jax.random.fold_in(key, 1), self.chains, listener))

    def program(self, problem: Problem) -> "Chains":
        """These settings as an argument of compiled programs, without what would only make others of them."""
        scalars = sum(math.prod(site.shape) for site in problem.latents)
        block = min(
            self.block, max(MOST_SCALARS // (self.chains * max(scalars, 1)), 1), max(_STEPS // self.thinning, 1)
        )
        return dataclasses.replace(self, draws=1, stop=None, keep=None, moments=False, block=block)


def _begun(sampler: Chains, states: Any, problem: Problem) -> dict[str, np.ndarray]:
    """Where the chains are at first, by latent [chain, ...], unconstrained; refused where a density is not finite."""
    finite, values = jax.tree.map(np.asarray, first_points(sampler, states))
    bad = np.flatnonzero(~finite)
    if bad.size:
        raise not_found(problem, f"chain {bad[0]}", {name: value[bad[0]] for name, value in values.items()})
    return dict(values)
