"""The Barker proposal: a random walk whose steps lean towards where the density rises (`inference=barker`).

Livingstone and Zanella (2022), "The Barker proposal: combining robustness and efficiency in gradient-based MCMC", JRSS
B 84(2), algorithm 2. It is far less sensitive to its step size than Langevin's, which a steep density throws far away.
The coordinates are learned as those of HMC are.
"""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float
from numpyro.infer import HMC
from numpyro.infer.hmc import HMCState

from credo.inference.mcmc.kernels.accept import accept
from credo.inference.mcmc.kernels.hamiltonian import Hamiltonian, HamiltonianState


class BarkerInfo(NamedTuple):
    """What a proposal reports.

    - **n_steps** - gradients, of which each proposal needs one.
    - **lp** - the log density in unconstrained space.
    - **acceptance_rate** - the acceptance probability.
    - **step_size** - of the next proposal.
    """

    n_steps: Array
    lp: Array
    acceptance_rate: Array
    step_size: Array


class Barker(Hamiltonian):
    """Metropolis-Hastings with Barker's proposal in every coordinate."""

    info: ClassVar[Any] = BarkerInfo

    def numpyro_kernel(self, energy: Any) -> HMC:
        """NumPyro's state and its start, with Barker's proposal."""
        return _Proposal(energy, step_size=self.step_size)

    def reported(self, state: HamiltonianState) -> BarkerInfo:
        """The Info of the proposal that ended in a state."""
        inner = state.inner
        return BarkerInfo(inner.num_steps, -inner.potential_energy, inner.accept_prob, inner.adapt_state.step_size)


class _Proposal(HMC):
    """One proposal in the place of a trajectory."""

    def __init__(self, energy: Any, step_size: Any) -> None:
        super().__init__(
            potential_fn=energy, step_size=step_size, adapt_step_size=False, adapt_mass_matrix=False, num_steps=1
        )
        self._energy = energy

    def sample(self, state: HMCState, model_args: Any, model_kwargs: Any) -> HMCState:  # noqa: ARG002 - NumPyro's
        """Propose, and accept or stay."""
        key, size_key, side_key, accept_key = jax.random.split(state.rng_key, 4)
        here, slope = state.z, -state.z_grad
        size = state.adapt_state.step_size * jax.random.normal(size_key, here.shape, here.dtype)
        rises = jax.random.uniform(side_key, here.shape, here.dtype) < jax.nn.sigmoid(size * slope)
        step = jnp.where(rises, size, -size)
        there = here + step
        energy, gradient = jax.value_and_grad(self._energy)(there)
        log_ratio = state.potential_energy - energy + _leaning(step, slope, -gradient)
        after = accept(state, accept_key, (there, gradient, energy), log_ratio)
        return after._replace(num_steps=jnp.ones_like(state.num_steps), rng_key=key)


def _leaning(step: Float[Array, "dim"], slope: Float[Array, "dim"], back: Float[Array, "dim"]) -> Float[Array, ""]:
    """Log of the density of the way back over that of the way there: sigmoid(-step back) / sigmoid(step slope)."""
    return jnp.sum(jax.nn.log_sigmoid(-step * back) - jax.nn.log_sigmoid(step * slope))
