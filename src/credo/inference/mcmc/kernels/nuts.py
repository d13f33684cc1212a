"""The no-U-turn sampler (Hoffman & Gelman 2014, with the multinomial trajectories of Betancourt 2017)."""

from typing import Annotated, Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from numpyro.infer import NUTS

from credo.inference.mcmc.kernels.hamiltonian import Hamiltonian, HamiltonianState
from credo.inference.mcmc.programs import Stats
from credo.ranges import count


class Nuts(Hamiltonian):
    """NumPyro's NUTS.

    Attributes:
        max_tree_depth: a trajectory has at most 2^max_tree_depth - 1 steps.
    """

    max_tree_depth: Annotated[int, count(1, 20)] = eqx.field(static=True)

    method: ClassVar[str] = "nuts"

    def numpyro_kernel(self, energy: Any) -> NUTS:
        """NumPyro's kernel."""
        return NUTS(
            potential_fn=energy,
            step_size=self.step_size,
            adapt_step_size=False,
            adapt_mass_matrix=False,
            max_tree_depth=self.max_tree_depth,
        )

    def stats(self, state: HamiltonianState) -> Stats:
        """Those of the trajectory, too."""
        steps = state.inner.num_steps
        return {
            **super().stats(state),
            "reached_max_treedepth": steps >= 2**self.max_tree_depth - 1,
            "tree_depth": jnp.floor(jnp.log2(steps.astype(float))) + 1,
        }
