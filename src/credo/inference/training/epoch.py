"""The compiled programs of all trainings: the members' first weights, and epochs of all of them side by side."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped
from numpyro import handlers
from numpyro.infer.util import unconstrain_fn

from credo.inference.density import Values
from credo.inference.start import find_continuous
from credo.inference.training.objective import Batch, Method, Objective
from credo.models.binding import BoundModel

_WARMUP = 0.05
"""The share of all steps in which the learning rate of `warmup_cosine` rises."""


class Member(NamedTuple):
    """One network in training.

    - **z** - latents by site, unconstrained.
    - **optimiser** - optax's state.
    - **best**, **best_loss**, **best_epoch** - those of the least validation loss, that loss, and how many epochs there
      had been.
    - **epoch** - epochs so far.
    - **finite** - False once an epoch was not; z is as it was before that.
    - **rng_key** - for the order of the rows.
    - **train**, **validation** - the objective's curve by epoch; NaN where unknown.
    - **memory** - what the objective keeps from step to step, e.g. persistent chains; empty for most.
    - **average** - the running mean of z that is kept instead of z, where it is asked for; else empty.
    """

    z: Values
    optimiser: Any
    best: Values
    best_loss: Array
    best_epoch: Array
    epoch: Array
    finite: Array
    rng_key: Array
    train: Array
    validation: Array
    memory: Any = ()
    average: Any = ()


def make_optimiser(training: Objective, steps: int) -> optax.GradientTransformation:
    """Optax's, for so many steps in all."""
    rate = training.learning_rate
    if training.schedule == "constant":
        schedule: Any = rate
    else:
        rise = rise_of(training, steps)

        def schedule(count: Array) -> Array:
            falls = jnp.clip((count - rise) / max(steps - rise, 1), 0, 1)
            return rate * jnp.where(count < rise, (count + 1) / max(rise, 1), 0.5 * (1 + jnp.cos(jnp.pi * falls)))

    decay = training.weight_decay
    adam = optax.adamw(schedule, weight_decay=decay) if training.optimiser == "adamw" else optax.adam(schedule)
    return adam if training.clip is None else optax.chain(optax.clip_by_global_norm(training.clip), adam)


def rise_of(training: Objective, steps: int) -> int:
    """The steps until the learning rate is at its highest."""
    return max(int(_WARMUP * steps), 1) if training.schedule == "warmup_cosine" else 0


def goes_on(training: Objective, member: Member) -> Bool[Array, "*member"]:
    """Whether there is more to do, of one member or of all."""
    more = member.finite & (member.epoch < training.epochs)
    if training.patience is None or not training.validation:
        return more
    return more & (member.epoch - member.best_epoch < training.patience)


@jax.jit
def begin(training: Objective, program: BoundModel, keys: Shaped[Array, "member ..."]) -> Member:
    """All members before their first epoch."""

    def first(key: PRNGKeyArray) -> Member:
        latents = program.model.start(key)
        seeded = handlers.seed(program, key)
        z = unconstrain_fn(seeded, (), {}, latents) if latents else find_continuous(program, key)
        curve = jnp.full(training.epochs, jnp.nan, jnp.float32)
        memory_key = jax.random.fold_in(key, 2)
        member = Member(
            z=z,
            optimiser=make_optimiser(training, 1).init(z),
            best=z,
            best_loss=jnp.array(jnp.inf, jnp.float32),
            best_epoch=jnp.array(0),
            epoch=jnp.array(0),
            finite=jnp.array(True),
            rng_key=jax.random.fold_in(key, 1),
            train=curve,
            validation=curve,
            memory=training.begin(program, memory_key),
            average=z if training.average else (),
        )
        return jax.tree.map(lambda a: lax.convert_element_type(a, a.dtype), member)

    return jax.vmap(first)(keys)


@partial(jax.jit, static_argnums=2)
def train(
    training: Objective,
    method: Method,
    names: tuple[str, ...],
    program: BoundModel,
    key: PRNGKeyArray,
    members: Member,
    count: int | Int[Array, ""],
) -> Member:
    """At most `count` epochs of all members; one that has stopped stays as it is."""
    total = next(program.arrays[name].shape[0] for name in names)
    held = training.held(total)
    rows = _rows(training, total, key)
    epoch = _over_members(partial(_epoch, training, method, names, program))
    last = jnp.max(members.epoch) + count

    def one(members: Member) -> Member:
        return epoch(members, rows[:, :held], rows[:, held:])

    def is_open(members: Member) -> Array:
        return (jnp.max(members.epoch) < last) & jnp.any(goes_on(training, members))

    return lax.while_loop(is_open, one, members)


def validation_rows(training: Objective, total: int, key: PRNGKeyArray) -> Int[Array, "member row"]:
    """The rows of each member by which its best weights are chosen."""
    return _rows(training, total, key)[:, : training.held(total)]


def _rows(training: Objective, total: int, key: PRNGKeyArray) -> Int[Array, "member row"]:
    """The rows of each member, first those for validation."""
    held = training.held(total)
    order = jax.random.permutation(key, total) if held else jnp.arange(total)
    turned = (jnp.arange(training.members)[:, None] * held + jnp.arange(total)) % total
    return order[turned]


def _over_members(function: Any) -> Any:
    """Like `jax.vmap`; a network that is alone is not made a batch of one, whose products are slower."""

    def each(*inputs: Any) -> Any:
        if len(jax.tree.leaves(inputs)[0]) > 1:
            return jax.vmap(function)(*inputs)
        alone = function(*jax.tree.map(lambda a: a[0], inputs))
        return jax.tree.map(lambda a: a[None], alone)

    return each


def _epoch(
    training: Objective,
    method: Method,
    names: tuple[str, ...],
    program: BoundModel,
    member: Member,
    held: Int[Array, "held"],
    rows: Int[Array, "row"],
) -> Member:
    """One epoch of one member."""
    size = training.batch_size
    batches = len(rows) // size
    key, order_key = jax.random.split(member.rng_key)
    order = jax.random.permutation(order_key, rows)[: batches * size].reshape(batches, size)
    key, step_key, judge_key = jax.random.split(key, 3)

    def of_rows(chosen: Int[Array, "row"], total: int) -> Batch:
        return Batch(program.of_rows(chosen, names), chosen, total)

    carry, (values, points) = _steps(training, method, partial(of_rows, total=len(rows)), member, order, step_key)
    z, _, _, average = carry
    weights = average if training.average else z
    loss = jnp.full((), jnp.nan, jnp.float32)
    if len(held):
        loss = training.judge(method, of_rows(held, len(rows)), weights, judge_key).astype(jnp.float32)
    measured = jnp.isfinite(loss) | (not len(held)) | (training.measure(program) is None)
    finite = jnp.isfinite(values).all() & jnp.isfinite(optax.tree.norm(z)) & measured
    before = (member.z, member.optimiser, member.memory, member.average)
    z, state, memory, average = jax.tree.map(partial(jnp.where, finite), carry, before)
    after = member._replace(z=z, optimiser=state, memory=memory, average=average, finite=finite, rng_key=key)
    after = _noted(after, weights, loss, points)
    return jax.tree.map(partial(jnp.where, goes_on(training, member)), after, member)


def _steps(
    training: Objective,
    method: Method,
    of_rows: Any,
    member: Member,
    order: Int[Array, "batch row"],
    step_key: PRNGKeyArray,
) -> Any:
    """One step per batch of `order`.

    Returns:
        Weights, the optimiser's state, memory and average; and per batch the loss, and the point of the curve.
    """
    batches = len(order)
    optimiser = make_optimiser(training, batches * training.epochs)

    def step(carry: Any, own: tuple[Int[Array, "row"], Int[Array, ""]]) -> tuple[Any, tuple[Array, Array]]:
        z, state, memory, average = carry
        loss = partial(training.loss, method, of_rows(own[0]))
        key = jax.random.fold_in(step_key, own[1])
        (value, (point, memory)), gradient = jax.value_and_grad(loss, has_aux=True)(z, memory, key)
        updates, state = optimiser.update(gradient, state, z)
        z = optax.apply_updates(z, updates)
        if training.average:
            done = member.epoch * batches + own[1]
            share = jnp.minimum(training.average, (1.0 + done) / (10.0 + done))
            average = jax.tree.map(lambda mean, new: share * mean + (1 - share) * new, average, z)
        return (z, state, memory, average), (value, point)

    carry = (member.z, member.optimiser, member.memory, member.average)
    return lax.scan(step, carry, (order, jnp.arange(batches)))


def _noted(member: Member, weights: Values, loss: Float[Array, ""], points: Float[Array, "batch"]) -> Member:
    """With one epoch more in its curves, and other best weights if its validation loss is the least."""
    better = member.finite & ((loss < member.best_loss) | ~jnp.isfinite(loss))
    at, epoch = member.epoch, member.epoch + 1
    return member._replace(
        best=jax.tree.map(partial(jnp.where, better), weights, member.best),
        best_loss=jnp.where(better & jnp.isfinite(loss), loss, member.best_loss),
        best_epoch=jnp.where(better, epoch, member.best_epoch),
        epoch=epoch,
        train=member.train.at[at].set(points.mean().astype(jnp.float32)),
        validation=member.validation.at[at].set(loss),
    )
