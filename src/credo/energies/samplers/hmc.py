"""Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011) with a fixed number of leapfrogs and a jittered step size."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, PRNGKeyArray

from credo.energies.samplers.base import Stepping, Walkers, accepted, settled
from credo.energies.states import States, slopes
from credo.ranges import Part, Steps

State = tuple[Array, Array, Array, Array]


class Hmc(Stepping):
    """Trajectories of unit mass.

    Attributes:
        step_size: the scale that walkers start with.
        leapfrogs: steps of a trajectory.
        jitter: each chain's step size is drawn anew within this part of the scale, so that no trajectory closes on
            itself (Neal 2011, section 5.4.2.2).
    """

    leapfrogs: Steps = eqx.field(static=True)
    jitter: Part = eqx.field(static=True, default=0.2)

    target: ClassVar[float | None] = 0.8

    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """One trajectory of all chains, and their mean acceptance probability."""
        momentum_key, jitter_key, accept_key = jax.random.split(key, 3)
        x = walkers.x
        spread = jax.random.uniform(jitter_key, (len(x), 1), x.dtype, -self.jitter, self.jitter)
        eps = walkers.scale * (1 + spread)
        momentum = jax.random.normal(momentum_key, x.shape, x.dtype)
        here, gradient = slopes(energy, x)

        def leapfrog(state: State, _: None) -> tuple[State, None]:
            x, p, gradient, _energies = state
            p = p - 0.5 * eps * gradient
            x = x + eps * p
            energies, gradient = slopes(energy, x)
            return (x, p - 0.5 * eps * gradient, gradient, energies), None

        end, _ = lax.scan(leapfrog, (x, momentum, gradient, here), length=self.leapfrogs)
        moved, p, _, there = end
        log_ratio = here - there + 0.5 * (jnp.square(momentum) - jnp.square(p)).sum(-1)
        yes, rate = accepted(log_ratio, accept_key)
        return walkers._replace(x=settled(x, moved, yes)), rate
