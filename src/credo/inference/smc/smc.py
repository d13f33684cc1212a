"""Sequential Monte Carlo from the prior to the posterior, with temperatures that the particles choose.

Del Moral, Doucet and Jasra (2006), "Sequential Monte Carlo samplers", JRSS B 68(3). At each temperature the particles
are weighted, resampled and moved. Independent repeats judge each other: their spread is the error of log p(data).
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import numpy as np
import xarray as xr
from jaxtyping import Float, PRNGKeyArray

from credo.config.naming import Named
from credo.errors import ConfigError, RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener, Snapshot
from credo.inference.calls import Call, Calls, alone
from credo.inference.clock import Clock
from credo.inference.density import require_density
from credo.inference.evaluate import evaluate
from credo.inference.evidence import table as evidence
from credo.inference.evidence.repeats import of_repeats
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.inference.resumable import Loop, resumable
from credo.inference.smc.mutation import WORDS
from credo.inference.smc.particles import Population, Rung, advance, answer, start
from credo.inference.smc.path import require_path, require_room
from credo.inference.smc.peak import GROUP as PEAK
from credo.inference.smc.peak import peak
from credo.inference.smc.population import founders
from credo.inference.state import packed, unpacked
from credo.models.problem import Problem
from credo.ranges import Between, Count, Several, Steps


class Smc(Named, eqx.Module):
    """Independent repeats of a population of particles.

    Attributes:
        particles: of each repeat.
        repeats: how many populations, each by itself.
        ess: the share of the particles that stays effective from one temperature to the next.
        mutation: `hmc`, or `random_walk`, which needs no gradient.
        transitions: moves at each temperature, at most; they end as soon as no scalar remembers where it began.
    """

    gives_evidence: ClassVar[bool] = True
    extends: ClassVar[str] = "repeats"

    particles: Several = eqx.field(static=True)
    repeats: Count = eqx.field(static=True)
    ess: Between
    mutation: str = eqx.field(static=True)
    transitions: Steps

    def __check_init__(self) -> None:
        if self.mutation not in WORDS:
            raise ConfigError(f"mutation: expected one of {', '.join(WORDS)}, but got {self.mutation!r}")

    def kind(self, problem: Problem) -> Kind:  # noqa: ARG002 - as the others
        """What its answer is made of."""
        return Kind.WEIGHTED

    def check(self, problem: Problem) -> None:
        """Refuse what has no path from the prior to the posterior, or no gradient."""
        require_path(problem, self.name)
        if self.mutation == "hmc":
            require_density(problem, self.name)
        require_room(problem, self.particles, self.repeats)

    def run(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Result:
        """Bring the particles to the posterior.

        Raises:
            RunError: no particle of a repeat has a finite likelihood.
        """
        return alone(self.calls(problem, key, listener, checkpointer))

    def calls(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        clock = Clock()
        path_key, evaluation_key = jax.random.split(key)
        now = yield from resumable(SmcLoop(self, problem, path_key, listener), checkpointer)
        z, stats = yield Call(answer, problem.bound, now.populations)
        clock.lap("sampling")
        highest = yield from peak(problem.bound, now.populations.z, stats["lp"])
        draws, stats = jax.tree.map(np.asarray, (z, stats))
        tree = evaluate(problem, draws, stats, evaluation_key)
        log_evidence = np.asarray(now.populations.log_evidence, float)
        tree[PEAK] = xr.DataTree(highest)
        tree["temperatures"] = xr.DataTree(_table(now))
        descent = np.asarray(jax.vmap(founders)(now.populations.ancestor))
        repeats = {"log_evidence": log_evidence, "founders": descent}
        tree["repeats"] = xr.DataTree(xr.Dataset({name: ("repeat", values) for name, values in repeats.items()}))
        evidence.merged(tree, {self.name: of_repeats(log_evidence)})
        clock.lap("evaluation")
        evaluations = int(np.asarray(now.populations.evaluations).sum()) * self.particles
        return Result(
            tree=tree,
            status=Status.DONE,
            cost=Cost(clock.seconds, evaluations if self.mutation == "hmc" else 0, evaluations, clock.programs),
            method=self.name,
            kind=Kind.WEIGHTED,
            sampled=problem.judged,
            observed=problem.informative,
            unread=problem.unread,
            statistics=("lp",),
            history=now.history,
        )


class SmcState(NamedTuple):
    """All repeats between two temperatures.

    - **populations** - their particles, with a leading axis [repeat].
    - **rungs** - what was reported of each temperature: lists by repeat, by the names in `Rung`.
    - **history** - what the listener heard.
    """

    populations: Population
    rungs: Sequence[Mapping[str, Sequence[float]]] = ()
    history: tuple[Mapping[str, Any], ...] = ()

    def joined(self, others: "SmcState") -> "SmcState":
        """With repeats that begin now."""
        populations = jax.tree.map(lambda *both: np.concatenate(both), self.populations, others.populations)
        new = len(others.betas)
        nothing = {name: [0 if name == "transitions" else np.nan] * new for name in Rung._fields}
        rungs = [{name: [*values, *nothing[name]] for name, values in rung.items()} for rung in self.rungs]
        return self._replace(populations=populations, rungs=tuple(rungs))

    @property
    def betas(self) -> Float[np.ndarray, "repeat"]:
        """The inverse temperatures."""
        return np.asarray(self.populations.beta)


class SmcLoop(Loop[SmcState]):
    """All repeats, one temperature at a time; those that are at the posterior stay.

    Args:
        method: the settings.
        problem: the model and its data.
        key: for all repeats.
        listener: hears of each temperature.
    """

    def __init__(self, method: Smc, problem: Problem, key: PRNGKeyArray, listener: Listener) -> None:
        self.method, self.problem, self.listener = method, problem, listener
        self._keys = jax.random.split(key, method.repeats)

    def begin(self) -> Generator[Call, Any, SmcState]:
        """Draws of the prior.

        Raises:
            RunError: in a repeat the data has no finite likelihood at any of them.
        """
        return self._state((yield self._start(0)))

    def _start(self, first: int) -> Call:
        """The call that begins the repeats from a number on."""
        return Call(start, self.method, self.problem.bound, self._keys[first:])

    def _state(self, populations: Population) -> SmcState:
        known = np.isfinite(np.asarray(populations.densities.log_likelihood)).any(axis=1)
        if not known.all():
            raise RunError(
                f"inference.particles={self.method.particles}: the log likelihood is finite at none of the draws of "
                "the prior; check that the prior allows the data, or raise it"
            )
        return SmcState(populations)

    def restored(self, snapshot: Snapshot) -> SmcState:
        """The state of a snapshot, reported anew; repeats that it has not are at the prior."""
        numbers = snapshot.numbers
        for entry in numbers["history"]:
            self._report(entry)
        repeats = len(snapshot.arrays["state/0"])
        shape = jax.eval_shape(self._start(0))
        kept = jax.tree.map(lambda a: jax.ShapeDtypeStruct((repeats, *a.shape[1:]), a.dtype), shape)
        now = SmcState(unpacked(snapshot.arrays, kept), tuple(numbers["rungs"]), tuple(numbers["history"]))
        return now if repeats == self.method.repeats else now.joined(self._state(self._start(repeats)()))

    def ahead(self, now: SmcState) -> Call | None:
        """The next temperature."""
        if (now.betas >= 1).all():
            return None
        return Call(advance, self.method, self.problem.bound, now.populations)

    def after(self, now: SmcState, answer: tuple[Population, Rung]) -> SmcState:
        """The state at that temperature.

        Raises:
            RunError: the temperature no longer falls.
        """
        populations, rung = answer
        reported = {name: np.asarray(values).tolist() for name, values in rung._asdict().items()}
        then = SmcState(populations, (*now.rungs, reported))
        if ((then.betas <= now.betas) & (now.betas < 1)).any():
            raise RunError(
                f"inference.ess={self.method.ess}: no temperature is near enough to the one before; the log likelihood "
                "differs too much between the particles; look at its scale, or set device.precision=float64"
            )
        done = len(then.rungs)
        entry = {
            "phase": "tempering",
            "done": done,
            "total": done + int((then.betas < 1).any()),
            "inverse_temperature": float(then.betas.min()),
            "acceptance_rate": float(np.nanmean(reported["acceptance"])),
        }
        self._report(entry)
        return then._replace(history=(*now.history, entry))

    def snapshot(self, now: SmcState) -> Snapshot:
        """The state as a checkpointer takes it."""
        return Snapshot(packed(now.populations), {"rungs": list(now.rungs), "history": list(now.history)})

    def _report(self, entry: Mapping[str, Any]) -> None:
        numbers = {name: entry[name] for name in ("inverse_temperature", "acceptance_rate")}
        self.listener.progress("tempering", entry["done"], entry["total"], numbers)


def _table(now: SmcState) -> xr.Dataset:
    """What is recorded of the repeats and their temperatures, each from its first on; NaN where it had ended before."""
    columns = {name: np.array([rung[name] for rung in now.rungs], float).T for name in Rung._fields}
    known = np.isfinite(columns["beta"])
    order = np.argsort(~known, axis=1, kind="stable")[:, : known.sum(axis=1).max()]
    columns = {name: np.take_along_axis(values, order, axis=1) for name, values in columns.items()}
    return xr.Dataset({name: (("repeat", "temperature"), values) for name, values in columns.items()})
