"""Random-walk Metropolis-Hastings: initialise, propose, accept or reject, repeat.

Continuous latents move together, in unconstrained space, by a normal proposal N(z, s^2 C). During warm-up alone, s is
steered to the target acceptance rate and C to the covariance of the draws (Haario, Saksman & Tamminen 2001; Andrieu &
Thoms 2008, algorithm 4). Discrete latents move one element at a time, to another value drawn uniformly, or by a step of
one where their values have no end; both proposals are symmetric, and the same accept step decides.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped
from numpyro import handlers

from credo.inference.density import Program, Values, discrete_latents, potential, structure
from credo.inference.mcmc.conditional import of_others
from credo.inference.mcmc.kernel import Kernel
from credo.inference.mcmc.layout import Layout
from credo.inference.mcmc.programs import advance
from credo.inference.result import Result
from credo.inference.start import Start
from credo.models.binding import BoundModel
from credo.models.problem import Problem
from credo.ranges import Between, Positive


class MhState(NamedTuple):
    """The state of one chain.

    - **i** - iterations so far.
    - **z** - continuous latents by site, unconstrained.
    - **discrete** - discrete latents by site.
    - **log_density** - log density of (z, discrete), in unconstrained space.
    - **log_scale** - log s.
    - **mean**, **cov** - running moments of the flattened z; the proposal's covariance is s^2 cov.
    - **rng_key** - the chain's key.
    """

    i: Array
    z: Values
    discrete: Values
    log_density: Array
    log_scale: Array
    mean: Array
    cov: Array
    rng_key: Array


class MhInfo(NamedTuple):
    """What an iteration reports.

    - **acceptance_rate** - the mean acceptance probability of its proposals.
    - **lp** - the log density in unconstrained space.
    - **n_steps** - log densities evaluated.
    - **step_size** - s.
    - **nan_proposals** - proposals whose log density is NaN; -inf, outside of the support, is none.
    """

    acceptance_rate: Array
    lp: Array
    n_steps: Array
    step_size: Array
    nan_proposals: Array


class Tally(NamedTuple):
    """What has been counted of an iteration's proposals.

    - **probability** - the sum of their acceptance probabilities.
    - **proposals** - how many there are.
    - **nans** - how many have no log density.
    """

    probability: Array
    proposals: Array
    nans: Array

    def added(self, probability: Float[Array, ""], is_nan: Bool[Array, ""]) -> "Tally":
        """With one proposal more."""
        return Tally(self.probability + probability, self.proposals + 1, self.nans + is_nan)


class Target(NamedTuple):
    """What the chain is to have as its density.

    - **program** - the model with its data.
    - **log_density** - of continuous latents, unconstrained, and discrete ones.
    - **discrete** - the distributions of discrete latents, by site.
    """

    program: Program
    log_density: Callable[[Values, Values], Array]
    discrete: Mapping[str, Any]


_DECAY = 0.6
"""The adaptation's gain is (i + 1)^-0.6: its sum diverges and its square's does not (Andrieu & Thoms 2008)."""


_LOOKS = 10
"""Draws of each chain in which the conditional distributions of discrete latents that never moved are looked at."""


class Mh(Kernel):
    """Random-walk Metropolis-Hastings, for continuous and discrete latents, without gradients.

    Attributes:
        scale: the proposal's standard deviation at the start (all of the time where `adapt` is false).
        target_accept: the acceptance rate to which the scale adapts; 0.234 is optimal in many dimensions, 0.44 in one
            (Roberts & Rosenthal 2001).
        adapt: adapt scale and covariance during warm-up.
    """

    scale: Positive
    target_accept: Between
    adapt: bool = eqx.field(static=True)

    info: ClassVar[Any] = MhInfo
    chain_method: ClassVar[str] = "vectorized"
    uses_gradients: ClassVar[bool] = False
    moves_discrete: ClassVar[bool] = True

    def init(self, program: BoundModel, start: Start, key: PRNGKeyArray, warmup: int) -> MhState:  # noqa: ARG002 - not needed
        """Begin at a starting point."""
        flat = ravel_pytree(start.z)[0]
        log_density = self.target(program).log_density(*start)
        return MhState(
            i=jnp.array(0),
            z=start.z,
            discrete=start.discrete,
            log_density=log_density,
            log_scale=jnp.log(self.scale) + jnp.zeros_like(log_density),
            mean=flat,
            cov=jnp.eye(flat.size, dtype=flat.dtype),
            rng_key=key,
        )

    def step(self, program: BoundModel, state: MhState, warmup: int) -> tuple[MhState, Any]:
        """One iteration: the continuous latents, then every element of the discrete ones."""
        target = self.target(program)
        rng_key, move_key, flip_key = jax.random.split(state.rng_key, 3)
        state = state._replace(rng_key=rng_key)
        drift = jnp.zeros_like(state.log_density)
        tally = Tally(drift, jnp.array(0), jnp.array(0))
        if state.z:
            state, tally, drift = self._move(target, state, move_key, warmup, tally)
        for name in target.discrete:
            flip_key, key = jax.random.split(flip_key)
            state, tally = self._flip_all(target, name, key, (state, tally))
        state = state._replace(i=state.i + 1)
        rate = tally.probability / jnp.maximum(tally.proposals, 1)
        info = MhInfo(rate, state.log_density, tally.proposals, jnp.exp(state.log_scale), tally.nans)
        return state, self.reported(info, drift)

    def target(self, program: Program) -> Target:
        """The density of the program; discrete latents are conditioned on, not summed out."""
        messages = structure(program, jax.random.PRNGKey(0))
        discrete = {name: messages[name]["fn"] for name in discrete_latents(messages)}
        energy = None if discrete else potential(program)

        def log_density(z: Values, values: Values) -> Float[Array, ""]:
            return -(energy or potential(handlers.condition(program, data=values)))(z)

        return Target(program, log_density, discrete)

    def correction(
        self,
        target: Target,  # noqa: ARG002 - for those that exchange
        state: MhState,
        proposed: Values,  # noqa: ARG002
        key: PRNGKeyArray,  # noqa: ARG002
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """What is added to the log ratio of a proposal, and the drift that belongs to it (see `exchange`)."""
        zero = jnp.zeros_like(state.log_density)
        return zero, zero

    def reported(self, info: MhInfo, drift: Float[Array, ""]) -> Any:  # noqa: ARG002 - for those that exchange
        """The Info of an iteration."""
        return info

    def _move(
        self, target: Target, state: MhState, key: PRNGKeyArray, warmup: int, tally: Tally
    ) -> tuple[MhState, Tally, Float[Array, ""]]:
        """Propose for all continuous latents at once, and adapt.

        Returns:
            The state, the tally, and the drift of the correction.
        """
        propose_key, accept_key, inner_key = jax.random.split(key, 3)
        flat, unravel = ravel_pytree(state.z)
        step = jnp.linalg.cholesky(state.cov) @ jax.random.normal(propose_key, flat.shape, flat.dtype)
        proposed = unravel(flat + jnp.exp(state.log_scale) * step)
        correction, drift = self.correction(target, state, proposed, inner_key)
        there = (proposed, state.discrete)
        state, probability, is_nan = _accepted(target, state, accept_key, there, correction=correction)
        if self.adapt:
            adapted = partial(self._adapted, probability=probability)
            state = lax.cond(state.i < warmup, adapted, lambda same: same, state)
        return state, tally.added(probability, is_nan), drift

    def _adapted(self, state: MhState, probability: Float[Array, ""]) -> MhState:
        """Another scale and covariance, by the acceptance probability of the last proposal."""
        gain = (state.i + 1.0) ** -_DECAY
        deviation = ravel_pytree(state.z)[0] - state.mean
        cov = state.cov + gain * (jnp.outer(deviation, deviation) - state.cov)
        # A touch of the identity keeps the proposal away from a degenerate covariance, as in Haario et al., eq. 1.
        cov = cov + 1e-10 * jnp.eye(cov.shape[0], dtype=cov.dtype)
        return state._replace(
            log_scale=state.log_scale + gain * (probability - self.target_accept),
            mean=state.mean + gain * deviation,
            cov=cov,
        )

    def _flip_all(self, target: Target, name: str, key: PRNGKeyArray, carry: tuple[MhState, Tally]) -> Any:
        """Propose another value for each element of one discrete site in turn.

        Args:
            target: see `Target`.
            name: of the site.
            key: a PRNG key.
            carry: the state and the tally.
        """
        fn = target.discrete[name]

        def flip(j: Int[Array, ""], carry: tuple[MhState, Tally]) -> tuple[MhState, Tally]:
            state, tally = carry
            value_key, accept_key = jax.random.split(jax.random.fold_in(key, j))
            value = state.discrete[name]
            proposed = value.ravel().at[j].set(_other(value_key, fn, value.ravel()[j])).reshape(value.shape)
            there = (state.z, {**state.discrete, name: proposed})
            state, probability, is_nan = _accepted(target, state, accept_key, there, fn.support(proposed))
            return state, tally.added(probability, is_nan)

        return lax.fori_loop(0, carry[0].discrete[name].size, flip, carry)

    def latents(self, state: MhState) -> dict[str, Any]:
        """Both kinds of latents."""
        return {**state.z, **state.discrete}

    def derived(self, problem: Problem, states: Any, result: Result, layout: Layout) -> Result:
        """With the conditional probability of other values for discrete scalars that never moved.

        It is looked at in a few draws more, which are not kept.
        """
        posterior = result.tree["posterior"].to_dataset()
        discrete = [site.name for site in problem.latents if site.discrete and site.name in posterior]
        still = {
            name: np.all(posterior[name].values == posterior[name].values[:1, :1], axis=(0, 1)) for name in discrete
        }
        still = {name: asked for name, asked in still.items() if asked.any()}
        if not still:
            return result
        count = min(layout.block, _LOOKS)
        _, latents, *_ = advance(self, layout, problem.bound, layout.chains, states, count)
        draws = jax.tree.map(lambda a: a[:, :count].reshape(-1, *a.shape[2:]), latents)
        probabilities = of_others(problem.bound, draws, still)
        groups = {name: group.to_dataset() for name, group in result.tree.children.items()}
        groups["conditional"] = xr.Dataset({name: (posterior[name].dims[2:], p) for name, p in probabilities.items()})
        return dataclasses.replace(result, tree=xr.DataTree.from_dict(groups))


def accept(key: PRNGKeyArray, log_ratio: Float[Array, ""]) -> tuple[Bool[Array, ""], Float[Array, ""]]:
    """The Metropolis accept step.

    Args:
        key: a PRNG key.
        log_ratio: log of the target's density ratio, proposed over current (times the proposal's ratio, 1 here). A NaN
            counts as zero density.

    Returns:
        Whether to accept, and the acceptance probability min(1, ratio).
    """
    probability = jnp.exp(jnp.minimum(0.0, jnp.where(jnp.isnan(log_ratio), -jnp.inf, log_ratio)))
    return jax.random.uniform(key, dtype=probability.dtype) < probability, probability


def _accepted(
    target: Target,
    state: MhState,
    key: PRNGKeyArray,
    there: tuple[Values, Values],
    inside: Any = True,
    correction: Any = 0.0,
) -> tuple[MhState, Float[Array, ""], Bool[Array, ""]]:
    """Move to the proposal or stay; the acceptance probability; and whether the proposal has no log density."""
    log_density = jnp.where(jnp.all(inside), target.log_density(*there), -jnp.inf)
    log_ratio = log_density - state.log_density + correction
    is_nan = jnp.isnan(log_ratio) & (log_density != -jnp.inf)
    accepted, probability = accept(key, log_ratio)
    z, discrete, log_density = jax.tree.map(
        partial(jnp.where, accepted), (*there, log_density), (state.z, state.discrete, state.log_density)
    )
    return state._replace(z=z, discrete=discrete, log_density=log_density), probability, is_nan


def _other(key: PRNGKeyArray, fn: Any, value: Shaped[Array, ""]) -> Shaped[Array, ""]:
    """Another value of a discrete latent's support, by a symmetric proposal."""
    if not fn.has_enumerate_support:
        return value + jnp.where(jax.random.bernoulli(key), 1, -1).astype(value.dtype)
    values = fn.enumerate_support(expand=False).ravel()
    now = jnp.argmax(values == value)
    return values[(now + jax.random.randint(key, (), 1, values.size)) % values.size].astype(value.dtype)
