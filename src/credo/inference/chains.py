"""The driver of all Markov chains: NumPyro's kernels, advanced in blocks by two compiled programs.

`start` is the kernel's `init` and `advance` a loop over its `sample`; warm-up and sampling use the same `advance`. The
model, the data and the sampler's numbers are arguments of both, so another prior scale, step size or data set of the
same shape reuses them. Chains are spread over the devices; those of one device run one after another or vectorised.
Between blocks the host has all the state there is, and tells the listener how the chains are doing.
"""

import abc
import math
from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, PartitionSpec
from numpyro.infer.mcmc import MCMCKernel

from credo.contracts import Listener
from credo.diagnostics.summary import running
from credo.errors import ConfigError
from credo.inference.clock import Clock
from credo.inference.evaluate import evaluate
from credo.inference.start import not_found
from credo.models.problem import BoundModel, Problem
from credo.result import Cost, Result, Status

Stats = dict[str, Any]

_GROWTH = 1.25
"""R-hat and ESS are looked at anew once there are so many times the draws: all looks cost a few of the last."""


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
    """

    chains: int = eqx.field(static=True)
    warmup: int = eqx.field(static=True)
    draws: int = eqx.field(static=True)
    thinning: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    placement: str = eqx.field(static=True)

    method: ClassVar[str]
    preferred: ClassVar[str] = "sequential"
    uses_gradients: ClassVar[bool] = True

    def __check_init__(self) -> None:
        for name, least in (("chains", 1), ("draws", 1), ("warmup", 0), ("thinning", 1), ("block", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: expected a whole number of at least {least}, got {getattr(self, name)}")
        if self.placement not in ("auto", "sequential", "vectorized"):
            raise ConfigError(f"placement: expected auto, sequential or vectorized, but got {self.placement!r}")

    def settled(self, problem: Problem) -> "Chains":  # noqa: ARG002 - for those that adjust
        """These settings, with what was left to be chosen chosen for a problem."""
        return self

    @abc.abstractmethod
    def kernel(self, program: BoundModel) -> MCMCKernel:
        """The NumPyro kernel for a program, with this sampler's settings."""

    @abc.abstractmethod
    def start(self, program: BoundModel, key: jax.Array) -> Any:
        """A starting point, as the kernel's `init` takes it."""

    def point(self, state: Any) -> Any:
        """Where a state is, as the kernel's `init` takes it."""
        return self.values(state)

    @abc.abstractmethod
    def values(self, state: Any) -> dict[str, Any]:
        """A state's latents by site: continuous ones unconstrained, discrete ones as they are."""

    @abc.abstractmethod
    def stats(self, state: Any) -> Stats:
        """What a state tells of its step, by ArviZ's names: booleans, counts and numbers (all scalars)."""

    @abc.abstractmethod
    def log_density(self, state: Any) -> jax.Array:
        """The state's log density in unconstrained space."""

    def check(self, problem: Problem) -> None:
        """Raise `ConfigError` if this method cannot do this problem."""
        problem.check()

    def run(self, problem: Problem, key: jax.Array, listener: Listener) -> Result:
        """Run the chains.

        Raises:
            RunError: no starting point has a finite log density.
        """
        sampler = self.settled(problem)
        clock = Clock()
        chain_key, evaluation_key = jax.random.split(key)
        keys = jax.random.split(chain_key, self.chains)
        states = _start(sampler, problem.bound, keys)
        _require_finite(np.asarray(_log_densities(sampler, states)), problem)
        draws: list[Stats] = []
        stats: list[Stats] = []
        course: list[dict[str, Any]] = []
        evaluations, next_look = 0, 0.0
        for phase, total in (("warmup", self.warmup), ("sampling", self.draws)):
            for done, count in _blocks(total, self.block):
                states, block_draws, block_stats = _advance(sampler, problem.bound, states, count)
                block_stats = {name: np.asarray(value)[:, :count] for name, value in block_stats.items()}
                evaluations += int(np.sum(block_stats["n_steps"]))
                if phase == "sampling":
                    draws.append({name: np.asarray(value)[:, :count] for name, value in block_draws.items()})
                    stats.append(block_stats)
                clock.lap(phase)
                numbers = self._numbers(block_stats, stats)
                if phase == "sampling" and (done >= next_look or done == total):
                    numbers |= running(_joined(draws))
                    next_look = _GROWTH * done
                course.append({"phase": phase, "done": done, **numbers})
                listener.progress(phase, done, total, numbers)
                clock.lap("looks")
        tree = evaluate(problem, _joined(draws), _finished(_joined(stats)), evaluation_key)
        clock.lap("evaluation")
        return Result(
            tree=tree,
            status=Status.DONE,
            cost=Cost(
                seconds=clock.seconds,
                gradients=evaluations if self.uses_gradients else 0,
                density_evaluations=evaluations,
                programs=clock.programs,
            ),
            method=self.method,
            kind="draws",
            sampled=tuple(site.name for site in problem.latents if not site.internal),
            course=tuple(course),
        )

    def _numbers(self, block: Stats, stats: list[Stats]) -> dict[str, float]:
        """What the steps tell of the chains by now."""
        numbers = {"acceptance_rate": float(np.mean(block["acceptance_rate"]))}
        if "step_size" in block:
            numbers["step_size"] = float(np.mean(block["step_size"][:, -1]))
        if "diverging" in block:
            numbers["divergences"] = float(sum(int(np.sum(one["diverging"])) for one in (stats or [block])))
        return numbers


def _mesh(chains: int) -> jax.sharding.Mesh:
    """As many devices as share the chains evenly."""
    size = math.gcd(chains, len(jax.devices()))
    return jax.make_mesh((size,), ("chains",), (AxisType.Auto,), devices=jax.devices()[:size])


def _over_chains(sampler: Chains, function: Any, program: BoundModel, per_chain: Any, *shared: Any) -> Any:
    """Apply `function(program, one chain's input, *shared)` to all chains, wherever they are."""
    placement = sampler.placement
    if placement == "auto":
        placement = sampler.preferred if jax.default_backend() == "cpu" else "vectorized"

    def on_device(program: BoundModel, per_chain: Any, *shared: Any) -> Any:
        one = partial(_last, function, program, shared)
        return lax.map(one, per_chain) if placement == "sequential" else jax.vmap(one)(per_chain)

    mesh = _mesh(sampler.chains)
    if mesh.size == 1:
        return on_device(program, per_chain, *shared)
    chain, everywhere = PartitionSpec("chains"), PartitionSpec()
    spread = jax.shard_map(
        on_device,
        mesh=mesh,
        in_specs=(everywhere, chain, *[everywhere] * len(shared)),
        out_specs=chain,
        check_vma=False,
    )
    return spread(program, per_chain, *shared)


def _last(function: Any, program: BoundModel, shared: tuple[Any, ...], one: Any) -> Any:
    return function(program, one, *shared)


@jax.jit
def _start(sampler: Chains, program: BoundModel, keys: jax.Array) -> Any:
    """The chains' first states."""

    def start(program: BoundModel, key: jax.Array) -> Any:
        start_key, chain_key = jax.random.split(key)
        kernel = sampler.kernel(program)
        return kernel.init(chain_key, sampler.warmup * sampler.thinning, sampler.start(program, start_key), (), {})

    return _over_chains(sampler, start, program, keys)


@jax.jit
def _log_densities(sampler: Chains, states: Any) -> jax.Array:
    return jax.vmap(sampler.log_density)(states)


@jax.jit
def _advance(sampler: Chains, program: BoundModel, states: Any, count: int) -> tuple[Any, dict[str, Any], Stats]:
    """Advance all chains by `count` <= `sampler.block` draws.

    Returns:
        The new states, the draws and their stats, each [chains, block, ...], of which the first `count` are filled.
    """

    def advance(program: BoundModel, state: Any, count: jax.Array) -> Any:
        kernel = sampler.kernel(program)
        # NumPyro's kernels keep what `sample` needs as attributes that `init` sets; its numbers are not used.
        kernel.init(jax.random.PRNGKey(0), sampler.warmup * sampler.thinning, sampler.point(state), (), {})

        def draw(state: Any) -> Any:
            state = kernel.sample(state, (), {})
            first = (state, sampler.stats(state))
            return lax.fori_loop(1, sampler.thinning, lambda _, carry: _step(sampler, kernel, carry), first)

        def keep(i: jax.Array, carry: Any) -> Any:
            state, kept = carry
            state, stats = draw(state)
            new = (sampler.values(state), stats)
            return state, jax.tree.map(lambda all_, one: all_.at[i].set(one), kept, new)

        shapes = jax.eval_shape(lambda s: (sampler.values(s), sampler.stats(s)), state)
        room = jax.tree.map(lambda a: jnp.zeros((sampler.block, *a.shape), a.dtype), shapes)
        state, (values, stats) = lax.fori_loop(0, count, keep, (state, room))
        return state, values, stats

    return _over_chains(sampler, advance, program, states, count)


def _step(sampler: Chains, kernel: MCMCKernel, carry: tuple[Any, Stats]) -> tuple[Any, Stats]:
    """One more kernel step of the same draw: flags are joined, counts added, numbers replaced."""
    state, before = carry
    state = kernel.sample(state, (), {})
    now = sampler.stats(state)
    return state, jax.tree.map(_join, before, now)


def _join(before: jax.Array, now: jax.Array) -> jax.Array:
    if now.dtype == bool:
        return before | now
    return before + now if jnp.issubdtype(now.dtype, jnp.integer) else now


def _blocks(total: int, block: int) -> list[tuple[int, int]]:
    """(draws done after the block, draws of the block)."""
    return [(min(first + block, total), min(block, total - first)) for first in range(0, total, block)]


def _joined(blocks: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([block[name] for block in blocks], axis=1) for name in blocks[0]}


def _finished(stats: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values.astype(int) if name == "tree_depth" else values for name, values in stats.items()}


def _require_finite(log_density: np.ndarray, problem: Problem) -> None:
    bad = np.flatnonzero(~np.isfinite(log_density))
    if bad.size:
        raise not_found(problem, f"chain {bad[0]}")
