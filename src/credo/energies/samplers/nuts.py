"""The no-U-turn sampler (Hoffman & Gelman 2014): NumPyro's transitions, of many chains in step."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray
from numpyro.infer.hmc import hmc

from credo.energies.samplers.base import Stepping, Walkers
from credo.energies.states import States
from credo.ranges import count


class Nuts(Stepping):
    """NUTS with one step size and one diagonal mass for all chains, both learned where `run` adapts.

    The step size is steered to the target as everywhere; the inverse mass is the variance of each number over all
    chains and the transitions of the second quarter of the warm-up.

    Attributes:
        step_size: the scale that walkers start with.
        max_tree_depth: a trajectory has at most 2^max_tree_depth - 1 steps.
    """

    max_tree_depth: Annotated[int, count(1, 20)] = eqx.field(static=True, default=10)

    target: ClassVar[float | None] = 0.8

    def start(self, energy: States, x: Float[Array, "chain dim"]) -> Walkers:
        """Walkers at states x with unit masses; they remember the inverse masses [dim]."""
        return super().start(energy, x)._replace(memory=jnp.ones(x.shape[1], x.dtype))

    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """One trajectory of each chain, and their mean acceptance statistic."""
        real = jnp.result_type(float)
        scale, inverse_mass = walkers.scale.astype(real), walkers.memory.astype(real)

        def one(
            chain: Int[Array, ""], x: Float[Array, "dim"], key: PRNGKeyArray
        ) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
            begin, transition = hmc(_potential(energy, chain), algo="NUTS")
            fixed = {"adapt_step_size": False, "adapt_mass_matrix": False, "max_tree_depth": self.max_tree_depth}
            state = begin(x, 0, scale, inverse_mass, rng_key=key, **fixed)
            state = transition(state)
            return state.z, state.accept_prob

        chains, dtype = len(walkers.x), walkers.x.dtype
        x, rates = jax.vmap(one)(jnp.arange(chains), walkers.x.astype(real), jax.random.split(key, chains))
        return walkers._replace(x=x.astype(dtype)), rates.mean().astype(dtype)

    def run(
        self, energy: States, walkers: Walkers, key: PRNGKeyArray, steps: int | None = None, *, adapt: bool = False
    ) -> tuple[Walkers, Float[Array, ""]]:
        """Many transitions and their mean acceptance statistic; a warm-up learns the masses half-way."""
        steps = self.steps if steps is None else steps
        if not adapt or steps < 8:
            return super().run(energy, walkers, key, steps, adapt=adapt)
        quarter = steps // 4
        first, second, last = jax.random.split(key, 3)
        walkers, _ = super().run(energy, walkers, first, quarter, adapt=True)
        alone = replace(self, steps=1)
        walkers, drawn = alone.draws(energy, walkers, second, quarter)
        # the scale is one of standardised numbers: it changes with the masses by as much as they do on the whole
        variance = jnp.maximum(drawn.var((0, 1)), 1e-12)
        ratio = jnp.exp(0.5 * (jnp.log(walkers.memory) - jnp.log(variance)).mean())
        walkers = walkers._replace(memory=variance, scale=walkers.scale * ratio)
        return super().run(energy, walkers, last, steps - 2 * quarter, adapt=True)


def _potential(energy: States, chain: Int[Array, ""]) -> Any:
    """E of the state [dim] of one chain, given its own row of conditions where there are some."""
    energy = energy.row(chain)
    return lambda x: energy.batch(x[None])[0]
