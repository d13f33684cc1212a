"""Log Z by annealed importance sampling (Neal 2001), between two bounds.

A chain goes from a base of known log Z along a path of energies E_0, ..., E_K to the energy: each weighs
w = exp(sum_k E_k(x_k) - E_(k+1)(x_k)), whose mean is Z_K / Z_0, so that its log is on average too low. Chains that go
back from draws of the energy give a log that is on average too high (Burda, Grosse & Salakhutdinov 2015; Grosse, Adams
& Ghahramani 2015). As the way back takes each transition in reverse, both together give Bennett's acceptance ratio
(Bennett 1976; Crooks 2000), the best estimate that there is from the two.

A pilot run on a coarse ladder measures how much the increments vary, at which temperatures, and tunes the step sizes.
The rungs then divide that length evenly (Gelman & Meng 1998), and nothing is adapted any more.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array, lax
from jax.nn import logsumexp
from jaxtyping import Float, Int, PRNGKeyArray

from credo.energies.normaliser import bridge
from credo.energies.path import Path, to
from credo.energies.samplers.base import Sampler
from credo.errors import ConfigError

_PILOT_CHAINS = 128
_PILOT_RUNGS = 48
_PILOT_RUNS = {True: 12, False: 4}
"""How often the sampler runs at each rung of the pilot's ladder, with a step size to tune or without."""
_GAIN = 0.7
"""How fast the pilot steers a step size: its rates are means over many chains."""


class Ladder(NamedTuple):
    """Inverse temperatures from 0 to 1, and the sampler's scale at each, [rung + 1] each."""

    betas: Float[Array, "rungs"]
    scales: Float[Array, "rungs"]


class Estimate(NamedTuple):
    """Log Z in nats; all scalars but the last two.

    - **log_z** - Bennett's estimate from both directions.
    - **error** - its standard error.
    - **low** - the lower end of an interval: forward estimate minus two of its standard errors.
    - **high** - the upper end: backward estimate plus two of its standard errors; both ends in order.
    - **forward** - the estimate of the chains to the energy, a stochastic lower bound.
    - **backward** - that of the chains from the energy, a stochastic upper bound.
    - **forward_error** - the standard error of `forward`, by the delta method.
    - **backward_error** - that of `backward`.
    - **ess** - the effective number of forward chains, (sum w)^2 / sum w^2.
    - **backward_ess** - that of backward chains.
    - **betas** - the ladder [rung + 1].
    - **log_weights** - those of the forward chains, [chain].
    """

    log_z: Float[Array, ""]
    error: Float[Array, ""]
    low: Float[Array, ""]
    high: Float[Array, ""]
    forward: Float[Array, ""]
    backward: Float[Array, ""]
    forward_error: Float[Array, ""]
    backward_error: Float[Array, ""]
    ess: Float[Array, ""]
    backward_ess: Float[Array, ""]
    betas: Float[Array, "rungs"]
    log_weights: Float[Array, "chain"]


def log_z(
    energy: Any,
    base: dist.Distribution | None,
    sampler: Sampler,
    key: PRNGKeyArray,
    *,
    chains: int = 256,
    rungs: int = 200,
    target_draws: Float[Array, "chain dim"] | None = None,
) -> Estimate:
    """Log Z of an energy by chains in both directions.

    Args:
        energy: One of states [dim].
        base: Where chains start, as `path.to` has it; `None` for the base of the energy's own kind.
        sampler: What moves the chains at each rung.
        key: All randomness.
        chains: How many chains.
        rungs: How many temperatures after the base.
        target_draws: Draws of the energy from which the chains go back, exact ones or those of a long
            run; without them, forward ends in proportion to their weights, moved on by as many transitions again.

    Raises:
        ConfigError: For numbers less than one, a sampler that is not exact or does not fit, and as `path.to`.
    """
    if chains < 2 or rungs < 1:
        raise ConfigError(f"evidence: expected at least 2 chains and 1 rung, but got chains={chains}, rungs={rungs}")
    path = to(energy, base)
    sampler = sampler.of(path.at(jnp.ones(())))
    if not sampler.unbiased:
        raise ConfigError(
            f"evidence.sampler: {sampler.name} does not leave exp(-E) as it is, so that its weights would be wrong; "
            "expected gibbs, mh, mala, hmc, nuts or auto"
        )
    if target_draws is not None and (jnp.ndim(target_draws) != 2 or target_draws.shape[1] != energy.dim):
        raise ConfigError(
            f"evidence.target_draws: expected states of shape [chain, {energy.dim}], but got {jnp.shape(target_draws)}"
        )
    return estimate(path, sampler, key, target_draws, chains, rungs)


@eqx.filter_jit
def estimate(
    path: Path, sampler: Sampler, key: PRNGKeyArray, target: Float[Array, "chain dim"] | None, chains: int, rungs: int
) -> Estimate:
    """Pilot, forward and backward run in one compiled function; see `log_z`."""
    pilot_key, key = jax.random.split(key)
    return both_ways(path, sampler, tuned(path, sampler, pilot_key, rungs), key, target, chains)


def both_ways(
    path: Path,
    sampler: Sampler,
    ladder: Ladder,
    key: PRNGKeyArray,
    target: Float[Array, "chain dim"] | None,
    chains: int,
) -> Estimate:
    """Forward and backward run on a ladder that stays as it is; see `log_z`."""
    draw_key, forward_key, backward_key, pick_key, more_key = jax.random.split(key, 5)
    x, forward = annealed(path, sampler, ladder, forward_key, path.draws(draw_key, chains))
    if target is None:
        end = path.at(ladder.betas[-1])
        walkers = sampler.start(end, x[resampled(forward, pick_key)])._replace(scale=ladder.scales[-1])
        target = sampler.run(end, walkers, more_key, (len(ladder.betas) - 1) * sampler.steps)[0].x
    _, backward = annealed(path, sampler.backward(), ladder, backward_key, target, down=True)
    return combined(path.log_z, forward, backward, ladder.betas)


def tuned(path: Path, sampler: Sampler, key: PRNGKeyArray, rungs: int) -> Ladder:
    """The ladder of `rungs` rungs that a pilot run finds."""
    # steps grow with the third power: a wide base far from the energy changes most at its very beginning
    betas = jnp.linspace(0.0, 1.0, _PILOT_RUNGS + 1) ** 3
    draw_key, key = jax.random.split(key)
    x = path.draws(draw_key, _PILOT_CHAINS)
    scale = sampler.start(path.at(betas[0]), x).scale

    def spread(x: Float[Array, "chain dim"], here: Float[Array, ""], there: Float[Array, ""]) -> Float[Array, ""]:
        change = path.at(there).batch(x) - path.at(here).batch(x)
        return jnp.nan_to_num(change, posinf=jnp.nan, neginf=jnp.nan).std()

    def rung(state: tuple[Array, Array], of: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], Any]:
        (x, scale), (here, there, key) = state, of
        before = spread(x, here, there)
        energy = path.at(there)

        def one(state: tuple[Array, Array], key: PRNGKeyArray) -> tuple[tuple[Array, Array], None]:
            walkers = sampler.start(energy, state[0])._replace(scale=state[1])
            walkers, rate = sampler.run(energy, walkers, key)
            walkers = sampler.tuned(walkers, rate, _GAIN)
            return (walkers.x, walkers.scale), None

        state, _ = lax.scan(one, (x, scale), jax.random.split(key, _PILOT_RUNS[sampler.target is not None]))
        return state, (0.5 * (before + spread(state[0], here, there)), state[1])

    keys = jax.random.split(key, _PILOT_RUNGS)
    _, (lengths, scales) = lax.scan(rung, (x, scale), (betas[:-1], betas[1:], keys))
    return placed(betas, lengths, jnp.concatenate([scales[:1], scales]), rungs)


def placed(
    betas: Float[Array, "coarse+1"], lengths: Float[Array, "coarse"], scales: Float[Array, "coarse+1"], rungs: int
) -> Ladder:
    """A ladder of `rungs` rungs that divides the length of a coarse one evenly.

    Args:
        betas: The coarse ladder [coarse + 1].
        lengths: The length of each of its rungs, the deviation of the increments.
        scales: The scale at each inverse temperature [coarse + 1].
        rungs: How many.
    """
    lengths = jnp.nan_to_num(lengths)
    # no part of the path gets no rungs at all, however little the pilot saw there
    lengths = lengths + 0.01 * lengths.sum() * jnp.diff(betas) + jnp.where(lengths.sum() > 0, 0.0, jnp.diff(betas))
    so_far = jnp.concatenate([jnp.zeros(1, lengths.dtype), jnp.cumsum(lengths)])
    new = jnp.interp(jnp.linspace(0.0, 1.0, rungs + 1) * so_far[-1], so_far, betas).at[0].set(0.0).at[-1].set(1.0)
    return Ladder(new, jnp.exp(jnp.interp(new, betas, jnp.log(scales))))


def annealed(
    path: Path, sampler: Sampler, ladder: Ladder, key: PRNGKeyArray, x: Float[Array, "chain dim"], *, down: bool = False
) -> tuple[Float[Array, "chain dim"], Float[Array, "chain"]]:
    """The states at the other end of the ladder, and log weights.

    Args:
        path: The energies.
        sampler: What moves the chains.
        ladder: The inverse temperatures and scales.
        key: The transitions' randomness.
        x: States at the beginning.
        down: Whether the chains go from the energy to the base. Their log weights have the sign of the way up, too:
            the mean of exp(-log weight) is Z_0 / Z_K.
    """

    def moved(
        x: Float[Array, "chain dim"], beta: Float[Array, ""], scale: Float[Array, ""], key: PRNGKeyArray
    ) -> Float[Array, "chain dim"]:
        energy = path.at(beta)
        return sampler.run(energy, sampler.start(energy, x)._replace(scale=scale), key)[0].x

    def rung(state: tuple[Array, Array], of: tuple[Array, ...]) -> tuple[tuple[Array, Array], None]:
        (x, log_weights), (lower, upper, scale, key) = state, of
        if down:
            x = moved(x, upper, scale, key)
        increment = path.at(lower).batch(x) - path.at(upper).batch(x)
        # a chain outside of the energy's support has weight 0 from there on
        log_weights = log_weights + jnp.where(jnp.isnan(increment), 0.0, increment)
        return (x if down else moved(x, upper, scale, key), log_weights), None

    keys = jax.random.split(key, len(ladder.betas) - 1)
    weights = jnp.zeros(len(x), ladder.betas.dtype)
    of = ladder.betas[:-1], ladder.betas[1:], ladder.scales[1:], keys
    return lax.scan(rung, (x, weights), of, reverse=down)[0]


def resampled(log_weights: Float[Array, "chain"], key: PRNGKeyArray) -> Int[Array, "chain"]:
    """Which chains go on, in proportion to their weights (systematic resampling, Kitagawa 1996)."""
    chains = len(log_weights)
    shares = jnp.cumsum(jnp.exp(log_weights - logsumexp(log_weights)))
    points = (jnp.arange(chains) + jax.random.uniform(key)) / chains
    return jnp.clip(jnp.searchsorted(shares, points), 0, chains - 1)


def combined(
    base: Float[Array, ""],
    forward: Float[Array, "chain"],
    backward: Float[Array, "other_chain"],
    betas: Float[Array, "rungs"],
) -> Estimate:
    """The estimates from log Z of the base and the log weights of both directions [chain] each."""
    up, up_error, ess = _mean(forward)
    down, down_error, backward_ess = _mean(-backward)
    both = bridge.ratio(forward, backward)
    ends = jnp.stack([base + up - 2 * up_error, base - down + 2 * down_error])
    return Estimate(
        log_z=base + both.log_z,
        error=both.error,
        low=ends.min(),
        high=ends.max(),
        forward=base + up,
        backward=base - down,
        forward_error=up_error,
        backward_error=down_error,
        ess=ess,
        backward_ess=backward_ess,
        betas=betas,
        log_weights=forward,
    )


def _mean(log_weights: Float[Array, "chain"]) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """The log of the weights' mean, its standard error by the delta method, and the effective number of chains."""
    chains = len(log_weights)
    total = logsumexp(log_weights)
    ess = jnp.exp(2 * total - logsumexp(2 * log_weights))
    return total - jnp.log(chains), jnp.sqrt(jnp.maximum(1 / ess - 1 / chains, 0.0) * chains / (chains - 1)), ess
