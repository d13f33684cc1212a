"""What several starts found, as one mixture with equal parts, from which draws are made and weighed.

Weighing a draw by the whole mixture, not by the part that it is from, is the balance heuristic (Veach and Guibas 1995;
Owen and Zhou 2000, "Safe and effective importance sampling", JASA 95(449)): a part that went astray wastes its draws
and does no other harm, and modes that only some starts found have the mass that they have in the posterior.
"""

from collections.abc import Generator
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.scipy.special import logsumexp
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from credo.errors import ConfigError, RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener
from credo.inference.calls import Call, Calls, alone
from credo.inference.density import Values, require_density
from credo.inference.result import Result
from credo.inference.variational import drift, importance
from credo.inference.variational.approximation import BATCH, Approximation, Proposals, corrected
from credo.inference.variational.family import Family
from credo.models.binding import BoundModel
from credo.models.problem import Problem
from credo.ranges import Count

GROUP = "approximations"
"""The group of a result that has what each start found."""

REACH = 5.0
"""A start reaches a draw that is no more standard deviations of its own approximation away from its mean, by scalar."""


class Course(NamedTuple):
    """The ELBO of each start, in nats.

    - **steps** - after how many steps it was looked at.
    - **looks** - what it was then; not finite where there was none.
    - **elbo** - of what was kept; not finite where there is nothing to keep.
    - **kept** - after how many steps that was.
    """

    steps: Int[np.ndarray, "look"]
    looks: Float[np.ndarray, "start look"]
    elbo: Float[np.ndarray, "start"]
    kept: Float[np.ndarray, "start"]


class Mixture(Approximation):
    """A method with an approximation per start.

    Attributes:
        starts: how many; those that find the same confirm each other.
    """

    starts: Count = eqx.field(static=True)

    def check(self, problem: Problem) -> None:
        """Refuse what has no density, or no posterior."""
        if problem.training is not None:
            raise ConfigError(
                f"inference={self.name} approximates a posterior, and the weights of a network, which are trained, "
                "have none; use inference=map"
            )
        problem.check()
        problem.require_priors(self.name)
        problem.require_enumerable(self.name)
        require_density(problem, self.name)
        problem.require_normalised(f"inference={self.name}")

    def run(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Result:
        """Approximate the posterior.

        Raises:
            RunError: no start has a finite log density, or none an approximation.
        """
        return alone(self.calls(problem, key, listener, checkpointer))

    def calls(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        raise NotImplementedError

    @property
    def in_step(self) -> bool:
        """All starts take their steps together."""
        return True

    def gains_by_batching(self, problem: Problem) -> bool:  # noqa: ARG002 - as the others
        """Not on a CPU: all wait for the longest."""
        return jax.default_backend() != "cpu"

    def mixed(
        self, problem: Problem, families: Family, z: Values, course: Course, key: PRNGKeyArray
    ) -> Generator[Call, Any, xr.DataTree]:
        """The answer of a mixture of what each start found.

        Args:
            problem: the model and its data.
            families: of all starts.
            z: the latents of one start by site, whatever their values.
            course: of the ELBO; a start without a finite one has no part in the mixture.
            key: for the draws and all that is made of them.

        Raises:
            RunError: no start has one.
        """
        found = np.isfinite(course.elbo)
        if not found.any():
            raise RunError(
                f"inference={self.name} has no approximation: its ELBO is not finite at any of {self.starts} starts; "
                "use inference=nuts"
            )
        draw_key, drift_key, *keys = jax.random.split(key, 4)
        proposals, start = yield from self._drawn(problem, families, z, found, draw_key)
        tree = corrected(problem, proposals, self.name, (keys[0], keys[1]))
        weight = np.exp(tree[importance.GROUP]["log_weight"].to_numpy())
        if tree[importance.GROUP].attrs["resampled"]:
            moved = yield from drift.drifted(self, problem, proposals.z, weight, drift_key)
            tree[drift.GROUP] = xr.DataTree(moved)
        reached = _reached(proposals.z, start, self.starts)
        alone = float(weight[reached.sum(axis=1) < 2].sum())
        columns = {
            "elbo": ("start", course.elbo),
            "kept": ("start", course.kept),
            "reached": ("start", weight @ reached),
            "course": (("start", "step"), course.looks),
        }
        tree[GROUP] = xr.DataTree(xr.Dataset(columns, {"step": course.steps}, {"alone": alone}))
        return tree

    def _drawn(
        self, problem: Problem, families: Family, z: Values, found: Bool[np.ndarray, "start"], key: PRNGKeyArray
    ) -> Generator[Call, Any, tuple[Proposals, Int[np.ndarray, "draw"]]]:
        """Draws, those of each start together, as resampling goes evenly through them; and of which start each is."""
        share = np.where(found, -np.log(found.sum()), -np.inf)
        size, parts = max(BATCH // self.starts, 1), []
        for first in range(0, -(-self.draws // int(found.sum())), size):
            numbers = np.arange(first, first + size)
            part = yield Call(_some, self, problem.bound, families, share, z, key, numbers)
            parts.append(jax.tree.map(lambda a: np.asarray(a)[:, found].reshape(-1, *a.shape[2:]), part))
        start = np.resize(np.flatnonzero(found), self.draws)
        order = np.argsort(start, kind="stable")
        z, log_p, log_q = jax.tree.map(lambda *some: np.concatenate(some)[order], *parts)
        return Proposals(z, log_p.astype(float), log_q.astype(float)), start[order]


@partial(jax.jit)
def _some(
    method: Mixture,
    program: BoundModel,
    families: Family,
    share: Float[Array, "start"],
    z: Values,
    key: PRNGKeyArray,
    numbers: Int[Array, "draw"],
) -> tuple[Values, Float[Array, "draw start"], Float[Array, "draw start"]]:
    """Draws of every start by their numbers, and both log densities; that of the approximation is the mixture's."""
    flat, unravel = ravel_pytree(z)

    def one(number: Int[Array, ""], family: Family, start: Int[Array, ""]) -> Any:
        own = jax.random.fold_in(jax.random.fold_in(key, start), number)
        drawn, _ = family.draw(jax.random.normal(own, flat.shape, flat.dtype))
        heights = jax.vmap(lambda other: other.log_density(drawn))(families)
        point = unravel(drawn)
        return point, method.log_density(program, point), logsumexp(share + heights)

    over_starts = jax.vmap(one, in_axes=(None, 0, 0))
    return jax.vmap(over_starts, in_axes=(0, None, None))(numbers, families, jnp.arange(method.starts))


def _reached(z: Values, start: Int[np.ndarray, "draw"], starts: int) -> Bool[np.ndarray, "draw start"]:
    """Which draws each start reaches."""
    flat = drift.ravel(z)
    reached = np.zeros((len(flat), starts), bool)
    for number in np.unique(start):
        own = flat[start == number]
        reached[:, number] = np.all(np.abs(flat - own.mean(axis=0)) <= REACH * own.std(axis=0), axis=1)
    return reached
