"""What is descended, and how: the settings that all trainings share, and the loss that a subclass writes."""

import abc
import dataclasses
import math
from collections.abc import Collection
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import equinox as eqx
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from credo import memory
from credo.config.naming import Named
from credo.errors import ConfigError
from credo.inference.density import Program, Values
from credo.inference.result import Result
from credo.models.binding import BoundModel
from credo.models.problem import Problem
from credo.ranges import Count, NonNegative, Part, Positive

OPTIMISERS = ("adam", "adamw")
SCHEDULES = ("constant", "cosine", "warmup_cosine")


class Method(Protocol):
    """What a point estimate maximises."""

    @property
    def name(self) -> str:
        """Its word on the command line."""
        ...

    def log_density(self, program: Program, z: Values) -> Float[Array, ""]:
        """The log density of the unconstrained latents."""
        ...


class Batch(NamedTuple):
    """A minibatch.

    - **program** - the model over its rows.
    - **rows** - their numbers [row] among all.
    - **total** - how many rows there are to train on; what a batch reports stands for all of them.
    """

    program: BoundModel
    rows: Int[Array, "row"]
    total: int


class Objective(Named, eqx.Module):
    """Stochastic gradient descent on an objective. A subclass writes `loss` and `judge`.

    Attributes:
        optimiser: `adam` (Kingma & Ba 2015) or `adamw` (Loshchilov & Hutter 2019).
        learning_rate: at its highest.
        schedule: `constant`; `cosine`, down to zero over all epochs; `warmup_cosine`, after a rise.
        weight_decay: of `adamw`, per step and unit of learning rate.
        clip: the largest norm of a gradient (per row); `None` for any.
        epochs: at most.
        batch_size: rows per step. What is left of an epoch's shuffled rows after whole batches is left out.
        validation: the share of the training rows by which the best weights are chosen; 0 keeps the last ones.
        patience: epochs without a better validation loss after which a member stops; `None` for never.
        average: the share of the running mean of the weights that a step keeps (Polyak & Juditsky 1992), 0.999 for a
            mean over about 1,000 steps; 0 for the last weights themselves.
        members: networks of the ensemble.
    """

    curve: ClassVar[str] = "loss"
    """What its learning curves show, as metrics are named: `CURVE_train` and `CURVE_validation`, the less the better.
    """
    reading: ClassVar[str] = ""
    """What `curve` is, in words for the learning curves' axis; empty for its name."""
    of_density: ClassVar[bool] = True
    """Whether the trained energy stands for a density of states."""
    by_samples: ClassVar[bool] = False
    """Whether it is trained by samples of the model, which are then looked at, too, where there are exact ones."""
    derives: ClassVar[str] = "training"
    """What `derived` adds, as a message calls it."""
    keeps_going: ClassVar[bool] = False
    """Whether a member that is no longer finite is left out, instead of ending the run."""

    optimiser: str = eqx.field(static=True)
    learning_rate: Positive
    schedule: str = eqx.field(static=True)
    weight_decay: NonNegative
    clip: Positive | None
    epochs: Count = eqx.field(static=True)
    batch_size: Count = eqx.field(static=True)
    validation: Part = eqx.field(static=True)
    patience: Count | None = eqx.field(static=True)
    average: Part = eqx.field(static=True)
    members: Count = eqx.field(static=True)

    def __check_init__(self) -> None:
        for name, words in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in words:
                raise ConfigError(f"{name}: expected one of {', '.join(words)}, but got {getattr(self, name)!r}")
        if self.weight_decay and self.optimiser != "adamw":
            raise ConfigError(f"weight_decay: {self.weight_decay} needs training.optimiser=adamw, or set it to 0")

    def begin(self, program: BoundModel, key: PRNGKeyArray) -> Any:  # noqa: ARG002 - for those that remember
        """What the objective keeps from step to step, at the beginning."""
        return ()

    @abc.abstractmethod
    def loss(
        self, method: Method, batch: Batch, z: Values, memory: Any, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Any]]:
        """What is descended, per row; the point of the learning curve; and the memory after it."""

    def measure(self, program: BoundModel) -> str | None:  # noqa: ARG002 - for those that depend on it
        """What `judge` computes of this program, as metrics are named; `None` where it has no measure."""
        return self.curve

    @abc.abstractmethod
    def judge(self, method: Method, batch: Batch, z: Values, key: PRNGKeyArray) -> Float[Array, ""]:
        """By which the best weights are chosen, on rows that were kept back; NaN where there is no such measure."""

    def fitted(self, rows: int, free: Collection[str]) -> Self:
        """This training with the settings in `free` brought down to what so many rows allow.

        Args:
            rows: held-out rows apart.
            free: `batch_size`, `validation` or both: those that nobody chose.
        """
        validation = 0.0 if "validation" in free and not self.held(rows) else self.validation
        left = rows - round(validation * rows)
        size = max(min(self.batch_size, left), 1) if "batch_size" in free else self.batch_size
        return dataclasses.replace(self, batch_size=size, validation=validation)

    def derived(self, problem: Problem, result: Result, key: PRNGKeyArray) -> Result:  # noqa: ARG002 - a hook
        """The result with groups that only this objective has; the default adds none."""
        return result

    def check(self, problem: Problem) -> None:
        """Raise `ConfigError` if the rows do not suffice, or latents have values by row."""
        total = problem.data.sizes[problem.row_dim]
        rows = total - self.held(total)
        if self.validation and not self.held(total):
            raise ConfigError(
                f"training.validation: {self.validation} of {total} rows is none; use a larger share, or 0"
            )
        if self.batch_size > rows:
            raise ConfigError(
                f"training.batch_size: expected at most the {rows} rows that are trained on, but got "
                f"{self.batch_size}; use a smaller one"
            )
        weights = sum(math.prod(site.shape) for site in problem.latents)
        memory.require(f"training.members={self.members}", 10 * self.members * weights)
        memory.require(f"training.epochs={self.epochs}", self.members * self.epochs)  # of the learning curves
        for site in problem.latents:
            if problem.row_dim in problem.dims(site):
                raise ConfigError(f"training: the latent {site.name} has a value per row; networks have none")

    def held(self, rows: int) -> int:
        """How many of so many rows are for validation."""
        return round(self.validation * rows)
