"""The no-U-turn sampler (Hoffman & Gelman 2014, with the multinomial trajectories of Betancourt 2017)."""

from typing import Annotated, Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from numpyro.infer import NUTS

from credo.inference.mcmc.kernels.hamiltonian import Hamiltonian, HamiltonianState
from credo.ranges import count

_EARLY, _EARLY_DEPTH = 22, 6
"""In the first steps of the warm-up, which has no good metric yet, trees are no deeper: up to the third window."""


class NutsInfo(NamedTuple):
    """What a trajectory reports: as `HamiltonianInfo`, and how large its tree became.

    - **reached_max_treedepth** - whether it was cut off.
    - **tree_depth** - n_steps is below 2^tree_depth.
    """

    diverging: Array
    n_steps: Array
    energy: Array
    lp: Array
    acceptance_rate: Array
    step_size: Array
    reached_max_treedepth: Array
    tree_depth: Array


class Nuts(Hamiltonian):
    """NumPyro's NUTS.

    Attributes:
        max_tree_depth: a trajectory has at most 2^max_tree_depth - 1 steps, and 63 in the first 22 of the warm-up.
    """

    max_tree_depth: Annotated[int, count(1, 20)] = eqx.field(static=True)

    info: ClassVar[Any] = NutsInfo
    settles: ClassVar[bool] = True
    early: ClassVar[int] = _EARLY
    rising: ClassVar[tuple[float, ...]] = (0.8, 0.95, 0.99)

    def numpyro_kernel(self, energy: Any) -> NUTS:
        """NumPyro's kernel."""
        return NUTS(
            potential_fn=energy,
            step_size=self.step_size,
            adapt_step_size=False,
            adapt_mass_matrix=False,
            max_tree_depth=(min(_EARLY_DEPTH, self.max_tree_depth), self.max_tree_depth),
        )

    def reported(self, state: HamiltonianState) -> NutsInfo:
        """The Info of the step that ended in a state."""
        steps = state.inner.num_steps
        return NutsInfo(
            **super().reported(state)._asdict(),
            reached_max_treedepth=steps >= 2**self.max_tree_depth - 1,
            tree_depth=jnp.floor(jnp.log2(steps.astype(float))) + 1,
        )
