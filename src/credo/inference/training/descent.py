"""The driver of all trainings: stochastic gradient descent in epochs, one compiled loop, all members side by side.

What is descended is the loss of an objective (`likelihood`, `pcd`, `nce`, ...) on minibatches of rows. Members differ
in their first weights, in the order of their minibatches and in their validation rows, which are disjoint as far as the
rows suffice (an ensemble of M with 1/M of the rows for validation is a cross-validation): deep ensembles,
Lakshminarayanan, Pritzel & Blundell (2017).
"""

import abc
import dataclasses
import math
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jax import Array, lax
from numpyro import handlers
from numpyro.infer.util import unconstrain_fn

from credo import memory
from credo.errors import ConfigError, Interrupted, RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener, Snapshot
from credo.inference.calls import Call, Calls
from credo.inference.clock import Clock
from credo.inference.density import Program, Values, potential
from credo.inference.evaluate import evaluate
from credo.inference.result import Cost, Result, Status
from credo.inference.start import find_continuous
from credo.inference.state import packed, unpacked
from credo.inference.training import continuation
from credo.models.problem import BoundModel, Problem
from credo.ranges import Count, NonNegative, Part, Positive

OPTIMISERS = ("adam", "adamw")
SCHEDULES = ("constant", "cosine", "warmup_cosine")
_WARMUP = 0.05
"""The share of all steps in which the learning rate of `warmup_cosine` rises."""

_SECONDS = 0.5
"""About how long the compiled loop runs between two looks."""

_MOST_TOLD = 200
"""About how many epochs the listener is told of."""


class Method(Protocol):
    """What a point estimate maximises."""

    @property
    def method(self) -> str:
        """Its word."""
        ...

    def log_density(self, program: Program, z: Values) -> Array:
        """The log density of the unconstrained latents."""
        ...


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


class Batch(NamedTuple):
    """A minibatch.

    - **program** - the model over its rows.
    - **rows** - their numbers [row] among all.
    - **total** - how many rows there are to train on; what is told of a batch stands for all of them.
    """

    program: BoundModel
    rows: Array
    total: int


class Descent(eqx.Module):
    """Stochastic gradient descent on an objective. A subclass writes `loss` and `judge`.

    Attributes:
        optimiser: `adam` (Kingma & Ba 2015) or `adamw` (Loshchilov & Hutter 2019).
        learning_rate: at its highest.
        schedule: `constant`; `cosine`, down to zero over all epochs; `warmup_cosine`, after a rise.
        weight_decay: of `adamw`, per step and unit of learning rate.
        clip: the largest norm of a gradient (per row); `None` for any.
        epochs: at most.
        batch_size: rows per step. What is left of an epoch's shuffled rows after whole batches is left out.
        validation: the share of the training rows by which the best weights are chosen; 0 keeps the last ones.
        patience: epochs without a better validation loss after which a member stops; `None` for never.
        average: the share of the running mean of the weights that a step keeps (Polyak & Juditsky 1992), 0.999 for a
            mean over about 1,000 steps; 0 for the last weights themselves.
        members: networks of the ensemble.
    """

    word: ClassVar[str]
    """The objective's word in the configuration."""
    curve: ClassVar[str] = "loss"
    """What its learning curves show, as metrics are named."""
    keeps_going: ClassVar[bool] = False
    """Whether a member that is no longer finite is left out, instead of ending the run."""

    optimiser: str = eqx.field(static=True)
    learning_rate: Positive
    schedule: str = eqx.field(static=True)
    weight_decay: NonNegative
    clip: Positive | None
    epochs: Count = eqx.field(static=True)
    batch_size: Count = eqx.field(static=True)
    validation: Part = eqx.field(static=True)
    patience: Count | None = eqx.field(static=True)
    average: Part = eqx.field(static=True)
    members: Count = eqx.field(static=True)

    def __check_init__(self) -> None:
        for name, words in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in words:
                raise ConfigError(f"{name}: expected one of {', '.join(words)}, but got {getattr(self, name)!r}")
        if self.weight_decay and self.optimiser != "adamw":
            raise ConfigError(f"weight_decay: {self.weight_decay} needs training.optimiser=adamw, or set it to 0")

    def begin(self, program: BoundModel, key: Array) -> Any:  # noqa: ARG002 - for those that remember
        """What the objective keeps from step to step, at the beginning."""
        return ()

    @abc.abstractmethod
    def loss(self, method: Method, batch: Batch, z: Values, memory: Any, key: Array) -> tuple[Array, tuple[Array, Any]]:
        """What is descended, per row; the point of the learning curve; and the memory after it."""

    def measure(self, program: BoundModel) -> str | None:  # noqa: ARG002 - for those that depend on it
        """What `judge` computes of this program, as metrics are named; `None` where it has no measure."""
        return self.curve

    @abc.abstractmethod
    def judge(self, method: Method, batch: Batch, z: Values, key: Array) -> Array:
        """By which the best weights are chosen, on rows that were kept back; NaN where there is no such measure."""

    def fitted(self, rows: int, free: Collection[str]) -> Self:
        """This training with the settings in `free` brought down to what so many rows allow.

        Args:
            rows: held-out rows apart.
            free: `batch_size`, `validation` or both: those that nobody chose.
        """
        validation = 0.0 if "validation" in free and not self._held(rows) else self.validation
        left = rows - round(validation * rows)
        size = max(min(self.batch_size, left), 1) if "batch_size" in free else self.batch_size
        return dataclasses.replace(self, batch_size=size, validation=validation)

    def check(self, problem: Problem) -> None:
        """Raise `ConfigError` if the rows do not suffice, or latents have values by row."""
        total = problem.data.sizes[problem.row_dim]
        rows = total - self._held(total)
        if self.validation and not self._held(total):
            raise ConfigError(
                f"training.validation: {self.validation} of {total} rows is none; use a larger share, or 0"
            )
        if self.batch_size > rows:
            raise ConfigError(
                f"training.batch_size: expected at most the {rows} rows that are trained on, but got "
                f"{self.batch_size}; use a smaller one"
            )
        weights = sum(math.prod(site.shape) for site in problem.latents)
        memory.require(f"training.members={self.members}", 10 * self.members * weights)
        for site in problem.latents:
            if problem.row_dim in problem.dims(site):
                raise ConfigError(f"training: the latent {site.name} has a value per row; networks have none such")

    def calls(
        self,
        method: Method,
        problem: Problem,
        key: Array,
        listener: Listener,
        checkpointer: Checkpointer = NO_CHECKPOINTER,
    ) -> Calls:
        """Train, and evaluate the best weights of all members: a posterior of as many draws."""
        clock = Clock()
        train_key, evaluation_key = jax.random.split(key)
        now, history = yield from self._trained(method, problem, train_key, listener, checkpointer)
        measure = self.measure(problem.bound) or ""
        clock.lap("training")
        if not self.keeps_going:
            _require_finite(self, now)
        further = yield from self._continued(method, problem, train_key, now)
        clock.lap("continuation")
        best = jax.tree.map(np.asarray, now.best)
        tree = evaluate(problem, {name: z[None] for name, z in best.items()}, {}, evaluation_key, 0)
        tree["training"] = xr.DataTree(
            _curves(now)
            .assign(continued=(("member", "rate", "further_epoch"), further))
            .assign_attrs(objective=self.word, curve=self.curve, measure=measure)
        )
        clock.lap("evaluation")
        total = problem.data.sizes[problem.row_dim]
        steps = int(np.sum(np.asarray(now.epoch))) * ((total - self._held(total)) // self.batch_size)
        return Result(
            tree=tree,
            status=Status.DONE if np.all(np.asarray(now.finite)) else Status.NOT_FINITE,
            cost=Cost(clock.seconds, gradients=steps, density_evaluations=steps, programs=clock.programs),
            method=method.method,
            kind="trained",
            sampled=problem.judged,
            history=tuple(history),
        )

    def modes(self, problem: Problem, key: Array, members: int, listener: Listener) -> Generator[Call, Any, Values]:
        """Where chains begin: the trained weights of as many members [member, ...], by site, unconstrained."""
        several = dataclasses.replace(self, members=members)
        now, _ = yield from several._trained(_Posterior(), problem, key, listener, NO_CHECKPOINTER)  # noqa: SLF001 -- itself
        return now.best

    def _held(self, rows: int) -> int:
        """How many rows are for validation."""
        return round(self.validation * rows)

    def _trained(
        self, method: Method, problem: Problem, key: Array, listener: Listener, checkpointer: Checkpointer
    ) -> Generator[Call, Any, tuple[Member, Sequence[Mapping[str, Any]]]]:
        """All members at the end of their training, and what the listener was told."""
        rows = problem.by_row
        begin = Call(_begin, self, problem.bound, jax.random.split(key, self.members))
        kept = checkpointer.load()
        now = (yield begin) if kept is None else unpacked(kept.arrays, jax.eval_shape(begin))
        history: list[Mapping[str, Any]] = [] if kept is None else list(kept.numbers.get("history", ()))
        for entry in history:
            _tell(listener, entry)
        count, measure = 1, self.measure(problem.bound)
        try:
            self._tell_news(listener, now, history, measure)
            while not self._ended(now):
                began = time.perf_counter()
                done = int(np.max(np.asarray(now.epoch)))
                some = min(count, self.epochs - done)
                now = yield Call(_train, self, method, rows, problem.bound, key, now, some)
                self._tell_news(listener, now, history, measure)
                took = time.perf_counter() - began
                count = 2 * count if took < _SECONDS / 2 else max(count // 2, 1) if took > 2 * _SECONDS else count
                if checkpointer.is_due() or not (self.keeps_going or np.all(np.asarray(now.finite))):
                    checkpointer.save(Snapshot(packed(now), {"history": history}))
        except (KeyboardInterrupt, Interrupted):
            checkpointer.save(Snapshot(packed(now), {"history": history}))
            raise
        checkpointer.done(Snapshot(packed(now), {"history": history}))
        return now, history

    def _continued(self, method: Method, problem: Problem, key: Array, now: Member) -> Generator[Call, Any, np.ndarray]:
        """The validation losses [member, rate, further epoch] of a training that goes on; the weights stay as they are.

        Of no epochs where there is no such loss, NaN where it is not finite.
        """
        if self.measure(problem.bound) is None or not np.isfinite(np.asarray(now.best_loss)).all():
            return np.full((self.members, 1, 0), np.nan)
        total, curves = problem.data.sizes[problem.row_dim], []
        peak = _rise(self, (total - self._held(total)) // self.batch_size * self.epochs)
        further = continuation.length(int(np.max(np.asarray(now.epoch))))
        for highest in continuation.peaks(self.learning_rate):
            member, losses = continuation.restarted(now, _optimiser(self, 1)), []
            for epoch, rate in enumerate(continuation.rates(further, highest)):
                at = min(epoch, self.epochs - 1)
                slower = dataclasses.replace(self, learning_rate=rate)
                ready = continuation.ready(member, at, peak)
                member = yield Call(_train, slower, method, problem.by_row, problem.bound, key, ready, 1)
                losses.append(np.where(member.finite, np.asarray(member.validation)[:, at], np.nan))
            curves.append(np.stack(losses, axis=1))
        return np.stack(curves, axis=1)

    def _ended(self, now: Member) -> bool:
        return not np.any(np.asarray(_goes_on(self, now)))

    def _tell_news(
        self, listener: Listener, now: Member, history: list[Mapping[str, Any]], measure: str | None
    ) -> None:
        """Tell of every epoch since the last one told, or of some where there are many; of the members' mean."""
        done, ended = int(np.max(np.asarray(now.epoch))), self._ended(now)
        every = max(self.epochs // _MOST_TOLD, 1)
        curves = {f"{self.curve}_train": np.asarray(now.train)}
        curves |= {f"{measure}_validation": np.asarray(now.validation)}
        for epoch in range(history[-1]["done"] + 1 if history else 1, done + 1):
            if epoch % every and not (ended and epoch == done):
                continue
            known = {name: curve[:, epoch - 1] for name, curve in curves.items()}
            numbers = {name: float(np.nanmean(ones)) for name, ones in known.items() if np.isfinite(ones).any()}
            entry = {"phase": "training", "done": epoch, "total": done if ended else self.epochs, **numbers}
            history.append(entry)
            _tell(listener, entry)


class _Posterior(eqx.Module):
    """The density that chains in unconstrained space have."""

    method: ClassVar[str] = "map"

    def log_density(self, program: Program, z: Values) -> Array:
        return -potential(program)(z)


def _require_finite(training: Descent, members: Member) -> None:
    finite = np.asarray(members.finite)
    if finite.all():
        return
    epoch = int(np.asarray(members.epoch)[~finite].min())
    raise RunError(
        f"training={training.word}: the {training.curve} exploded in epoch {epoch}; the last good weights are in "
        "the run's folder checkpoint; lower training.learning_rate, set training.clip, or regularise"
    )


def epochs(training: Descent, method: Method, problem: Problem, key: Array, count: int) -> Callable[[], Member]:
    """What makes so many epochs from the beginning, each time that it is called: to measure them."""
    members = _begin(training, problem.bound, jax.random.split(key, training.members))
    return partial(_train, training, method, problem.by_row, problem.bound, key, members, count)


def _tell(listener: Listener, entry: Mapping[str, Any]) -> None:
    numbers = {name: value for name, value in entry.items() if name not in ("phase", "done", "total")}
    listener.progress("training", entry["done"], entry["total"], numbers)


def _optimiser(training: Descent, steps: int) -> optax.GradientTransformation:
    rate = training.learning_rate
    if training.schedule == "constant":
        schedule: Any = rate
    else:
        rise = _rise(training, steps)

        def schedule(count: Array) -> Array:
            falls = jnp.clip((count - rise) / max(steps - rise, 1), 0, 1)
            return rate * jnp.where(count < rise, (count + 1) / max(rise, 1), 0.5 * (1 + jnp.cos(jnp.pi * falls)))

    decay = training.weight_decay
    adam = optax.adamw(schedule, weight_decay=decay) if training.optimiser == "adamw" else optax.adam(schedule)
    return adam if training.clip is None else optax.chain(optax.clip_by_global_norm(training.clip), adam)


def _rise(training: Descent, steps: int) -> int:
    """The steps until the learning rate is at its highest."""
    return max(int(_WARMUP * steps), 1) if training.schedule == "warmup_cosine" else 0


def _goes_on(training: Descent, member: Member) -> Array:
    """Whether there is more to do, [...] of one member or of all."""
    more = member.finite & (member.epoch < training.epochs)
    if training.patience is None or not training.validation:
        return more
    return more & (member.epoch - member.best_epoch < training.patience)


@jax.jit
def _begin(training: Descent, program: BoundModel, keys: Array) -> Member:
    def begin(key: Array) -> Member:
        given = program.model.start(key)
        seeded = handlers.seed(program, key)
        z = unconstrain_fn(seeded, (), {}, given) if given else find_continuous(program, key)
        curve = jnp.full(training.epochs, jnp.nan, jnp.float32)
        memory_key = jax.random.fold_in(key, 2)
        member = Member(
            z=z,
            optimiser=_optimiser(training, 1).init(z),
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

    return jax.vmap(begin)(keys)


@partial(jax.jit, static_argnums=2)
def _train(
    training: Descent,
    method: Method,
    names: tuple[str, ...],
    program: BoundModel,
    key: Array,
    members: Member,
    count: int,
) -> Member:
    """At most `count` epochs of all members; one that has stopped stays as it is."""
    total = next(program.arrays[name].shape[0] for name in names)
    held = training._held(total)  # noqa: SLF001 -- of the same file
    order = jax.random.permutation(key, total) if held else jnp.arange(total)
    turned = (jnp.arange(training.members)[:, None] * held + jnp.arange(total)) % total
    rows = order[turned]
    epoch = _over_members(partial(_epoch, training, method, names, program))
    last = jnp.max(members.epoch) + count

    def one(members: Member) -> Member:
        return epoch(members, rows[:, :held], rows[:, held:])

    def goes_on(members: Member) -> Array:
        return (jnp.max(members.epoch) < last) & jnp.any(_goes_on(training, members))

    return lax.while_loop(goes_on, one, members)


def _over_members(function: Any) -> Any:
    """Like `jax.vmap`; a network that is alone is not made a batch of one, whose products are slower."""

    def each(*inputs: Any) -> Any:
        if len(jax.tree.leaves(inputs)[0]) > 1:
            return jax.vmap(function)(*inputs)
        alone = function(*jax.tree.map(lambda a: a[0], inputs))
        return jax.tree.map(lambda a: a[None], alone)

    return each


def _epoch(
    training: Descent,
    method: Method,
    names: tuple[str, ...],
    program: BoundModel,
    member: Member,
    held: Array,
    rows: Array,
) -> Member:
    """One epoch of one member."""
    size, total = training.batch_size, len(rows)
    batches = total // size
    key, order_key = jax.random.split(member.rng_key)
    order = jax.random.permutation(order_key, rows)[: batches * size].reshape(batches, size)
    optimiser = _optimiser(training, batches * training.epochs)
    key, step_key, judge_key = jax.random.split(key, 3)

    def step(carry: Any, own: tuple[Array, Array]) -> tuple[Any, tuple[Array, Array]]:
        z, state, memory, average = carry
        batch = Batch(program.of_rows(own[0], names), own[0], total)
        key = jax.random.fold_in(step_key, own[1])
        loss = partial(training.loss, method, batch)
        (value, (told, memory)), gradient = jax.value_and_grad(loss, has_aux=True)(z, memory, key)
        updates, state = optimiser.update(gradient, state, z)
        z = optax.apply_updates(z, updates)
        if training.average:
            done = member.epoch * batches + own[1]
            share = jnp.minimum(training.average, (1.0 + done) / (10.0 + done))
            average = jax.tree.map(lambda mean, new: share * mean + (1 - share) * new, average, z)
        return (z, state, memory, average), (value, told)

    carry = (member.z, member.optimiser, member.memory, member.average)
    carry, (values, told) = lax.scan(step, carry, (order, jnp.arange(batches)))
    z, state, memory, average = carry
    kept = average if training.average else z
    if len(held):
        seen = Batch(program.of_rows(held, names), held, total)
        known = training.judge(method, seen, kept, judge_key).astype(jnp.float32)
    else:
        known = jnp.full((), jnp.nan, jnp.float32)
    measured = jnp.isfinite(known) | (not len(held)) | (training.measure(program) is None)
    finite = jnp.isfinite(values).all() & jnp.isfinite(optax.tree.norm(z)) & measured
    same = (member.z, member.optimiser, member.memory, member.average)
    z, state, memory, average = jax.tree.map(partial(jnp.where, finite), (z, state, memory, average), same)
    epoch = member.epoch + 1
    better = finite & ((known < member.best_loss) | ~jnp.isfinite(known))
    at = member.epoch
    after = Member(
        z=z,
        optimiser=state,
        best=jax.tree.map(partial(jnp.where, better), kept, member.best),
        best_loss=jnp.where(better & jnp.isfinite(known), known, member.best_loss),
        best_epoch=jnp.where(better, epoch, member.best_epoch),
        epoch=epoch,
        finite=finite,
        rng_key=key,
        train=member.train.at[at].set(told.mean().astype(jnp.float32)),
        validation=member.validation.at[at].set(known),
        memory=memory,
        average=average,
    )
    return jax.tree.map(partial(jnp.where, _goes_on(training, member)), after, member)


def _curves(members: Member) -> xr.Dataset:
    """The learning curves up to the last epoch of any member."""
    last = int(np.max(np.asarray(members.epoch)))
    known = np.asarray(members.finite), np.asarray(members.best_epoch)
    return xr.Dataset(
        {
            "train": (("member", "epoch"), np.asarray(members.train)[:, :last]),
            "validation": (("member", "epoch"), np.asarray(members.validation)[:, :last]),
            "finite": ("member", known[0]),
            "best": ("member", known[1]),
        },
        coords={"epoch": np.arange(1, last + 1)},
    )
