"""InfoNCE: each x picks its own y among those of its batch, which bounds the mutual information of x and y from below.

van den Oord, A., Li, Y. and Vinyals, O. (2018). Representation learning with contrastive predictive coding.
"""

import dataclasses
from collections.abc import Collection
from typing import Any, ClassVar, Self

import equinox as eqx
from jax import Array, lax

from credo.energies.base import Given
from credo.errors import ConfigError
from credo.inference.density import Values
from credo.inference.training.contrastive import OfEnergies, log_prior, states_of
from credo.inference.training.descent import Batch, Method
from credo.information.mutual_information import infonce
from credo.models.ebm import EnergyDistribution
from credo.models.energies.critic import Pairs
from credo.models.problem import BoundModel, Problem


class Infonce(OfEnergies):
    """Minus the bound; the K rows of a batch are each other's negatives, so that the bound is at most ln K.

    Told is the bound, in nats. Only differences of E between states at one x matter (of `symmetric`, between conditions
    at one y, too), so that Z stays unknown.

    Attributes:
        symmetric: whether each y also picks its x; the mean of both bounds is descended.
    """

    symmetric: bool = eqx.field(static=True)

    word: ClassVar[str] = "infonce"
    curve: ClassVar[str] = "mi_bound"

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

    def loss(self, method: Method, batch: Batch, z: Values, memory: Any, key: Array) -> tuple[Array, tuple[Array, Any]]:  # noqa: ARG002
        """Minus the bound and the prior; told is the bound."""
        bound = infonce(scores(*states_of(batch.program, z)), symmetric=self.symmetric)
        return -bound - log_prior(method, batch, z), (bound, memory)

    def measure(self, program: BoundModel) -> str:  # noqa: ARG002
        """Minus the bound."""
        return "infonce_loss"

    def judge(self, method: Method, batch: Batch, z: Values, key: Array) -> Array:  # noqa: ARG002
        """Minus the mean bound of groups of as many rows as a batch has."""
        return -self.bounds(*states_of(batch.program, z)).mean()

    def bounds(self, states: EnergyDistribution, y: Array) -> Array:
        """The bound [group] of consecutive groups of `batch_size` of the rows y [row, dim]; the rest is left out."""
        size = self.batch_size
        groups = len(y) // size
        conditions = tuple(c[: groups * size].reshape(groups, size, *c.shape[1:]) for c in states.energy.conditions)

        def bound(group: tuple[tuple[Array, ...], Array]) -> Array:
            return infonce(_of_pairs(states.energy.energy, *group), symmetric=self.symmetric)

        return lax.map(bound, (conditions, y[: groups * size].reshape(groups, size, -1)))


def scores(states: EnergyDistribution, y: Array) -> Array:
    """-E(y_j; x_i) of all pairs [K, K] of the rows y [K, dim] and their conditions."""
    return _of_pairs(states.energy.energy, states.energy.conditions, y)


def _of_pairs(energy: Any, conditions: tuple[Array, ...], y: Array) -> Array:
    if isinstance(energy, Pairs):
        return energy.scores(conditions, y)
    return -Given(energy, conditions).table(y)
