"""Training by the likelihood of minibatches.

What is descended is minus the log density that the inference method names, per row: of `mle` the likelihood, of `map`
the posterior, its likelihood estimated from the minibatch.
"""

from collections.abc import Generator
from typing import Any, ClassVar

import equinox as eqx
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.errors import ConfigError
from credo.inference.calls import Call
from credo.inference.density import ScaledLikelihood, Values, WithoutLikelihood, WithoutPriors, constrain, log_joint
from credo.inference.training.descent import Batch, Descent, Method
from credo.inference.training.epoch import Member
from credo.inference.training.temperature import tempered
from credo.models.binding import BoundModel
from credo.models.problem import Problem


class Likelihood(Descent):
    """Minus the log density per row; the best weights are those of the least negative log likelihood.

    Attributes:
        temperature: whether a classifier's logits are divided at the end by the number that is best for the validation
            rows (see `temperature`).
    """

    curve: ClassVar[str] = "nll"
    keeps_going: ClassVar[bool] = True

    temperature: bool = eqx.field(static=True, default=False)

    def check(self, problem: Problem) -> None:
        """As all trainings; and Z must be tractable."""
        super().check(problem)
        problem.require_normalised(f"training={self.name}")
        if self.temperature and not problem.model.takes_classes:
            raise ConfigError(
                f"training.temperature: only classifiers have one, but got model={problem.model.name} with another "
                "family; use model=mdn model.family=categorical, or set it to false"
            )
        if self.temperature and not self.validation:
            raise ConfigError(
                "training.temperature: validation rows choose it, but training.validation is 0; set "
                "training.validation=0.1"
            )

    def finished(
        self, problem: Problem, key: PRNGKeyArray, members: Member
    ) -> Generator[Call, Any, tuple[Values, dict[str, Any]]]:
        """The best weights, at the temperature of the least loss if it is asked for."""
        if not self.temperature:
            return members.best, {}
        best, found = yield Call(tempered, self, problem.by_row, problem.bound, key, members)
        return best, {"temperature": float(found)}

    def loss(
        self,
        method: Method,
        batch: Batch,
        z: Values,
        memory: Any,
        key: PRNGKeyArray,  # noqa: ARG002
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Any]]:
        """Minus the log density per row; the likelihood's part of it is reported."""
        scaled = ScaledLikelihood(batch.program, batch.total / len(batch.rows))
        density = method.log_density(scaled, z)
        prior = method.log_density(WithoutLikelihood(batch.program), z)
        return -density / batch.total, ((prior - density) / batch.total, memory)

    def judge(self, method: Method, batch: Batch, z: Values, key: PRNGKeyArray) -> Float[Array, ""]:  # noqa: ARG002
        """The mean negative log likelihood."""
        return nll(batch.program, z, len(batch.rows))


class Exact(Likelihood):
    """The likelihood of an energy-based model, with its exact log Z."""


def nll(program: BoundModel, z: Values, rows: int) -> Float[Array, ""]:
    """The mean negative log likelihood of a program's rows."""
    return -log_joint(WithoutPriors(program), constrain(program, z)) / rows
