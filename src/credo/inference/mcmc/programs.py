"""The compiled programs of all Markov chains: `start` and `advance`, a kernel's `init` and `step` over all chains.

The model, the data and the kernel's numbers are arguments of both, so another prior scale, step size or data set of the
same shape reuses them.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Int, PRNGKeyArray, Shaped

from credo.inference.mcmc.kernel import Kernel
from credo.inference.mcmc.layout import Layout, over_chains
from credo.inference.program import compiled
from credo.inference.start import Beginning, Start, find, find_continuous
from credo.models.binding import BoundModel


@partial(compiled, static=(1,))
def keys_of(key: PRNGKeyArray, chains: int) -> tuple[PRNGKeyArray, PRNGKeyArray, Shaped[Array, "chains ..."]]:
    """The keys of the chains together, of what is derived from their draws, and of each chain."""
    chain_key, evaluation_key = jax.random.split(key)
    return chain_key, evaluation_key, jax.random.split(chain_key, chains)


@compiled
def start(
    kernel: Kernel,
    layout: Layout,
    beginning: Beginning,
    program: BoundModel,
    chains: int | Int[Array, ""],
    keys: Shaped[Array, "chains ..."],
    modes: Any = None,
) -> Any:
    """The chains' first states.

    Args:
        kernel: of the chains.
        layout: how they run.
        beginning: where they begin.
        program: the model with its data.
        chains: how many there are.
        keys: one for each chain.
        modes: continuous latents where each chain begins [chain, ...], unconstrained, in place of `beginning`.
    """

    def one(program: BoundModel, own: Any) -> Any:
        key, first_key, mode, from_prior = own
        start_key, chain_key = jax.random.split(first_key)[0], jax.random.split(key)[1]
        first = _first(kernel, beginning, program, start_key, mode, from_prior)
        return kernel.init(program, first, chain_key, layout.warmup)

    size = kernel.together(layout.chains)
    group = jnp.arange(layout.chains) // size
    first_keys, modes = (keys, modes) if size == 1 else jax.tree.map(lambda a: a[group * size], (keys, modes))
    every_second = None if layout.chains == 1 else group % 2 == 1
    return over_chains(layout, one, program, chains, (keys, first_keys, modes, every_second))


def _first(
    kernel: Kernel, beginning: Beginning, program: BoundModel, key: PRNGKeyArray, mode: Any, from_prior: Any
) -> Start:
    """Where one chain begins."""
    if mode is not None:
        return Start(mode, {})
    how, values = beginning.how, beginning.values
    if kernel.moves_discrete:
        return find(program, key, how, values, from_prior)
    return Start(find_continuous(program, key, how, values, from_prior), {})


@compiled
def first_points(kernel: Kernel, states: Any) -> tuple[Bool[Array, "chains"], dict[str, Shaped[Array, "chains ..."]]]:
    """Whether each chain is at a point from which to go on, and where it is, by site, unconstrained."""
    return jax.vmap(kernel.is_finite)(states), jax.vmap(kernel.latents)(states)


@compiled
def advance(
    kernel: Kernel,
    layout: Layout,
    program: BoundModel,
    chains: int | Int[Array, ""],
    states: Any,
    count: int | Int[Array, ""],
) -> tuple[Any, dict[str, Any], Any, Any]:
    """Advance all chains by `count` <= `layout.block` draws.

    Returns:
        The new states, and of each draw the latents, the gradients and the info, each [chains, block, ...], of which
        the first `count` are filled.
    """

    def one(program: BoundModel, state: Any, count: jax.Array) -> Any:
        @partial(jax.jit, inline=True)  # which is traced once, for the room and for the loop
        def step(state: Any) -> Any:
            return kernel.step(program, state, layout.warmup)

        def again(_: Any, carry: Any) -> Any:
            state, info = step(carry[0])
            return state, jax.tree.map(_join, carry[1], info)

        def drawn(state: Any, info: Any) -> Any:
            return kernel.latents(state), kernel.gradients(state), info

        def keep(i: jax.Array, carry: Any) -> Any:
            state, info = step(carry[0])
            if layout.thinning > 1:
                state, info = lax.fori_loop(1, layout.thinning, again, (state, info))
            return state, jax.tree.map(lambda all_, one: all_.at[i].set(one), carry[1], drawn(state, info))

        shapes = jax.eval_shape(lambda state: drawn(*step(state)), state)
        room = jax.tree.map(lambda a: jnp.zeros((layout.block, *a.shape), a.dtype), shapes)
        state, draws = lax.fori_loop(0, count, keep, (state, room))
        return state, *draws

    return over_chains(layout, one, program, chains, states, count)


def _join(before: Shaped[Array, "*shape"], now: Shaped[Array, "*shape"]) -> Shaped[Array, "*shape"]:
    """What two steps of one draw report: flags are joined, counts added, numbers replaced."""
    if now.dtype == bool:
        return before | now
    return before + now if jnp.issubdtype(now.dtype, jnp.integer) else now
