"""Pathfinder: normal distributions along the paths of L-BFGS from several starts, mixed and corrected.

Zhang, Carpenter, Gelman and Vehtari (2022), JMLR 23(306). The draws are weighed by the mixture of all paths, which is
of lower variance than weighing each by its own path, and resampled.
"""

import equinox as eqx
import jax
import numpy as np
from jax import Array
from jaxtyping import Int, PRNGKeyArray

from credo import memory
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener
from credo.inference.calls import Calls
from credo.inference.clock import Clock
from credo.inference.point.optimise import OptimiserLoop
from credo.inference.resumable import resumable
from credo.inference.variational.approximation import independent
from credo.inference.variational.mixture import Course, Mixture
from credo.inference.variational.path import PAIRS, Path, PathState
from credo.models.problem import Problem
from credo.ranges import Count, Positive


class Pathfinder(Mixture):
    """Independent draws of normal distributions along the way to the modes.

    Attributes:
        steps: of L-BFGS, at most per start.
        tolerance: a path ends where no component of the gradient is larger than this, times the log density where that
            is larger than one.
        elbo_draws: from which the ELBO of each normal distribution is estimated.
    """

    steps: Count = eqx.field(static=True)
    tolerance: Positive
    elbo_draws: Count = eqx.field(static=True)

    @property
    def algorithm(self) -> Path:
        """What goes along a path."""
        return Path(self.tolerance, self.steps, self.elbo_draws)

    def check(self, problem: Problem) -> None:
        """Refuse what has no density, or does not fit memory."""
        super().check(problem)
        scalars = sum(int(np.prod(site.shape)) for site in problem.latents)
        memory.require(f"inference.starts={self.starts}", self.starts * (self.steps + 8 * PAIRS * scalars))

    def calls(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        clock = Clock()
        start_key, draw_key = jax.random.split(key)
        now = yield from resumable(OptimiserLoop(self, problem, start_key, listener), checkpointer)
        clock.lap("optimisation")
        path: PathState = now.states.optimiser
        z = jax.tree.map(lambda a: np.asarray(a)[0], now.states.z)
        tree = yield from self.mixed(problem, path.best, z, _course(path, now.states.steps), draw_key)
        clock.lap("evaluation")
        gradients = int(np.sum(np.asarray(now.states.evaluations)))
        looks = self.elbo_draws * int(np.sum(np.asarray(now.states.steps)))
        return independent(self, problem, tree, clock, (gradients, gradients + looks + self.draws), tuple(now.history))


def _course(path: PathState, steps: Int[Array, "start"]) -> Course:
    """The ELBO along each path; the one that was kept is the highest."""
    looks = np.asarray(path.course, float)[:, : max(int(np.max(np.asarray(steps))), 1)]
    elbo = np.asarray(path.elbo, float)
    best = np.argmax(np.where(np.isfinite(looks), looks, -np.inf), axis=1)
    return Course(np.arange(1, looks.shape[1] + 1), looks, elbo, np.where(np.isfinite(elbo), best + 1.0, np.nan))
