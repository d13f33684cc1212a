"""How a sequence of states goes on: the distribution after so many steps, and paths, by a model of the next state."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from credo.models.base import Model
from credo.models.new_rows import Draws, batches, likelihood


def probabilities(
    model: Model, draws: Draws, now: Int[np.ndarray, "row"], steps: int
) -> Float[np.ndarray, "row step state"]:
    """The probability of each state after 1, 2, ... steps, the mean over draws of powers of their transitions.

    Args:
        model: fitted; it `follows`.
        draws: of its latents, by site.
        now: the number of each row's state.
        steps: how many.
    """
    return np.asarray(_probabilities(model, dict(draws), steps))[np.asarray(now)]


def paths(
    model: Model, draws: Draws, now: Int[np.ndarray, "row"], steps: int, count: int, key: PRNGKeyArray
) -> Int[np.ndarray, "sample row step"]:
    """Continuations of each row; each sample has one draw of the latents for all its rows and steps.

    Args:
        model: fitted; it `follows`.
        draws: of its latents, by site; they are taken in turn, evenly spaced.
        now: the number of each row's state.
        steps: how many.
        count: how many samples.
        key: for the states.
    """
    kept = len(next(iter(draws.values())))
    chosen = np.arange(count) * kept // count if count <= kept else np.arange(count) % kept
    drawn = {name: np.asarray(values)[chosen] for name, values in draws.items()}
    parts = []
    for rows, size in batches(len(now), count * steps):
        keys = jax.random.split(jax.random.fold_in(key, int(rows[0])), (count, steps))
        parts.append(np.asarray(_paths(model, drawn, jnp.asarray(now)[rows], keys))[:, :size])
    return np.concatenate(parts, axis=1)


def _transition(model: Model, latents: dict[str, Any]) -> Float[Array, "state state"]:
    """The probabilities of the next state, from each."""
    states = jnp.arange(len(model.levels))
    return jnp.exp(likelihood(model, latents, {model.follows: states}).log_prob(states[:, None])).T


@eqx.filter_jit
def _probabilities(model: Model, draws: dict[str, Any], steps: int) -> Float[Array, "state step state"]:
    def one(latents: dict[str, Any]) -> Float[Array, "step state state"]:
        transition = _transition(model, latents)

        def step(power: Float[Array, "state state"], _: None) -> tuple[Array, Array]:
            further = power @ transition
            return further, further

        return jax.lax.scan(step, jnp.eye(len(transition)), length=steps)[1]

    return jnp.swapaxes(jax.vmap(one)(draws).mean(0), 0, 1)


@eqx.filter_jit
def _paths(model: Model, draws: dict[str, Any], now: Int[Array, "row"], keys: Any) -> Int[Array, "sample row step"]:
    def one(latents: dict[str, Any], own: Any) -> Int[Array, "step row"]:
        log_transition = jnp.log(_transition(model, latents))

        def step(state: Int[Array, "row"], key: PRNGKeyArray) -> tuple[Array, Array]:
            further = jax.random.categorical(key, log_transition[state])
            return further, further

        return jax.lax.scan(step, now, own)[1]

    return jnp.swapaxes(jax.vmap(one)(draws, keys), 1, 2)
