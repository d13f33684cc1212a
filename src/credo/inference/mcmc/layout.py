"""How chains run: spread over the devices, and those of one device one after another or vectorised."""

from contextlib import suppress
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Float, Int, Shaped

from credo.models.binding import BoundModel, device_mesh

_IN_STEP = "in_step"
"""The axis of the chains of one device."""


class Layout(eqx.Module):
    """What programs of chains are compiled for.

    Attributes:
        chains: how many there are.
        warmup: steps of the warm-up.
        thinning: steps per draw.
        block: draws of one call at most.
        in_step: whether the chains of one device run by vectorised operations, or one after another.
        mesh: how many devices share the chains, and how many the rows of each (see `Problem`).
    """

    chains: int = eqx.field(static=True)
    warmup: int = eqx.field(static=True)
    thinning: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    in_step: bool = eqx.field(static=True)
    mesh: tuple[int, int] | None = eqx.field(static=True, default=None)


def _mesh(layout: Layout) -> jax.sharding.Mesh:
    """As many devices as share the chains evenly; the one that was chosen, where one was (`calls.spread`)."""
    if layout.mesh is not None:
        return device_mesh(layout.mesh)
    chains = layout.chains
    chosen = jax.config.jax_default_device
    devices = jax.devices() if chosen is None else [chosen]
    size = max(number for number in range(1, len(devices) + 1) if chains % number == 0)
    return jax.make_mesh((size,), ("chains",), (AxisType.Auto,), devices=devices[:size])


def over_chains(layout: Layout, function: Any, program: Any, chains: Any, per_chain: Any, *shared: Any) -> Any:
    """Apply `function(program, one chain's input, *shared)` to all chains, wherever they are.

    Args:
        layout: how the chains run.
        function: of one chain.
        program: an argument that all chains share.
        chains: how many chains there are, as a traced number.
        per_chain: what each chain has of its own, [chains, ...].
        shared: further arguments that all chains share.
    """
    mesh = _mesh(layout)
    devices = mesh.shape["chains"]

    def on_device(program: Any, chains: Any, per_chain: Any, *shared: Any) -> Any:
        one = partial(_last, function, program, shared)
        if layout.in_step:
            return _in_step(one, per_chain, alone=devices == layout.chains > 1)
        return _in_turn(one, per_chain, chains // devices)

    if devices == 1:
        return on_device(program, chains, per_chain, *shared)
    if mesh.shape.get("data", 1) > 1:
        return _together(partial(_last, function, program, shared), per_chain, mesh)
    chain, everywhere = PartitionSpec("chains"), PartitionSpec()
    spread = jax.shard_map(
        on_device,
        mesh=mesh,
        in_specs=(everywhere, everywhere, chain, *[everywhere] * len(shared)),
        out_specs=chain,
        axis_names={"chains"},
        check_vma=False,
    )
    return spread(program, chains, per_chain, *shared)


def lying(layout: Layout, shapes: Any) -> Any:
    """Shapes [chains, ...], lying where `over_chains` returns them."""
    mesh = _mesh(layout)
    if mesh.size == 1:
        return shapes
    place = NamedSharding(mesh, PartitionSpec("chains"))
    return jax.tree.map(lambda one: jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=place), shapes)


def _together(one: Any, inputs: Any, mesh: jax.sharding.Mesh) -> Any:
    """Like `jax.vmap`, with the chains over devices that share the rows, too.

    All devices exchange sums over rows, so that all must be in the same turn of every loop. That is so where the loops
    are those of one program of all chains, and not where each device has loops of its own.
    """
    placed = lax.with_sharding_constraint(inputs, NamedSharding(mesh, PartitionSpec("chains")))
    return jax.vmap(one, axis_name=_IN_STEP)(placed)


def _in_turn(one: Any, inputs: Any, count: Any) -> Any:
    """Like `lax.map`, but for a number of inputs that the compiler does not know.

    It would take a loop over one input apart and compile it differently, so that the draws of a chain that is alone on
    its device had other last bits.
    """
    one = jax.jit(one, inline=True)  # which is traced once, for the room and for the loop
    first = jax.tree.map(lambda a: a[0], inputs)
    room = jax.tree.map(lambda a: jnp.zeros((_length(inputs), *a.shape), a.dtype), jax.eval_shape(one, first))

    def put(i: Int[Array, ""], filled: Any) -> Any:
        result = one(jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, i, keepdims=False), inputs))
        return jax.tree.map(lambda all_, new: lax.dynamic_update_index_in_dim(all_, new, i, 0), filled, result)

    return lax.fori_loop(0, count, put, room)


def _in_step(one: Any, inputs: Any, *, alone: bool) -> Any:
    """Like `jax.vmap`; a chain that is alone on its device runs twice, as for a batch of one other code is made."""
    if not alone:
        return jax.vmap(one, axis_name=_IN_STEP)(inputs)
    twice = jax.vmap(one, axis_name=_IN_STEP)(jax.tree.map(lambda a: jnp.concatenate([a, a]), inputs))
    return jax.tree.map(lambda a: a[:1], twice)


def mean_of_chains(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The mean over all chains, in the program of one of them, which runs in step with the others."""
    return lax.pmean(values, _axes())


def same_of_chains(value: Shaped[Array, ""]) -> Shaped[Array, ""]:
    """A number that is the same of all chains, as one: a loop of so many steps waits for nobody."""
    return lax.pmax(value, _axes())


def _axes() -> tuple[str, ...]:
    """The axes along which chains run in step here."""
    found = []
    for name in (_IN_STEP, "chains"):
        with suppress(NameError):  # there is no such axis
            lax.axis_size(name)
            found.append(name)
    return tuple(found)


def _length(inputs: Any) -> int:
    return int(jax.tree.leaves(inputs)[0].shape[0])


def _last(function: Any, program: BoundModel, shared: tuple[Any, ...], one: Any) -> Any:
    return function(program, one, *shared)
