"""Sequential Monte Carlo from the prior to the posterior, with temperatures that the particles choose.

Del Moral, Doucet and Jasra (2006), "Sequential Monte Carlo samplers", JRSS B 68(3). At each temperature the particles
are weighted, resampled and moved. Independent repeats judge each other: their spread is the error of log p(data).
"""

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array, lax
from jax.scipy.special import logsumexp
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from credo import memory
from credo.config.naming import Named
from credo.errors import ConfigError, RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener, Snapshot
from credo.inference.calls import Call, Calls, alone
from credo.inference.clock import Clock
from credo.inference.density import Program, require_density
from credo.inference.evaluate import evaluate
from credo.inference.evidence import table as evidence
from credo.inference.evidence.repeats import of_repeats
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.inference.resumable import Loop, resumable
from credo.inference.smc.mutation import WORDS, Mutated, mutate
from credo.inference.smc.path import Densities, by_site, densities, flat, require_path
from credo.inference.smc.peak import GROUP as PEAK
from credo.inference.smc.peak import peak
from credo.inference.smc.population import effective, founders, next_beta, resampled, spread
from credo.inference.state import packed, unpacked
from credo.models.binding import BoundModel
from credo.models.problem import Problem
from credo.ranges import Between, Count, Several, Steps

_FIRST_STEP = 0.5
"""The step size at the first temperature, in the metric of the particles."""


class Population(NamedTuple):
    """All that one repeat is between two temperatures.

    - **z** - the particles, unconstrained.
    - **densities** - of each.
    - **beta** - the inverse temperature: 0 at the prior, 1 at the posterior.
    - **log_evidence** - of the path so far.
    - **ancestor** - of each particle, the number of the draw of the prior from which it descends.
    - **step** - the step size of the moves.
    - **evaluations** - of the density so far, per particle.
    - **key** - for what is to come.
    """

    z: Float[Array, "particle dim"]
    densities: Densities
    beta: Float[Array, ""]
    log_evidence: Float[Array, ""]
    ancestor: Int[Array, "particle"]
    step: Float[Array, ""]
    evaluations: Int[Array, ""]
    key: PRNGKeyArray


class Rung(NamedTuple):
    """What is reported of one temperature of one repeat.

    - **beta** - the inverse temperature.
    - **effective** - the share of the particles that is effective before they are resampled.
    - **acceptance** - the mean acceptance probability of the last move.
    - **transitions** - how many moves were made.
    """

    beta: Float[Array, "..."]
    effective: Float[Array, "..."]
    acceptance: Float[Array, "..."]
    transitions: Int[Array, "..."]


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
        scalars = sum(int(np.prod(site.shape)) for site in problem.sites)
        memory.require(f"inference.particles={self.particles}", 4 * self.particles * (self.repeats + scalars))

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
        z, stats = yield Call(_answer, problem.bound, now.populations)
        clock.lap("sampling")
        highest = yield from peak(problem.bound, now.populations.z, stats["lp"])
        draws, stats = jax.tree.map(np.asarray, (z, stats))
        tree = evaluate(problem, draws, stats, evaluation_key)
        log_evidence = np.asarray(now.populations.log_evidence, float)
        tree[PEAK] = xr.DataTree(highest)
        tree["temperatures"] = xr.DataTree(_table(now))
        tree["repeats"] = xr.DataTree(xr.Dataset({"log_evidence": ("repeat", log_evidence)}))
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
        self._begin = Call(_start, method, problem.bound, jax.random.split(key, method.repeats))

    def begin(self) -> Generator[Call, Any, SmcState]:
        """Draws of the prior.

        Raises:
            RunError: in a repeat the data has no finite likelihood at any of them.
        """
        now = SmcState((yield self._begin))
        known = np.isfinite(np.asarray(now.populations.densities.log_likelihood)).any(axis=1)
        if not known.all():
            raise RunError(
                f"inference.particles={self.method.particles}: the log likelihood is finite at none of the draws of "
                "the prior; check that the prior allows the data, or raise it"
            )
        return now

    def restored(self, snapshot: Snapshot) -> SmcState:
        """The state of a snapshot, reported anew."""
        numbers = snapshot.numbers
        for entry in numbers["history"]:
            self._report(entry)
        populations = unpacked(snapshot.arrays, jax.eval_shape(self._begin))
        return SmcState(populations, tuple(numbers["rungs"]), tuple(numbers["history"]))

    def ahead(self, now: SmcState) -> Call | None:
        """The next temperature."""
        if (now.betas >= 1).all():
            return None
        return Call(_advance, self.method, self.problem.bound, now.populations)

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


@jax.jit
def _start(method: Smc, program: BoundModel, keys: Shaped[Array, "repeat ..."]) -> Population:
    """Every repeat's own draws of the prior."""

    def start(key: PRNGKeyArray) -> Population:
        key, own = jax.random.split(key)
        z = jax.vmap(partial(flat, program))(jax.random.split(own, method.particles))
        finite = jnp.isfinite(z).all(-1)
        z = jnp.where(finite[:, None], z, 0.0)
        found = jax.vmap(partial(densities, program))(z)
        found = found._replace(log_likelihood=jnp.where(finite, found.log_likelihood, -jnp.inf))
        zero = jnp.zeros((), z.dtype)
        number = jnp.arange(method.particles)
        return Population(z, found, zero, zero, number, zero + _FIRST_STEP, jnp.ones((), int), key)

    return lax.map(start, keys)


@jax.jit
def _advance(method: Smc, program: BoundModel, populations: Population) -> tuple[Population, Rung]:
    """One temperature of every repeat; one that is at the posterior stays."""

    def stay(now: Population) -> tuple[Population, Rung]:
        nothing = jnp.full_like(now.beta, jnp.nan)
        return now, Rung(nothing, nothing, nothing, jnp.zeros((), int))

    def advance(now: Population) -> tuple[Population, Rung]:
        return lax.cond(now.beta >= 1, stay, partial(_tempered, method, program), now)

    return lax.map(advance, populations)


def _tempered(method: Smc, program: Program, now: Population) -> tuple[Population, Rung]:
    """One temperature of one repeat."""
    key, resample_key, mutate_key = jax.random.split(now.key, 3)
    count = method.particles
    beta = next_beta(now.densities.log_likelihood, now.beta, jnp.asarray(method.ess))
    log_weight = (beta - now.beta) * now.densities.log_likelihood
    chosen = resampled(log_weight, resample_key)
    here: tuple[Array, Densities] = jax.tree.map(lambda a: a[chosen], (now.z, now.densities))
    zero = jnp.zeros_like(beta)
    begin = Mutated(*here, now.step, zero, jnp.zeros((), int), now.evaluations)
    root = spread(now.z, log_weight)
    moved = mutate(method.mutation, program, beta, begin, root, method.transitions, mutate_key)
    log_evidence = now.log_evidence + logsumexp(log_weight) - jnp.log(jnp.asarray(count, beta.dtype))
    then = Population(
        moved.z, moved.densities, beta, log_evidence, now.ancestor[chosen], moved.step, moved.evaluations, key
    )
    return then, Rung(beta, effective(log_weight) / count, moved.acceptance, moved.transitions)


@jax.jit
def _answer(program: BoundModel, populations: Population) -> tuple[Any, dict[str, Float[Array, "repeat particle"]]]:
    """The particles by site, and the log joint density of each."""
    lp = populations.densities.log_prior + populations.densities.log_likelihood
    return jax.vmap(jax.vmap(partial(by_site, program)))(populations.z), {"lp": lp}


def _table(now: SmcState) -> xr.Dataset:
    """What is recorded of the repeats and their temperatures; NaN where a repeat had ended before."""
    columns = {name: np.array([rung[name] for rung in now.rungs], float).T for name in Rung._fields}
    dims = ("repeat", "temperature")
    descent = np.asarray(jax.vmap(founders)(now.populations.ancestor))
    return xr.Dataset({name: (dims, values) for name, values in columns.items()} | {"founders": ("repeat", descent)})
