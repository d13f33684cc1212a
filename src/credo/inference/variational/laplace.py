"""Laplace's approximation: the normal distribution at the mode, with the curvature of the log density there.

Tierney and Kadane (1986), "Accurate approximations for posterior moments and marginal densities", JASA 81(393). Mode
and curvature are those of unconstrained space. The draws are corrected by importance resampling where their ratios
allow it.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int, PRNGKeyArray

from credo.errors import ConfigError, RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener
from credo.inference.calls import Call, Calls
from credo.inference.clock import Clock
from credo.inference.density import Values
from credo.inference.point.curvature import Curvature, inspect
from credo.inference.point.optimise import OptimiserLoop, OptimiserState, PointEstimate
from credo.inference.point.spectrum import Spectrum, decompose
from credo.inference.point.table import are_classes, judge
from credo.inference.resumable import resumable
from credo.inference.variational import importance
from credo.inference.variational.approximation import BATCH, Approximation, Proposals, corrected, independent
from credo.models.binding import BoundModel
from credo.models.problem import Problem

MOST = 1000
"""Beyond so many latent scalars no curvature is formed."""


class Laplace(Approximation, PointEstimate):
    """Independent draws of the normal distribution at the mode, corrected where that is possible."""

    def check(self, problem: Problem) -> None:
        """Refuse what has no curvature of reasonable size."""
        if problem.training is not None:
            raise ConfigError(
                "inference=laplace needs a mode with a curvature, and the weights of a network, which are trained, "
                "have none; use inference=map"
            )
        super().check(problem)
        scalars = sum(math.prod(site.shape) for site in problem.latents if not site.discrete)
        if scalars > MOST:
            raise ConfigError(
                f"inference=laplace makes a matrix of the curvature, for which {MOST} latent scalars are the most, but "
                f"the model has {scalars}; use inference=nuts"
            )

    def calls(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        clock = Clock()
        start_key, draw_key, *keys = jax.random.split(key, 4)
        now = yield from resumable(OptimiserLoop(self, problem, start_key, listener), checkpointer)
        best = _best(now)
        mode = jax.tree.map(lambda a: np.asarray(a)[best], now.states.z)
        curvature = inspect(self, problem, mode)
        spectrum = self._spectrum(curvature)
        clock.lap("optimisation")
        proposals = yield from self._drawn(problem, mode, spectrum, draw_key)
        clock.lap("sampling")
        optimisation, status = judge(self.tolerance, now.states, curvature, best)
        optimisation.attrs |= {"began": now.began, "classes": int(are_classes(problem))}
        tree = corrected(problem, proposals, self.name, (keys[0], keys[1]))
        tree["optimisation"] = xr.DataTree(optimisation)
        height = float(np.asarray(now.states.objective)[best]) - _log_top(spectrum)
        tree[importance.GROUP].attrs["log_evidence_laplace"] = math.nan if problem.improper else height
        clock.lap("evaluation")
        gradients = int(np.sum(np.asarray(now.states.evaluations)))
        counts = gradients, gradients + self.draws
        return independent(self, problem, tree, clock, counts, tuple(now.history), status)

    def _spectrum(self, curvature: Curvature) -> Spectrum:
        """The curvature's directions, in double precision; what is on the boundary counts as flat.

        Raises:
            RunError: there is no curvature.
        """
        if curvature.information is None:
            raise RunError(
                f"inference=laplace needs the curvature at the mode. {curvature.unknown} Use inference=nuts."
            )
        return decompose(curvature.information.astype(float), np.ones(len(curvature.information), bool))

    def _drawn(self, problem: Problem, mode: Values, spectrum: Spectrum, key: PRNGKeyArray) -> Any:
        """Draws of the normal distribution; log q is NaN where the curvature gives none."""
        parts = []
        for first in range(0, self.draws, BATCH):
            numbers = np.arange(first, first + BATCH)
            part = yield Call(_some, self, problem.bound, mode, spectrum.root, key, numbers)
            parts.append(jax.tree.map(np.asarray, part))
        z, log_p, squares = jax.tree.map(lambda *some: np.concatenate(some)[: self.draws], *parts)
        return Proposals(z, log_p.astype(float), _log_top(spectrum) - squares.astype(float) / 2)


def _best(now: OptimiserState) -> int:
    """The start that ended highest."""
    objective = np.asarray(now.states.objective)
    finite = np.where(now.finite, objective, -np.inf)
    return int(np.argmax(finite if np.isfinite(finite).any() else objective))


def _log_top(spectrum: Spectrum) -> float:
    """The log density of the normal distribution at its mean; NaN where it has none."""
    if not spectrum.definite:
        return math.nan
    return -float(np.linalg.slogdet(spectrum.root)[1]) - len(spectrum.root) / 2 * math.log(2 * math.pi)


@partial(jax.jit)
def _some(
    method: Laplace,
    program: BoundModel,
    mode: Values,
    root: Float[Array, "dim dim"],
    key: PRNGKeyArray,
    numbers: Int[Array, "draw"],
) -> tuple[Values, Float[Array, "draw"], Float[Array, "draw"]]:
    """Draws by their numbers, the log density of each, and its squared distance from the mode in standard errors."""
    centre, unravel = ravel_pytree(mode)

    def one(number: Int[Array, ""]) -> tuple[Values, Float[Array, ""], Float[Array, ""]]:
        step = jax.random.normal(jax.random.fold_in(key, number), centre.shape, centre.dtype)
        z = unravel(centre + root.astype(centre.dtype) @ step)
        return z, method.log_density(program, z), jnp.sum(step**2)

    return jax.vmap(one)(numbers)
