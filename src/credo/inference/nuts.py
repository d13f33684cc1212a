"""The no-U-turn sampler (Hoffman & Gelman 2014, with the multinomial trajectories of Betancourt 2017)."""

import dataclasses
import math
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from numpyro.infer import NUTS

from credo.errors import ConfigError
from credo.inference.chains import Chains, Stats
from credo.inference.density import potential
from credo.inference.start import find_continuous
from credo.models.problem import BoundModel, Problem

_MOST_DENSE = 50


class Nuts(Chains):
    """NumPyro's NUTS; discrete latents are summed out.

    Attributes:
        target_accept: the acceptance rate to which the step size adapts; closer to 1 takes smaller steps.
        step_size: where its adaptation starts.
        max_tree_depth: a trajectory has at most 2^max_tree_depth - 1 steps.
        metric: the mass matrix that is adapted: `diagonal`, `dense`, or `auto`: dense for up to 50 latent scalars, as
            the windows of a usual warm-up then hold enough draws to learn it.
    """

    target_accept: float
    step_size: float
    max_tree_depth: int = eqx.field(static=True)
    metric: str = eqx.field(static=True)

    method: ClassVar[str] = "nuts"

    def __check_init__(self) -> None:
        if not 0 < self.target_accept < 1:
            raise ConfigError(f"target_accept: expected a number between 0 and 1, but got {self.target_accept}")
        if not self.step_size > 0:
            raise ConfigError(f"step_size: expected a positive number, but got {self.step_size}")
        if self.metric not in ("auto", "diagonal", "dense"):
            raise ConfigError(f"metric: expected auto, diagonal or dense, but got {self.metric!r}")
        if not 1 <= self.max_tree_depth <= 20:
            raise ConfigError(f"max_tree_depth: expected a whole number from 1 to 20, but got {self.max_tree_depth}")

    def check(self, problem: Problem) -> None:
        """Refuse a problem without a continuous latent, or with a discrete one that cannot be summed out."""
        super().check(problem)
        problem.require_enumerable(self.method)

    def settled(self, problem: Problem) -> "Nuts":
        """With a metric for this many latents."""
        if self.metric != "auto":
            return self
        scalars = sum(math.prod(site.shape) for site in problem.latents if not site.discrete)
        return dataclasses.replace(self, metric="dense" if scalars <= _MOST_DENSE else "diagonal")

    def kernel(self, program: BoundModel) -> NUTS:
        """NumPyro's kernel."""
        return NUTS(
            potential_fn=potential(program),
            step_size=self.step_size,
            target_accept_prob=self.target_accept,
            max_tree_depth=self.max_tree_depth,
            dense_mass=self.metric == "dense",
        )

    def start(self, program: BoundModel, key: Array) -> dict[str, Any]:
        """A point with a finite density and gradient."""
        return find_continuous(program, key)

    def values(self, state: Any) -> dict[str, Any]:
        """The position."""
        return state.z

    def log_density(self, state: Any) -> Array:
        """Minus the potential energy."""
        return -state.potential_energy

    def stats(self, state: Any) -> Stats:
        """Divergence, energy, trajectory and step size."""
        return {
            "diverging": state.diverging,
            "reached_max_treedepth": state.num_steps >= 2**self.max_tree_depth - 1,
            "n_steps": state.num_steps,
            "tree_depth": jnp.floor(jnp.log2(state.num_steps.astype(float))) + 1,
            "energy": state.energy,
            "lp": -state.potential_energy,
            "acceptance_rate": state.accept_prob,
            "step_size": state.adapt_state.step_size,
        }
