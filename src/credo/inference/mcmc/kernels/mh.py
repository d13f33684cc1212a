"""Random-walk Metropolis-Hastings: initialise, propose, accept or reject, repeat.

Continuous latents move together, in unconstrained space, by a normal proposal N(z, s^2 C). During warm-up alone, s is
steered to the target acceptance rate and C to the covariance of the draws (Haario, Saksman & Tamminen 2001; Andrieu &
Thoms 2008, algorithm 4). Discrete latents move one element at a time, to another value drawn uniformly, or by a step of
one where their values have no end; both proposals are symmetric, and the same accept step decides.
"""

import dataclasses
from functools import partial
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from numpyro import handlers
from numpyro.infer.mcmc import MCMCKernel

from credo.inference.density import Program, Values, discrete_latents, potential, structure
from credo.inference.mcmc.conditional import of_others
from credo.inference.mcmc.mcmc import Chains
from credo.inference.mcmc.programs import Stats, advance
from credo.inference.result import Result
from credo.inference.start import Start, find
from credo.models.problem import BoundModel, Problem
from credo.ranges import Between, Positive


class MhState(NamedTuple):
    """The state of one chain.

    - **i** - iterations so far.
    - **z** - continuous latents by site, unconstrained.
    - **discrete** - discrete latents by site.
    - **log_density** - log density of (z, discrete), in unconstrained space.
    - **accept_prob** - mean acceptance probability of the iteration's proposals.
    - **evaluations** - log densities evaluated in the iteration.
    - **nan_proposals** - proposals of the iteration whose log density is NaN; -inf, outside of the support, is none.
    - **log_scale** - log s.
    - **mean**, **cov** - running moments of the flattened z; the proposal's covariance is s^2 cov.
    - **rng_key** - the chain's key.
    - **drift** - of `exchange`, how far the energies of its inner draws still moved in the second half of their chains,
      in standard deviations; else 0.
    """

    i: Array
    z: Values
    discrete: Values
    log_density: Array
    accept_prob: Array
    evaluations: Array
    nan_proposals: Array
    log_scale: Array
    mean: Array
    cov: Array
    rng_key: Array
    drift: Array


_DECAY = 0.6
"""The adaptation's gain is (i + 1)^-0.6: its sum diverges and its square's does not (Andrieu & Thoms 2008)."""


_LOOKS = 10
"""Draws of each chain in which the conditional distributions of discrete latents that never moved are looked at."""


def accept(key: Array, log_ratio: Array) -> tuple[Array, Array]:
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


class RandomWalkMetropolis(MCMCKernel):
    """A NumPyro kernel; see the module's description.

    Args:
        model: a NumPyro program without arguments.
        scale: s at the start.
        target_accept: the acceptance rate to which s is steered.
        adapt: whether to adapt at all.
    """

    sample_field = "z"

    def __init__(self, model: Program, scale: Any, target_accept: Any, adapt: bool) -> None:
        self._model, self._scale, self._target, self._adapt = model, scale, target_accept, adapt
        self._num_warmup = 0

    @property
    def model(self) -> Program:
        """The program."""
        return self._model

    def init(self, rng_key: Array, num_warmup: int, init_params: Start, model_args: Any, model_kwargs: Any) -> MhState:
        """Begin at a starting point."""
        del model_args, model_kwargs
        self._num_warmup = num_warmup
        messages = structure(self._model, rng_key)
        self._discrete = {name: messages[name]["fn"] for name in discrete_latents(messages)}
        self._potential = None if self._discrete else potential(self._model)
        flat = ravel_pytree(init_params.z)[0]
        log_density = self._log_density(*init_params)
        zero = jnp.zeros_like(log_density)
        return MhState(
            i=jnp.array(0),
            z=init_params.z,
            discrete=init_params.discrete,
            log_density=log_density,
            accept_prob=zero,
            evaluations=jnp.array(0),
            nan_proposals=jnp.array(0),
            log_scale=jnp.log(self._scale) + zero,
            mean=flat,
            cov=jnp.eye(flat.size, dtype=flat.dtype),
            rng_key=rng_key,
            drift=zero,
        )

    def sample(self, state: MhState, model_args: Any, model_kwargs: Any) -> MhState:
        """One iteration: the continuous latents, then every element of the discrete ones."""
        del model_args, model_kwargs
        rng_key, move_key, flip_key = jax.random.split(state.rng_key, 3)
        none = jnp.array(0)
        state = state._replace(
            rng_key=rng_key, evaluations=none, nan_proposals=none, accept_prob=jnp.zeros_like(state.accept_prob)
        )
        if state.z:
            state = self._move(state, move_key)
        for name, fn in self._discrete.items():
            flip_key, key = jax.random.split(flip_key)
            state = self._flip_all(state, name, fn, key)
        mean_accept = state.accept_prob / jnp.maximum(state.evaluations, 1)
        return state._replace(i=state.i + 1, accept_prob=mean_accept)

    def postprocess_fn(self, args: Any, kwargs: Any) -> Any:
        """Draws stay unconstrained."""
        del args, kwargs
        return lambda z: z

    def _log_density(self, z: Values, discrete: Values) -> Array:
        energy = self._potential or potential(handlers.condition(self._model, data=discrete))
        return -energy(z)

    def _move(self, state: MhState, key: Array) -> MhState:
        """Propose for all continuous latents at once, and adapt."""
        propose_key, accept_key, inner_key = jax.random.split(key, 3)
        flat, unravel = ravel_pytree(state.z)
        step = jnp.linalg.cholesky(state.cov) @ jax.random.normal(propose_key, flat.shape, flat.dtype)
        proposed = unravel(flat + jnp.exp(state.log_scale) * step)
        correction, drift = self._correction(state, proposed, inner_key)
        state = self._accept(state, accept_key, proposed, state.discrete, correction=correction)._replace(drift=drift)
        if not self._adapt:
            return state
        return lax.cond(state.i < self._num_warmup, self._adapted, lambda same: same, state)

    def _correction(self, state: MhState, proposed: Values, key: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """What is added to the log ratio of a proposal, and the drift that belongs to it."""
        zero = jnp.zeros_like(state.log_density)
        return zero, zero

    def _adapted(self, state: MhState) -> MhState:
        gain = (state.i + 1.0) ** -_DECAY
        deviation = ravel_pytree(state.z)[0] - state.mean
        cov = state.cov + gain * (jnp.outer(deviation, deviation) - state.cov)
        # A touch of the identity keeps the proposal away from a degenerate covariance, as in Haario et al., eq. 1.
        cov = cov + 1e-10 * jnp.eye(cov.shape[0], dtype=cov.dtype)
        return state._replace(
            log_scale=state.log_scale + gain * (state.accept_prob - self._target),
            mean=state.mean + gain * deviation,
            cov=cov,
        )

    def _flip_all(self, state: MhState, name: str, fn: Any, key: Array) -> MhState:
        """Propose another value for each element of one discrete site in turn."""

        def flip(j: Array, state: MhState) -> MhState:
            value_key, accept_key = jax.random.split(jax.random.fold_in(key, j))
            value = state.discrete[name]
            proposed = value.ravel().at[j].set(self._other(value_key, fn, value.ravel()[j])).reshape(value.shape)
            return self._accept(state, accept_key, state.z, {**state.discrete, name: proposed}, fn.support(proposed))

        return lax.fori_loop(0, state.discrete[name].size, flip, state)

    def _other(self, key: Array, fn: Any, value: Array) -> Array:
        """Another value of a discrete latent's support, by a symmetric proposal."""
        if not fn.has_enumerate_support:
            return value + jnp.where(jax.random.bernoulli(key), 1, -1).astype(value.dtype)
        values = fn.enumerate_support(expand=False).ravel()
        now = jnp.argmax(values == value)
        return values[(now + jax.random.randint(key, (), 1, values.size)) % values.size].astype(value.dtype)

    def _accept(
        self, state: MhState, key: Array, z: Values, discrete: Values, inside: Any = True, correction: Any = 0.0
    ) -> MhState:
        """Move to the proposal or stay."""
        log_density = jnp.where(jnp.all(inside), self._log_density(z, discrete), -jnp.inf)
        log_ratio = log_density - state.log_density + correction
        unknown = jnp.isnan(log_ratio) & (log_density != -jnp.inf)
        accepted, probability = accept(key, log_ratio)
        z, discrete, log_density = jax.tree.map(
            partial(jnp.where, accepted), (z, discrete, log_density), (state.z, state.discrete, state.log_density)
        )
        return state._replace(
            z=z,
            discrete=discrete,
            log_density=log_density,
            accept_prob=state.accept_prob + probability,
            evaluations=state.evaluations + 1,
            nan_proposals=state.nan_proposals + unknown,
        )


class Mh(Chains):
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

    method: ClassVar[str] = "mh"
    preferred: ClassVar[str] = "vectorized"
    uses_gradients: ClassVar[bool] = False

    def kernel(self, program: BoundModel) -> RandomWalkMetropolis:
        """Our own kernel; NumPyro has none."""
        return RandomWalkMetropolis(program, self.scale, self.target_accept, self.adapt)

    def begin(
        self, program: BoundModel, key: Array, mode: Values | None = None, from_prior: Array | None = None
    ) -> Start:
        """A point with a finite density."""
        return find(program, key, self.start, self.start_values, from_prior) if mode is None else Start(mode, {})

    def point(self, state: MhState) -> Start:
        """Where the chain is."""
        return Start(state.z, state.discrete)

    def values(self, state: MhState) -> dict[str, Any]:
        """Both kinds of latents."""
        return {**state.z, **state.discrete}

    def examined(self, problem: Problem, states: Any, result: Result) -> Result:
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
        count = min(self.block, _LOOKS)
        _, kept, *_ = advance(self, problem.bound, self.chains, states, count)
        draws = jax.tree.map(lambda a: a[:, :count].reshape(-1, *a.shape[2:]), kept)
        found = of_others(problem.bound, draws, still)
        groups = {name: group.to_dataset() for name, group in result.tree.children.items()}
        groups["conditional"] = xr.Dataset({name: (posterior[name].dims[2:], p) for name, p in found.items()})
        return dataclasses.replace(result, tree=xr.DataTree.from_dict(groups))

    def log_density(self, state: MhState) -> Array:
        """As the kernel has it."""
        return state.log_density

    def stats(self, state: MhState) -> Stats:
        """Acceptance, density, proposals without one, and the proposal's scale."""
        return {
            "acceptance_rate": state.accept_prob,
            "lp": state.log_density,
            "n_steps": state.evaluations,
            "nan_proposals": state.nan_proposals,
            "step_size": jnp.exp(state.log_scale),
        }
