"""The discrete Metropolis-adjusted Langevin algorithm (Zhang, Liu & Liu 2022): many units change in one proposal.

Each unit i is proposed by itself, with probabilities proportional to exp(-g_i (v - x_i) / 2 - (v - x_i)^2 / (2 eps^2))
of its values v, where g is the slope of E, which must be a smooth function of the numbers that units are. Metropolis
and Hastings' rule then judges. With one change at a time it would be Gibbs with gradients (Grathwohl et al. 2021).
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.nn import log_softmax
from jaxtyping import Bool, Float, PRNGKeyArray

from credo.energies.samplers.base import Stepping, Walkers, accepted, settled
from credo.energies.states import States, slopes
from credo.energies.uniforms import uniforms
from credo.errors import ConfigError

Slopes = tuple[Float[Array, "chain"], Float[Array, "chain dim"]]
"""The energies [chain] of states, and their gradients [chain, dim]."""


class Dmala(Stepping):
    """Langevin proposals for discrete units, accepted or rejected for each chain.

    Attributes:
        step_size: the eps that walkers start with.
    """

    target: ClassVar[float | None] = 0.574

    def check(self, energy: States) -> None:
        """Refuse real numbers."""
        if energy.values is None:
            raise ConfigError(
                f"sampler: dmala moves discrete units, but {energy.name} has real numbers; choose mala, hmc or auto"
            )

    def step(self, energy: States, walkers: Walkers, key: PRNGKeyArray) -> tuple[Walkers, Float[Array, ""]]:
        """One proposal for all chains, and their mean acceptance probability."""
        walkers, _, rate = _moved(energy, walkers, slopes(energy, walkers.x), key)
        return walkers, rate

    def run(
        self, energy: States, walkers: Walkers, key: PRNGKeyArray, steps: int | None = None, *, adapt: bool = False
    ) -> tuple[Walkers, Float[Array, ""]]:
        """As that of all samplers, but the slopes of a state are computed once, not in both steps that know it."""

        def one(state: tuple[Walkers, Slopes], key: PRNGKeyArray) -> tuple[tuple[Walkers, Slopes], Array]:
            walkers, here, rate = _moved(energy, *state, key)
            return ((self.tuned(walkers, rate) if adapt else walkers), here), rate

        keys = jax.random.split(key, self.steps if steps is None else steps)
        (walkers, _), rates = lax.scan(one, (walkers, slopes(energy, walkers.x)), keys)
        return walkers, rates.mean()


def _moved(
    energy: States, walkers: Walkers, here: Slopes, key: PRNGKeyArray
) -> tuple[Walkers, Slopes, Float[Array, ""]]:
    """The walkers after one proposal, the slopes where they are, and the mean acceptance probability."""
    move_key, accept_key = jax.random.split(key)
    x, (energies, gradient) = walkers.x, here
    values = jnp.asarray(energy.values, x.dtype)
    log_p = _log_p(x, gradient, values, walkers.scale)
    below = jnp.cumsum(jnp.exp(log_p), 0)[:-1]
    kinds = (uniforms(move_key, x.shape, x.dtype) >= below).sum(0)
    chosen = kinds == jnp.arange(len(values))[:, None, None]
    proposed = jnp.where(chosen, values[:, None, None], 0).sum(0)
    there = slopes(energy, proposed)
    back = _log_p(proposed, there[1], values, walkers.scale)
    forward, backward = _of(log_p, chosen), _of(back, x == values[:, None, None])
    yes, rate = accepted(energies - there[0] + backward - forward, accept_key)
    here = settled(energies, there[0], yes), settled(gradient, there[1], yes)
    return walkers._replace(x=settled(x, proposed, yes)), here, rate


def _log_p(
    x: Float[Array, "chain dim"],
    gradient: Float[Array, "chain dim"],
    values: Float[Array, "value"],
    eps: Float[Array, ""],
) -> Float[Array, "value chain dim"]:
    """Of each value and each unit of states x: the fastest order of a few values."""
    change = values[:, None, None] - x
    logits: Any = -0.5 * gradient * change - 0.5 * jnp.square(change / eps)
    return log_softmax(logits.astype(x.dtype), 0)


def _of(log_p: Float[Array, "value chain dim"], chosen: Bool[Array, "value chain dim"]) -> Float[Array, "chain"]:
    """The log probability of the values that are chosen."""
    return jnp.where(chosen, log_p, 0).sum((0, 2))
