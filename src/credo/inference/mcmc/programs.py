"""The compiled programs of all Markov chains: `start` and `advance`, NumPyro's kernels over all chains.

The model, the data and the sampler's numbers are arguments of both, so another prior scale, step size or data set of
the same shape reuses them. Chains are spread over the devices; those of one device run one after another or vectorised.
"""

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, PartitionSpec
from numpyro.infer.mcmc import MCMCKernel

from credo.models.binding import BoundModel

if TYPE_CHECKING:
    from credo.inference.mcmc.mcmc import Chains

Stats = dict[str, Any]


def _mesh(chains: int) -> jax.sharding.Mesh:
    """As many devices as share the chains evenly."""
    size = math.gcd(chains, len(jax.devices()))
    return jax.make_mesh((size,), ("chains",), (AxisType.Auto,), devices=jax.devices()[:size])


def over_chains(sampler: "Chains", function: Any, program: Any, chains: Any, per_chain: Any, *shared: Any) -> Any:
    """Apply `function(program, one chain's input, *shared)` to all chains, wherever they are.

    Args:
        sampler: knows the placement.
        function: of one chain.
        program: an argument that all chains share.
        chains: how many chains there are, as a traced number.
        per_chain: what each chain has of its own, [chains, ...].
        shared: further arguments that all chains share.
    """
    mesh = _mesh(sampler.chains)

    def on_device(program: Any, chains: Any, per_chain: Any, *shared: Any) -> Any:
        one = partial(_last, function, program, shared)
        if sampler.in_step:
            return _in_step(one, per_chain, alone=mesh.size == sampler.chains > 1)
        return _in_turn(one, per_chain, chains // mesh.size)

    if mesh.size == 1:
        return on_device(program, chains, per_chain, *shared)
    chain, everywhere = PartitionSpec("chains"), PartitionSpec()
    spread = jax.shard_map(
        on_device,
        mesh=mesh,
        in_specs=(everywhere, everywhere, chain, *[everywhere] * len(shared)),
        out_specs=chain,
        check_vma=False,
    )
    return spread(program, chains, per_chain, *shared)


def _in_turn(one: Any, inputs: Any, count: Any) -> Any:
    """Like `lax.map`, but for a number of inputs that the compiler does not know.

    It would take a loop over one input apart and compile it differently, so that the draws of a chain that is alone on
    its device had other last bits.
    """
    first = jax.tree.map(lambda a: a[0], inputs)
    room = jax.tree.map(lambda a: jnp.zeros((_length(inputs), *a.shape), a.dtype), jax.eval_shape(one, first))

    def put(i: jax.Array, filled: Any) -> Any:
        result = one(jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, i, keepdims=False), inputs))
        return jax.tree.map(lambda all_, new: lax.dynamic_update_index_in_dim(all_, new, i, 0), filled, result)

    return lax.fori_loop(0, count, put, room)


def _in_step(one: Any, inputs: Any, *, alone: bool) -> Any:
    """Like `jax.vmap`; a chain that is alone on its device runs twice, as for a batch of one other code is made."""
    if not alone:
        return jax.vmap(one)(inputs)
    twice = jax.vmap(one)(jax.tree.map(lambda a: jnp.concatenate([a, a]), inputs))
    return jax.tree.map(lambda a: a[:1], twice)


def _length(inputs: Any) -> int:
    return int(jax.tree.leaves(inputs)[0].shape[0])


def _last(function: Any, program: BoundModel, shared: tuple[Any, ...], one: Any) -> Any:
    return function(program, one, *shared)


@jax.jit
def start(sampler: "Chains", program: BoundModel, chains: int, keys: jax.Array, modes: Any = None) -> Any:
    """The chains' first states.

    Args:
        sampler: of the chains.
        program: the model with its data.
        chains: how many there are.
        keys: one for each chain.
        modes: continuous latents where each chain begins [chain, ...], unconstrained; `None` to let the sampler choose.
    """

    def one(program: BoundModel, own: Any) -> Any:
        key, mode, from_prior = own
        start_key, chain_key = jax.random.split(key)
        kernel = sampler.kernel(program)
        begin = sampler.begin(program, start_key, mode, from_prior)
        return kernel.init(chain_key, sampler.warmup * sampler.thinning, begin, (), {})

    every_second = None if sampler.chains == 1 else jnp.arange(sampler.chains) % 2 == 1
    return over_chains(sampler, one, program, chains, (keys, modes, every_second))


@jax.jit
def first_points(sampler: "Chains", states: Any) -> tuple[jax.Array, dict[str, Any]]:
    """Whether each chain is at a point from which to go on, and where it is, by site, unconstrained."""
    return jax.vmap(sampler.is_finite)(states), jax.vmap(sampler.values)(states)


@jax.jit
def advance(
    sampler: "Chains", program: BoundModel, chains: int, states: Any, count: int
) -> tuple[Any, dict[str, Any], Any, Stats]:
    """Advance all chains by `count` <= `sampler.block` draws.

    Returns:
        The new states, the draws, their trail and their stats, each [chains, block, ...], of which the first `count`
        are filled.
    """

    def one(program: BoundModel, state: Any, count: jax.Array) -> Any:
        kernel = sampler.kernel(program)
        # NumPyro's kernels keep what `sample` needs as attributes that `init` sets; its numbers are not used.
        kernel.init(jax.random.PRNGKey(0), sampler.warmup * sampler.thinning, sampler.point(state), (), {})

        def draw(state: Any) -> Any:
            state = kernel.sample(state, (), {})
            first = (state, sampler.stats(state))
            return lax.fori_loop(1, sampler.thinning, lambda _, carry: _step(sampler, kernel, carry), first)

        def keep(i: jax.Array, carry: Any) -> Any:
            state, kept = carry
            state, stats = draw(state)
            new = (sampler.values(state), sampler.trail(state), stats)
            return state, jax.tree.map(lambda all_, one: all_.at[i].set(one), kept, new)

        shapes = jax.eval_shape(lambda s: (sampler.values(s), sampler.trail(s), sampler.stats(s)), state)
        room = jax.tree.map(lambda a: jnp.zeros((sampler.block, *a.shape), a.dtype), shapes)
        state, (values, trail, stats) = lax.fori_loop(0, count, keep, (state, room))
        return state, values, trail, stats

    return over_chains(sampler, one, program, chains, states, count)


def _step(sampler: "Chains", kernel: MCMCKernel, carry: tuple[Any, Stats]) -> tuple[Any, Stats]:
    """One more kernel step of the same draw: flags are joined, counts added, numbers replaced."""
    state, before = carry
    state = kernel.sample(state, (), {})
    now = sampler.stats(state)
    return state, jax.tree.map(_join, before, now)


def _join(before: jax.Array, now: jax.Array) -> jax.Array:
    if now.dtype == bool:
        return before | now
    return before + now if jnp.issubdtype(now.dtype, jnp.integer) else now
