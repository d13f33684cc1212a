"""Score matching: the gradient of log p, which does not depend on Z, is matched with that of the data."""

from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo import memory
from credo.errors import ConfigError
from credo.inference.density import Values
from credo.inference.training.contrastive import OfEnergies, log_prior, states_of
from credo.inference.training.descent import Batch, Method
from credo.models.binding import BoundModel
from credo.models.energy_distribution import EnergyDistribution
from credo.models.problem import Problem
from credo.ranges import Count, Positive

FORMS = ("exact", "sliced", "denoising")


class ScoreMatching(OfEnergies):
    """The Fisher divergence between data and model, per row, up to a constant, in units of the data's deviations.

    Attributes:
        form: `exact` (Hyvarinen 2005, with the trace of E's second derivatives); `sliced` (Song et al. 2019, the trace
            from random directions); `denoising` (Vincent 2011, the score of the data with noise).
        sigma: of `denoising`, the noise in units of the data's deviations.
        directions: of `sliced`, per row.
    """

    form: str = eqx.field(static=True)
    sigma: Positive
    directions: Count = eqx.field(static=True)

    curve: ClassVar[str] = "fisher"
    reading: ClassVar[str] = "Fisher divergence per row, up to a constant"

    def __check_init__(self) -> None:
        if self.form not in FORMS:
            raise ConfigError(f"form: expected one of {', '.join(FORMS)}, but got {self.form!r}")

    def check(self, problem: Problem) -> None:
        """As all trainings; and states must be real numbers, without bounds."""
        super().check(problem)
        memory.require(f"training.directions={self.directions}", 4 * self.directions * self.batch_size)
        energy = problem.model.energy  # type: ignore[attr-defined]
        if energy.support.is_discrete:
            raise ConfigError("training=score_matching needs real states, but these are discrete; use training=pcd")
        if np.isfinite(energy.box).any():
            raise ConfigError(
                "training=score_matching needs a density without bounds, as it sees nothing of a jump at them; set "
                "energy.bounds=null and energy.tail=2, or use training=nce"
            )

    def loss(
        self, method: Method, batch: Batch, z: Values, memory: Any, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Any]]:
        """The divergence and the prior."""
        states, y = states_of(batch.program, z)
        value = self.divergence(states, y, key).mean()
        return value - log_prior(method, batch, z), (value, memory)

    def judge(self, method: Method, batch: Batch, z: Values, key: PRNGKeyArray) -> Float[Array, ""]:
        """The negative log likelihood where Z is tractable, else the divergence."""
        if self.measure(batch.program) == "nll":
            return super().judge(method, batch, z, key)
        states, y = states_of(batch.program, z)
        return self.divergence(states, y, key).mean()

    def measure(self, program: BoundModel) -> str:
        """The negative log likelihood, where Z is tractable; else the divergence."""
        return super().measure(program) or self.curve

    def divergence(
        self, states: EnergyDistribution, y: Float[Array, "row dim"], key: PRNGKeyArray
    ) -> Float[Array, "row"]:
        """What is minimised, of states y."""
        unit = np.array(states.model.unit or np.ones(y.shape[1]))
        score = jax.grad(lambda u: -states.energy.batch(u * unit).sum())
        u = y / unit
        if self.form == "denoising":
            noise = jax.random.normal(key, u.shape)
            return 0.5 * jnp.square(self.sigma * score(u + self.sigma * noise) + noise).sum(-1)
        if self.form == "exact":
            directions = jnp.broadcast_to(jnp.eye(u.shape[1])[:, None], (u.shape[1], *u.shape))
        else:
            directions = jax.random.normal(key, (self.directions, *u.shape))
        slope, bends = jax.lax.map(partial(_along, score, u), directions)
        bend = bends.sum(0) if self.form == "exact" else bends.mean(0)
        return bend + 0.5 * jnp.square(slope[0]).sum(-1)


def _along(
    score: Any, u: Float[Array, "row dim"], direction: Float[Array, "row dim"]
) -> tuple[Float[Array, "row dim"], Float[Array, "row"]]:
    """The score, and v' J v of its Jacobian for directions v."""
    value, tangent = jax.jvp(score, (u,), (direction,))
    return value, (direction * tangent).sum(-1)
