"""Parallel tempering from the prior to the posterior, for posteriors with many modes.

Each chain is a ladder of replicas (`rungs`), whose first is the prior and whose last is the posterior. Log p(data) is
the product of the steps between neighbours (Xie, Lewis, Fan, Kuo and Chen 2011, "Improving marginal likelihood
estimation for Bayesian phylogenetic model selection", Systematic Biology 60(2)); the chains' spread is its error.
"""

from collections.abc import Generator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float, PRNGKeyArray
from scipy.special import logsumexp

from credo import memory
from credo.config.naming import Named
from credo.errors import ConfigError, RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener, Snapshot
from credo.inference.calls import Call, Calls, alone
from credo.inference.clock import Clock
from credo.inference.density import require_density
from credo.inference.evaluate import Evaluation, evaluate
from credo.inference.evidence import table as evidence
from credo.inference.evidence.repeats import of_repeats
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.inference.resumable import Loop, resumable
from credo.inference.smc.exchanges import Round, adapted, block, forgotten, start
from credo.inference.smc.mutation import WORDS
from credo.inference.smc.path import by_site, require_path
from credo.inference.smc.peak import GROUP as PEAK
from credo.inference.smc.peak import peak
from credo.inference.smc.rungs import Replicas, Seen, first_ladder, ladder_of
from credo.inference.state import packed, unpacked
from credo.models.problem import Problem
from credo.ranges import Count, Natural, Steps, count

MOST = 1000
"""Beyond so many latent scalars no matrix of scales is learned."""


class Tempering(Named, eqx.Module):
    """Independent chains, each with replicas at higher temperatures.

    Attributes:
        chains: how many ladders of replicas.
        rungs: temperatures, with the prior and the posterior.
        warmup: exchanges per chain in which ladder, step sizes and metrics adapt; whole blocks are made.
        draws: draws per chain that are kept, one after each exchange.
        moves: of each replica before an exchange.
        block: exchanges between two looks at the replicas.
        mutation: `hmc`, or `random_walk`, which needs no gradient.
    """

    gives_evidence: ClassVar[bool] = True
    statistics: ClassVar[tuple[str, ...]] = ("lp",)

    chains: Count = eqx.field(static=True)
    rungs: Annotated[int, count(3)] = eqx.field(static=True)
    warmup: Natural
    draws: Count
    moves: Steps = eqx.field(static=True)
    block: Steps = eqx.field(static=True)
    mutation: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.mutation not in WORDS:
            raise ConfigError(f"mutation: expected one of {', '.join(WORDS)}, but got {self.mutation!r}")

    def kind(self, problem: Problem) -> Kind:  # noqa: ARG002 - as the others
        """What its answer is made of."""
        return Kind.CHAINS

    def check(self, problem: Problem) -> None:
        """Refuse what has no path from the prior to the posterior, or no gradient."""
        require_path(problem, self.name)
        if self.mutation == "hmc":
            require_density(problem, self.name)
        latents = sum(int(np.prod(site.shape)) for site in problem.latents)
        if latents > MOST:
            raise ConfigError(
                f"inference=tempering learns a matrix of scales at each temperature, for which {MOST} latent scalars "
                f"are the most, but the model has {latents}; use inference=nuts"
            )
        scalars = sum(int(np.prod(site.shape)) for site in problem.sites)
        memory.require(f"inference.draws={self.draws}", 4 * self.chains * self.draws * scalars)

    def run(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Result:
        """Run the chains.

        Raises:
            RunError: no replica has a finite likelihood.
        """
        return alone(self.calls(problem, key, listener, checkpointer))

    def calls(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        clock = Clock()
        chain_key, evaluation_key = jax.random.split(key)
        now = yield from resumable(TemperingLoop(self, problem, chain_key, listener), checkpointer)
        z, lp, exchange, bridge = _kept(now, self.draws)
        clock.lap("sampling")
        highest = yield from peak(problem.bound, jnp.asarray(z), jnp.asarray(lp))
        by_name = partial(jax.vmap(jax.vmap(partial(by_site, problem.bound))))
        tree = evaluate(problem, jax.tree.map(np.asarray, by_name(z)), {"lp": lp}, evaluation_key)
        start = Evaluation(problem, evaluation_key)(jax.tree.map(np.asarray, by_name(now.start[:, None])))
        tree["start"] = xr.DataTree(_starts(problem, tree, start["posterior"]))
        log_evidence = (logsumexp(bridge, axis=0) - np.log(len(bridge))).sum(axis=0)
        tree["repeats"] = xr.DataTree(xr.Dataset({"log_evidence": ("repeat", log_evidence)}))
        tree["rungs"] = xr.DataTree(_table(now, exchange))
        tree[PEAK] = xr.DataTree(highest)
        evidence.merged(tree, {self.name: of_repeats(log_evidence)})
        clock.lap("evaluation")
        evaluations = int(np.asarray(now.replicas.evaluations).sum()) * self.chains
        return Result(
            tree=tree,
            status=Status.DONE,
            cost=Cost(clock.seconds, evaluations if self.mutation == "hmc" else 0, evaluations, clock.programs),
            method=self.name,
            kind=Kind.CHAINS,
            sampled=problem.judged,
            observed=problem.informative,
            unread=problem.unread,
            statistics=self.statistics,
            history=now.history,
        )


class TemperingState(NamedTuple):
    """All chains between two blocks.

    - **replicas**, **learned** - as they are.
    - **start** - where the replicas at the posterior began.
    - **done** - blocks.
    - **warm_trips** - by chain, the trips of the warm-up.
    - **blocks** - what was seen in the blocks that are kept: arrays whose second axis is of draws.
    - **history** - what the listener heard.
    """

    replicas: Replicas
    learned: Round
    start: Float[np.ndarray, "chain dim"]
    done: int = 0
    warm_trips: Any = 0
    blocks: tuple[Mapping[str, Any], ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()


class TemperingLoop(Loop[TemperingState]):
    """All chains, a block of exchanges at a time.

    Args:
        method: the settings.
        problem: the model and its data.
        key: for all chains.
        listener: hears of each block.
    """

    def __init__(self, method: Tempering, problem: Problem, key: PRNGKeyArray, listener: Listener) -> None:
        self.method, self.problem, self.listener, self.key = method, problem, listener, key
        ladder = jnp.asarray(first_ladder(method.rungs))
        self._begin = Call(start, method, problem.bound, jax.random.fold_in(key, 0), ladder)
        self.warm, self.kept = -(-method.warmup // method.block), -(-method.draws // method.block)
        self.ends = [2**i - 1 for i in range(1, 40) if 2**i - 1 <= 0.75 * self.warm]

    def begin(self) -> Generator[Call, Any, TemperingState]:
        """All replicas at draws of the prior.

        Raises:
            RunError: the data has no finite likelihood at any of them.
        """
        replicas, learned = yield self._begin
        if not np.isfinite(np.asarray(replicas.densities.log_likelihood)).any():
            raise RunError(
                f"inference.chains={self.method.chains}: the log likelihood is finite at none of the draws of the "
                "prior; check that the prior allows the data, or raise it"
            )
        return TemperingState(replicas, learned, np.asarray(replicas.z[-1]))

    def restored(self, snapshot: Snapshot) -> TemperingState:
        """The state of a snapshot, reported anew."""
        numbers = snapshot.numbers
        for entry in numbers["history"]:
            self._report(entry)
        (replicas, learned), start, trips = unpacked(snapshot.arrays, self._shape())
        done, history = int(numbers["done"]), tuple(numbers["history"])
        return TemperingState(
            replicas, learned, np.asarray(start), done, np.asarray(trips), tuple(snapshot.blocks), history
        )

    def ahead(self, now: TemperingState) -> Call | None:
        """One more block."""
        if now.done >= self.warm + self.kept:
            return None
        key = jax.random.fold_in(self.key, now.done + 1)
        adapts = jnp.asarray(now.done < self.warm)
        return Call(block, self.method, self.problem.bound, now.replicas, now.learned, adapts, key)

    def after(self, now: TemperingState, answer: tuple[Replicas, Round, Seen]) -> TemperingState:
        """The state after that block."""
        replicas, learned, seen = answer
        then = now._replace(replicas=replicas, learned=learned, done=now.done + 1)
        if then.done <= self.warm:
            then = then._replace(warm_trips=np.asarray(replicas.trips))
            if then.done in self.ends:
                rates = np.asarray(learned.exchange / learned.exchanges, float)
                ladder = ladder_of(np.asarray(replicas.ladder, float), rates)
                then = then._replace(
                    replicas=adapted(replicas, learned, jnp.asarray(ladder)), learned=forgotten(learned)
                )
        else:
            block = {name: np.moveaxis(np.asarray(values), 0, 1) for name, values in seen._asdict().items()}
            then = then._replace(blocks=(*now.blocks, block))
        sampling = then.done > self.warm
        done = then.done - self.warm if sampling else then.done
        entry = {
            "phase": "sampling" if sampling else "warmup",
            "done": min(done * self.method.block, self.method.draws if sampling else self.method.warmup),
            "total": self.method.draws if sampling else self.method.warmup,
            "exchange_rate": float(np.mean(np.asarray(seen.exchange))),
        }
        self._report(entry)
        return then._replace(history=(*now.history, entry))

    def snapshot(self, now: TemperingState) -> Snapshot:
        """The state as a checkpointer takes it."""
        state = (now.replicas, now.learned), now.start, np.asarray(now.warm_trips) + np.zeros(len(now.start), int)
        return Snapshot(packed(state), {"done": now.done, "history": list(now.history)}, list(now.blocks))

    def _shape(self) -> Any:
        """The shapes of what a snapshot has."""
        replicas, learned = jax.eval_shape(self._begin)
        chains, dim = replicas.z.shape[1:]
        start = jax.ShapeDtypeStruct((chains, dim), replicas.z.dtype)
        return (replicas, learned), start, jax.ShapeDtypeStruct((chains,), np.dtype(int))

    def _report(self, entry: Mapping[str, Any]) -> None:
        self.listener.progress(entry["phase"], entry["done"], entry["total"], {"exchange_rate": entry["exchange_rate"]})


def _kept(now: TemperingState, draws: int) -> tuple[Any, Any, Any, Any]:
    """Draws, log densities [chain, draw], mean exchange rates [pair], and the bridges [draw, pair, chain]."""
    joined = (np.concatenate([block[name] for block in now.blocks], axis=1)[:, :draws] for name in Seen._fields)
    z, lp, exchange, bridge = (np.ascontiguousarray(np.moveaxis(values, 1, 0)) for values in joined)
    return np.moveaxis(z, 0, 1), lp.T, exchange.mean(0), bridge.astype(float)


def _starts(problem: Problem, tree: xr.DataTree, start: Mapping[str, Any]) -> xr.Dataset:
    """Where each chain began, of the variables that are judged."""
    posterior = tree["posterior"].to_dataset().isel(draw=0)
    values = {problem.names.variable(name): value[:, 0] for name, value in start.items()}
    return xr.Dataset({n: (posterior[n].dims, values[n]) for n in problem.judged if n in values}, posterior.coords)


def _table(now: TemperingState, exchange: Float[np.ndarray, "pair"]) -> xr.Dataset:
    """What is recorded of the rungs."""
    trips = np.asarray(now.replicas.trips) - now.warm_trips
    return xr.Dataset(
        {"beta": ("rung", np.asarray(now.replicas.ladder)), "exchange": ("pair", exchange), "trips": ("chain", trips)}
    )
