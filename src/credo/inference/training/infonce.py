"""InfoNCE: each x picks its own y among those of its batch, which bounds the mutual information of x and y from below.

van den Oord, A., Li, Y. and Vinyals, O. (2018). Representation learning with contrastive predictive coding.
"""

import dataclasses
from collections.abc import Collection
from math import log
from typing import Any, ClassVar, Self

import equinox as eqx
import numpy as np
import xarray as xr
from jax import Array, lax
from jaxtyping import Float, PRNGKeyArray

from credo.errors import ConfigError
from credo.inference.density import Values
from credo.inference.result import Result
from credo.inference.training.contrastive import OfEnergies, log_prior, states_of
from credo.inference.training.descent import Batch, Method
from credo.information.mutual_information import infonce
from credo.models.binding import BoundModel
from credo.models.energy_distribution import EnergyDistribution, states_at
from credo.models.problem import Problem


class Infonce(OfEnergies):
    """Minus the bound; the K rows of a batch are each other's negatives, so that the bound is at most ln K.

    Told is the bound, in nats. Only differences of E between states at one x matter (of `symmetric`, between conditions
    at one y, too), so that Z stays unknown.

    Attributes:
        symmetric: whether each y also picks its x; the mean of both bounds is descended.
    """

    symmetric: bool = eqx.field(static=True)

    curve: ClassVar[str] = "mi_bound"
    reading: ClassVar[str] = "bound of the mutual information, in nats"
    of_density: ClassVar[bool] = False
    derives: ClassVar[str] = "information"

    def fitted(self, rows: int, free: Collection[str]) -> Self:
        """As all trainings; a batch must be no larger than the rows that are kept back, by which it is judged."""
        fitted = super().fitted(rows, free)
        held = fitted.held(rows)
        if "batch_size" not in free or not held:
            return fitted
        return dataclasses.replace(fitted, batch_size=min(fitted.batch_size, max(held, 2)))

    def check(self, problem: Problem) -> None:
        """As all trainings; and the energy must be one of pairs, with other rows to compare with."""
        super().check(problem)
        if not problem.model.energy.conditional:  # type: ignore[attr-defined]
            raise ConfigError(
                "training=infonce tells pairs of x and y from others, but energy is an energy of y alone; use "
                "energy=critic or energy=conditional"
            )
        if self.batch_size < 2:
            raise ConfigError(
                f"training.batch_size: infonce needs at least 2 rows to choose from, but got {self.batch_size}"
            )
        held = self.held(problem.data.sizes[problem.row_dim])
        if 0 < held < self.batch_size:
            raise ConfigError(
                f"training.validation: infonce judges batches of training.batch_size={self.batch_size} rows, but only "
                f"{held} are kept back; use a larger share, 0, or smaller batches"
            )

    def loss(
        self,
        method: Method,
        batch: Batch,
        z: Values,
        memory: Any,
        key: PRNGKeyArray,  # noqa: ARG002
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Any]]:
        """Minus the bound and the prior; the bound alone is reported."""
        bound = infonce(scores(*states_of(batch.program, z)), symmetric=self.symmetric)
        return -bound - log_prior(method, batch, z), (bound, memory)

    def measure(self, program: BoundModel) -> str:  # noqa: ARG002
        """Minus the bound."""
        return "infonce_loss"

    def judge(self, method: Method, batch: Batch, z: Values, key: PRNGKeyArray) -> Float[Array, ""]:  # noqa: ARG002
        """Minus the mean bound of groups of as many rows as a batch has."""
        return -self.bounds(*states_of(batch.program, z)).mean()

    def derived(self, problem: Problem, result: Result, key: PRNGKeyArray) -> Result:  # noqa: ARG002 - nothing is random
        """With the mutual information (see `add_information`)."""
        return add_information(problem, result)

    def bounds(self, states: EnergyDistribution, y: Float[Array, "row dim"]) -> Float[Array, "group"]:
        """The bound of consecutive groups of `batch_size` of the rows y; the rest is left out."""
        size = self.batch_size
        groups = len(y) // size
        conditions = tuple(c[: groups * size].reshape(groups, size, *c.shape[1:]) for c in states.energy.conditions)

        def bound(group: tuple[tuple[Array, ...], Array]) -> Float[Array, ""]:
            return infonce(states.energy.energy.pair_scores(*group), symmetric=self.symmetric)

        return lax.map(bound, (conditions, y[: groups * size].reshape(groups, size, -1)))


def scores(states: EnergyDistribution, y: Float[Array, "K dim"]) -> Float[Array, "K K"]:
    """-E(y_j; x_i) of all pairs of the rows y and their conditions."""
    found: Array = states.energy.energy.pair_scores(states.energy.conditions, y)
    return found


def add_information(problem: Problem, result: Result) -> Result:
    """The result of `training=infonce` with the group `information`; any other as it is.

    Its variables are in nats, of each member of an ensemble: `value` [member], the mean bound over groups of K held-out
    rows (K = `training.batch_size`, the rows in a random order that is always the same); `error` [member], its standard
    error over the groups, NaN for one group; `bound` [], ln K, which no value can exceed; `group` [member, batch], each
    group's bound; `truth` [], of synthetic data. `value` and `error` are NaN, and there are no groups, where fewer than
    K rows are held out. The attribute `rows` is how many are.
    """
    training, test = problem.training, problem.bound_test
    if not isinstance(training, Infonce) or "network" not in result.tree.children:
        return result
    thetas, rows = _draws(problem, result), 0 if test is None else len(test.arrays["y"])
    found = np.empty((len(thetas), 0))
    if test is not None and rows >= training.batch_size:
        shuffled = test.of_rows(np.random.default_rng(0).permutation(rows), problem.by_row)
        found = np.array([_bounds(training, shuffled, theta) for theta in thetas], float)
    count, unknown = found.shape[1], np.full(len(found), np.nan)
    error = found.std(1, ddof=1) / np.sqrt(count) if count > 1 else unknown
    variables: dict[str, Any] = {
        "value": ("member", found.mean(1) if count else unknown),
        "error": ("member", error),
        "bound": log(training.batch_size),
        "group": (("member", "batch"), found),
    }
    if "mutual_information" in problem.data.attrs:
        variables["truth"] = float(problem.data.attrs["mutual_information"])
    result.tree["information"] = xr.DataTree(xr.Dataset(variables, attrs={"rows": rows}))
    return result


def _draws(problem: Problem, result: Result) -> list[dict[str, Float[np.ndarray, "..."]]]:
    """The latents of each member by site, in their own space."""
    network = result.tree["network"].to_dataset()
    names = [site.name for site in problem.latents]
    flat = {name: network[name].to_numpy().reshape(-1, *network[name].shape[2:]) for name in names}
    return [{name: values[m] for name, values in flat.items()} for m in range(len(flat[names[0]]))]


@eqx.filter_jit
def _bounds(training: Infonce, program: BoundModel, theta: dict[str, Any]) -> Float[Array, "group"]:
    return training.bounds(*states_at(program, theta))
