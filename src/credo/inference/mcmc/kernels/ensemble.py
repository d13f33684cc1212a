"""An ensemble of walkers that move by each other's places, without gradients (`inference=ensemble`).

A chain is one ensemble, and a step moves one of its walkers, each in turn: `stretch` along the line to another walker
(Goodman and Weare 2010, "Ensemble samplers with affine invariance", CAMCoS 5(1), section 2); `slice` along the
difference of two others, to a uniform place of the slice (Karamanis and Beutler 2021, "Ensemble slice sampling",
Statistics and Computing 31, algorithm 1, where the slice is found as in Neal 2003, "Slice sampling", figures 3 and 5).
Neither changes its law when space is sheared or scaled, so that there is no shape to learn. In warm-up the size of the
moves follows the acceptance rate.

A draw is the place of the walker that has just moved: neighbouring draws are those of different walkers. What they are
worth together is therefore asked of their means by round (`Kernel.round`).
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int, PRNGKeyArray

from credo import memory
from credo.errors import ConfigError
from credo.inference.density import Values, potential, require_density
from credo.inference.mcmc.kernel import Kernel
from credo.inference.mcmc.kernels.mh import accept
from credo.inference.start import Start
from credo.models.binding import BoundModel
from credo.models.problem import Problem
from credo.ranges import Between, Count, Positive

MOVES = ("stretch", "slice")

_SPREAD, _CLOSER, _TRIES = 0.1, 0.5, 50
"""Walkers begin about their ensemble's start with this standard deviation; those where the density is zero come closer
by this factor, so many times at most.
"""

_DECAY = 0.6
"""The adaptation's gain is (i + 1)^-0.6, as in `mh`."""

_LARGEST = 20.0
"""Of the log of the size of moves, in warm-up."""

_MOST = 1000
"""Steps out of a slice's first interval, of both sides together, and points tried in the interval."""

LogDensity = Callable[[Array], Array]


class EnsembleState(NamedTuple):
    """The state of one ensemble.

    - **i** - moves so far.
    - **z** - continuous latents by site, unconstrained, of the walker that has moved last.
    - **log_density** - the log density there.
    - **walkers** - the places of all walkers, flat and unconstrained.
    - **log_densities** - the log densities there.
    - **log_size** - log of the size of moves.
    - **rng_key** - the ensemble's key.
    """

    i: Array
    z: Values
    log_density: Array
    walkers: Float[Array, "walkers dim"]
    log_densities: Float[Array, "walkers"]
    log_size: Array
    rng_key: Array


class EnsembleInfo(NamedTuple):
    """What a move reports.

    - **acceptance_rate** - the acceptance probability of a stretch; of a slice, one over the points tried.
    - **lp** - the log density in unconstrained space.
    - **n_steps** - log densities evaluated.
    - **step_size** - the size of the next move.
    """

    acceptance_rate: Array
    lp: Array
    n_steps: Array
    step_size: Array


class Moved(NamedTuple):
    """Where a walker is after its move, the log density there, the acceptance rate, and densities evaluated."""

    place: Float[Array, "dim"]
    log_density: Float[Array, ""]
    rate: Float[Array, ""]
    evaluations: Int[Array, ""]


class Ensemble(Kernel):
    """Ensembles of walkers, for continuous latents, without gradients; discrete latents are summed out.

    Attributes:
        move: `stretch` or `slice`.
        walkers: of each ensemble; `None` for twice as many as there are latent scalars, and two.
        step_size: where its adaptation starts, all of the time without warm-up. A stretch multiplies distances by 1 +
            step_size at most; the first interval of a slice is step_size times the difference of two walkers long.
        target_accept: the acceptance rate to which the size adapts.
    """

    move: str = eqx.field(static=True)
    walkers: Count | None = eqx.field(static=True)
    step_size: Positive
    target_accept: Between

    info: ClassVar[Any] = EnsembleInfo
    chain_method: ClassVar[str] = "vectorized"
    uses_gradients: ClassVar[bool] = False

    def __check_init__(self) -> None:
        if self.move not in MOVES:
            raise ConfigError(f"inference.move: expected {' or '.join(MOVES)}, but got {self.move!r}")

    def init(self, program: BoundModel, start: Start, key: PRNGKeyArray, warmup: int) -> EnsembleState:  # noqa: ARG002 - not needed
        """Begin with all walkers about a starting point, the first of them there."""
        spread_key, chain_key = jax.random.split(key)
        centre, unravel = ravel_pytree(start.z)
        log_density = jax.vmap(_log_density(program, unravel))
        away = _SPREAD * jax.random.normal(spread_key, (self.count(centre.size), centre.size), centre.dtype)
        away = away.at[0].set(0.0)

        def lost(carry: Any) -> Array:
            tries, _, values = carry
            return (tries < _TRIES) & ~jnp.all(jnp.isfinite(values))

        def closer(carry: Any) -> Any:
            tries, away, values = carry
            away = jnp.where(jnp.isfinite(values)[:, None], away, _CLOSER * away)
            return tries + 1, away, log_density(centre + away)

        _, away, values = lax.while_loop(lost, closer, (0, away, log_density(centre + away)))
        log_size = jnp.log(jnp.asarray(self.step_size, values.dtype))
        return EnsembleState(jnp.array(0), start.z, values[0], centre + away, values, log_size, chain_key)

    def step(self, program: BoundModel, state: EnsembleState, warmup: int) -> tuple[EnsembleState, EnsembleInfo]:
        """The move of the next walker, and during warm-up another size."""
        rng_key, key = jax.random.split(state.rng_key)
        unravel = ravel_pytree(state.z)[1]
        density, who = _log_density(program, unravel), state.i % len(state.walkers)
        here, others = state.walkers[who], partial(_others, state.walkers, who)
        move = _stretched if self.move == "stretch" else _sliced
        moved = move(density, here, state.log_densities[who], others, jnp.exp(state.log_size), key)
        gain = jnp.where(state.i < warmup, (state.i + 1.0) ** -_DECAY, 0.0)
        log_size = state.log_size + gain * (moved.rate - self.target_accept)
        state = EnsembleState(
            i=state.i + 1,
            z=unravel(moved.place),
            log_density=moved.log_density,
            walkers=state.walkers.at[who].set(moved.place),
            log_densities=state.log_densities.at[who].set(moved.log_density),
            log_size=jnp.clip(log_size, -_LARGEST, _LARGEST).astype(state.log_size.dtype),
            rng_key=rng_key,
        )
        return state, EnsembleInfo(moved.rate, moved.log_density, moved.evaluations, jnp.exp(state.log_size))

    def count(self, scalars: int) -> int:
        """The walkers of one ensemble, in a space of so many latent scalars."""
        return 2 * (scalars + 1) if self.walkers is None else self.walkers

    def round(self, problem: Problem, thinning: int) -> int:
        """The draws after which the same walker comes again."""
        walkers = self.count(_scalars(problem))
        return walkers // math.gcd(walkers, thinning)

    def check(self, problem: Problem) -> None:
        """Refuse a problem without a continuous latent, or walkers whose differences do not span the space."""
        super().check(problem)
        problem.require_enumerable(self.name)
        require_density(problem, self.name, gradient=False)
        scalars = _scalars(problem)
        walkers = self.count(scalars)
        if walkers < scalars + 2:
            raise ConfigError(
                f"inference.walkers: expected at least {scalars + 2}, as fewer do not span a space of {scalars} latent "
                f"scalars, but got {walkers}; raise it, or let it be null"
            )
        memory.require(f"inference.walkers={walkers}", 4.0 * walkers * scalars)


def _scalars(problem: Problem) -> int:
    return sum(math.prod(site.shape) for site in problem.latents if not site.discrete)


def _log_density(program: BoundModel, unravel: Callable[[Array], Values]) -> LogDensity:
    """The log density at a flat place; minus infinity where it is NaN."""
    energy = potential(program)

    def log_density(flat: Float[Array, "dim"]) -> Float[Array, ""]:
        value = -energy(unravel(flat))
        return jnp.where(jnp.isnan(value), -jnp.inf, value)

    return log_density


def _others(walkers: Float[Array, "walkers dim"], who: Int[Array, ""], key: PRNGKeyArray) -> tuple[Array, Array]:
    """The places of two different walkers, neither of which is the one that moves."""
    first_key, second_key = jax.random.split(key)
    count = len(walkers)
    first = jax.random.randint(first_key, (), 1, count)
    second = jax.random.randint(second_key, (), 1, count - 1)
    second = second + (second >= first)
    return walkers[(who + first) % count], walkers[(who + second) % count]


Others = Callable[[PRNGKeyArray], tuple[Array, Array]]


def _stretched(
    log_density: LogDensity,
    here: Float[Array, "dim"],
    height: Float[Array, ""],
    others: Others,
    size: Float[Array, ""],
    key: PRNGKeyArray,
) -> Moved:
    """Propose y = x_j + s (x - x_j), where s has the density 1 / sqrt(s) on (1/a, a) and a = 1 + size.

    It is accepted with probability min(1, s^(dim - 1) p(y) / p(x)).
    """
    other_key, stretch_key, accept_key = jax.random.split(key, 3)
    other, _ = others(other_key)
    stretch = jnp.square(1 + size * jax.random.uniform(stretch_key, (), here.dtype)) / (1 + size)
    there = other + stretch * (here - other)
    value = log_density(there)
    accepted, rate = accept(accept_key, (here.size - 1) * jnp.log(stretch) + value - height)
    return Moved(jnp.where(accepted, there, here), jnp.where(accepted, value, height), rate, jnp.array(1))


def _sliced(
    log_density: LogDensity,
    here: Float[Array, "dim"],
    height: Float[Array, ""],
    others: Others,
    size: Float[Array, ""],
    key: PRNGKeyArray,
) -> Moved:
    """Draw uniformly from the part of a line through x on which log p is above log p(x) - e, e exponential.

    An interval about x steps out until both ends are outside, and shrinks to the points that are.
    """
    other_key, level_key, place_key, share_key, shrink_key = jax.random.split(key, 5)
    one, another = others(other_key)
    line = size * (one - another)
    level = height - jax.random.exponential(level_key, (), here.dtype)
    left = -jax.random.uniform(place_key, (), here.dtype)
    steps = jax.random.randint(share_key, (), 0, _MOST)

    def out(end: Float[Array, ""], direction: float, most: Array) -> tuple[Array, Array]:
        def inside(carry: Any) -> Array:
            count, end = carry
            return (count < most) & (log_density(here + end * line) >= level)

        def on(carry: Any) -> Any:
            return carry[0] + 1, carry[1] + direction

        return lax.while_loop(inside, on, (jnp.array(0), end))

    more_left, low = out(left, -1.0, steps)
    more_right, high = out(left + 1, 1.0, _MOST - 1 - steps)

    def outside(carry: Any) -> Array:
        tries, _, _, _, value, _ = carry
        return (tries == 0) | (value < level) & (tries < _MOST)

    def shrunk(carry: Any) -> Any:
        tries, low, high, place, _, key = carry
        misses = tries > 0
        low, high = jnp.where(misses & (place < 0), place, low), jnp.where(misses & (place >= 0), place, high)
        key, own = jax.random.split(key)
        place = jax.random.uniform(own, (), here.dtype, low, high)
        return tries + 1, low, high, place, log_density(here + place * line), key

    begin = (jnp.array(0), low, high, jnp.zeros_like(low), height, shrink_key)
    tries, _, _, place, value, _ = lax.while_loop(outside, shrunk, begin)
    found = value >= level
    rate = (found / tries).astype(height.dtype)
    there = jnp.where(found, here + place * line, here)
    return Moved(there, jnp.where(found, value, height), rate, more_left + more_right + 2 + tries)
