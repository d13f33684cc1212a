"""Variational inference: the member of a family with the highest ELBO, from several starts, corrected.

Kucukelbir, Tran, Ranganath, Gelman and Blei (2017), "Automatic differentiation variational inference", JMLR 18(14). It
begins at what Pathfinder finds, whose standard deviations are the unit of its steps; `stopping` says when they end.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray

from credo import memory
from credo.errors import ConfigError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener, Snapshot
from credo.inference.calls import Call, Calls
from credo.inference.clock import Clock
from credo.inference.density import Values
from credo.inference.point import batches
from credo.inference.result import Status
from credo.inference.resumable import Loop, resumable
from credo.inference.state import packed, unpacked
from credo.inference.variational import fit
from credo.inference.variational.approximation import independent
from credo.inference.variational.families import Around
from credo.inference.variational.mixture import Course, Mixture
from credo.inference.variational.paths import Paths
from credo.inference.variational.stopping import RATES, Stage, stage
from credo.models.problem import Problem
from credo.ranges import Count, NonNegative, Positive

FAMILIES = ("meanfield", "full_rank", "low_rank", "flow")

MOST = 1000
"""Beyond so many latent scalars no matrix of them is fitted."""


class Vi(Mixture):
    """Independent draws of the best members of a family, one per start, mixed and corrected.

    Attributes:
        family: `meanfield`, `full_rank` or `low_rank`, which are normal distributions, or `flow`.
        steps: of Adam, at most per start.
        learning_rate: at first, in standard deviations; it falls to a tenth. A `flow` learns by a fifth of it.
        tolerance: a rise of the ELBO by less counts for none, in nats.
        elbo_draws: from which the gradient of every step is estimated.
        batch_size: rows per step; `None` for all.
    """

    extends: ClassVar[str] = "steps"

    family: str = eqx.field(static=True)
    steps: Count = eqx.field(static=True)
    learning_rate: Positive
    tolerance: NonNegative
    elbo_draws: Count = eqx.field(static=True)
    batch_size: Count | None = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ConfigError(f"family: expected {', '.join(FAMILIES[:-1])} or {FAMILIES[-1]}, but got {self.family!r}")

    @property
    def rate(self) -> Any:
        """The learning rate; a fifth of it where networks learn, whose weights have no unit."""
        return self.learning_rate / 5 if self.family == "flow" else self.learning_rate

    def check(self, problem: Problem) -> None:
        """Refuse what has no density, does not fit memory, or cannot be cut into minibatches."""
        super().check(problem)
        scalars = sum(int(np.prod(site.shape)) for site in problem.latents if not site.discrete)
        if self.family == "full_rank" and scalars > MOST:
            raise ConfigError(
                f"inference=vi fits a matrix with inference.family=full_rank, for which {MOST} latent scalars are the "
                f"most, but the model has {scalars}; use inference.family=low_rank, or use inference=nuts"
            )
        memory.require(f"inference.starts={self.starts}", 100 * self.starts * scalars)
        if self.batch_size is not None:
            batches.require_rows(problem, self.batch_size)

    def calls(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        clock = Clock()
        start_key, judge_key, draw_key = jax.random.split(key, 3)
        now = yield from resumable(FitLoop(self, problem, start_key, listener), checkpointer)
        families = Around(now.fits.place, now.fits.average)
        elbo = np.asarray((yield Call(fit.judge, self, problem.bound, now.z, families, judge_key)), float)
        clock.lap("optimisation")
        tree = yield from self.mixed(problem, families, now.z, now.course(elbo, self.tolerance), draw_key)
        clock.lap("evaluation")
        gradients = now.evaluations(self)
        counts = gradients, gradients + self.draws + elbo.size * 1000
        status = Status.DONE if now.ended(self.tolerance).any() else Status.NOT_CONVERGED
        return independent(self, problem, tree, clock, counts, tuple(now.history), status)


class FitState(NamedTuple):
    """Where the fits are between two blocks.

    - **fits** - of all starts.
    - **z** - latents by site, of which only the shapes count.
    - **history** - what the listener heard, with the mean ELBO of each start in the block.
    - **before** - gradients that Pathfinder took.
    """

    fits: fit.Fit
    z: Values
    history: Sequence[Mapping[str, Any]] = ()
    before: int = 0

    @property
    def done(self) -> int:
        """Steps so far."""
        return int(self.history[-1]["done"]) if self.history else 0

    def stages(self, tolerance: float) -> list[Stage]:
        """Where each start is."""
        courses = np.array([entry["elbos"] for entry in self.history], float).T
        starts = len(self.fits.averaged)
        return [stage(courses[i].tolist() if len(courses) else (), tolerance) for i in range(starts)]

    def ended(self, tolerance: float) -> Bool[np.ndarray, "start"]:
        """Which starts have ended by the rule."""
        return np.array([one.number == len(RATES) for one in self.stages(tolerance)])

    def course(self, elbo: Float[np.ndarray, "start"], tolerance: float) -> Course:
        """The ELBO of each start."""
        done = np.array([entry["done"] for entry in self.history])
        looks = np.array([entry["elbos"] for entry in self.history], float).T
        kept = [float(done[one.ended - 1]) for one in self.stages(tolerance)]
        return Course(done, looks, elbo, np.array(kept))

    def evaluations(self, method: Vi) -> int:
        """Gradients so far, Pathfinder's included."""
        lengths = np.diff([0, *(entry["done"] for entry in self.history)])
        moved = np.array([np.isfinite(np.array(entry["elbos"], float)).sum() for entry in self.history])
        return self.before + int(lengths @ moved) * method.elbo_draws


class FitLoop(Loop[FitState]):
    """All fits, some steps at a time.

    Args:
        method: what is fitted, and how.
        problem: the model and its data.
        key: for the starts and the draws.
        listener: hears of each block of steps.
    """

    def __init__(self, method: Vi, problem: Problem, key: PRNGKeyArray, listener: Listener) -> None:
        self.method, self.problem, self.listener = method, problem, listener
        self._paths = Paths(method.starts).loop(problem, key)

    def begin(self) -> Generator[Call, Any, FitState]:
        """Every start at what Pathfinder finds.

        Raises:
            RunError: none has a finite log density.
        """
        found = yield from resumable(self._paths, NO_CHECKPOINTER)
        fits = yield Call(fit.first, self.method, found.states)
        z = jax.tree.map(lambda a: np.asarray(a)[0], found.states.z)
        return FitState(fits, z, before=int(np.sum(np.asarray(found.states.evaluations))))

    def restored(self, snapshot: Snapshot) -> FitState:
        """The state of a snapshot, reported anew."""
        states = jax.eval_shape(self._paths.first)
        z = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), states.z)
        fits, z = unpacked(snapshot.arrays, (jax.eval_shape(fit.first, self.method, states), z))
        for entry in snapshot.numbers["history"]:
            self._report(entry)
        return FitState(fits, jax.tree.map(np.asarray, z), snapshot.numbers["history"], snapshot.numbers["before"])

    def ahead(self, now: FitState) -> Call | None:
        """Some more steps of every start that has not ended."""
        stages = now.stages(self.method.tolerance)
        if now.done >= self.method.steps or all(one.number == len(RATES) for one in stages):
            return None
        rates = np.array([one.rate for one in stages], self._dtype(now))
        anew = np.array([one.looks == 0 and one.number < len(RATES) for one in stages])
        rows = self.problem.by_row if self.method.batch_size else ()
        bound = self.problem.bound
        return Call(fit.advance, self.method, rows, bound, now.z, now.fits, rates, anew, self._count(now))

    def after(self, now: FitState, answer: Any) -> FitState:
        """The state after these steps."""
        fits, elbos = answer[0], np.asarray(answer[1], float)
        known = elbos[np.isfinite(elbos)]
        entry: dict[str, Any] = {
            "done": now.done + self._count(now),
            "total": self.method.steps,
            "phase": "optimisation",
            "elbo": float(known.max()) if known.size else float("nan"),
            "elbos": elbos.tolist(),
        }
        then = now._replace(fits=fits, history=(*now.history, entry))
        if then.ended(self.method.tolerance).all():
            entry["total"] = entry["done"]
        self._report(entry)
        return then

    def snapshot(self, now: FitState) -> Snapshot:
        """The state as a checkpointer takes it."""
        return Snapshot(packed((now.fits, now.z)), {"history": now.history, "before": now.before})

    def _count(self, now: FitState) -> int:
        """Steps in the next block."""
        steps = self.method.steps
        return min(max(steps // 20, 1), 100, steps - now.done)

    def _dtype(self, now: FitState) -> Any:
        return np.asarray(now.fits.place.mean).dtype

    def _report(self, entry: Mapping[str, Any]) -> None:
        self.listener.progress("optimisation", entry["done"], entry["total"], {"elbo": entry["elbo"]})
