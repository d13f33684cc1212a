"""The Metropolis test on NumPyro's state of HMC, for proposals of our own in the place of its trajectories."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray
from numpyro.infer.hmc import HMCState


def accept(
    state: HMCState,
    key: PRNGKeyArray,
    proposal: tuple[Float[Array, "dim"], Float[Array, "dim"], Float[Array, ""]],
    log_ratio: Float[Array, ""],
) -> HMCState:
    """The state at the proposal, or as it was, with the acceptance probability.

    Args:
        state: before the proposal.
        key: of the test.
        proposal: where it is, the gradient of the potential there, and the potential.
        log_ratio: log of the acceptance probability where it is below zero; NaN is never accepted.
    """
    probability = jnp.where(jnp.isnan(log_ratio), 0.0, jnp.minimum(jnp.exp(log_ratio), 1.0))
    moves = jax.random.uniform(key, (), state.potential_energy.dtype) < probability
    old = (state.z, state.z_grad, state.potential_energy)
    z, z_grad, energy = jax.tree.map(lambda new, was: jnp.where(moves, new, was), proposal, old)
    return state._replace(
        i=state.i + 1,
        z=z,
        z_grad=z_grad,
        potential_energy=energy,
        accept_prob=probability.astype(state.accept_prob.dtype),
    )
