"""Do short Markov chains that begin at the draws stay where the draws are?

Such chains leave the posterior as it is, so that draws that move, all together, are not of it. Pareto k is known up to
an error only, and near its bar passes approximations that lack a tail or an end of a funnel; the chains go there. They
are too short to cross to another mode.
"""

from collections.abc import Generator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, PRNGKeyArray

from credo.inference.calls import Call
from credo.inference.density import Values
from credo.inference.point.derivatives import LogDensity
from credo.inference.variational import importance
from credo.models.binding import BoundModel
from credo.models.problem import Problem

GROUP = "drift"
"""The group of a result that has how far the chains went."""

_CHAINS, _TRAJECTORIES, _STEPS = 500, 16, 8
"""Chains, and the trajectories of each, of so many steps."""

_LONGEST, _SIZES = 0.5, 4
"""Steps in standard deviations: the longest, and how many sizes there are by turns, each half of the one before."""

_DENSE = 500
"""Beyond so many scalars the unit of a step has no correlations."""

GRADIENTS = _CHAINS * _TRAJECTORIES * _STEPS


def drifted(
    method: LogDensity,
    problem: Problem,
    z: Values,
    weight: Float[np.ndarray, "draw"],
    key: PRNGKeyArray,
) -> Generator[Call, Any, xr.Dataset]:
    """How far the chains go, in standard deviations of the draws: `drift` and its `error`, [moment, scalar].

    Args:
        method: has the log density.
        problem: the model and its data.
        z: draws of the approximation by site, unconstrained.
        weight: of each.
        key: for the chains.
    """
    chosen, _ = importance.resample(weight, 0.5)
    flat = ravel(z)[chosen]
    mean, scale = flat.mean(axis=0), flat.std(axis=0)
    some = chosen[np.linspace(0, len(chosen) - 1, _CHAINS).astype(int)]
    before = {name: values[some] for name, values in z.items()}
    after = yield Call(_moved, method, problem.bound, before, _root(flat, scale), key)
    first, last = ((np.asarray(one, float) - mean) / scale for one in (ravel(before), after))
    moves = np.stack([last - first, last**2 - first**2])
    error = moves.std(axis=1, ddof=1) / np.sqrt(_CHAINS)
    return xr.Dataset(
        {"drift": (("moment", "scalar"), moves.mean(axis=1)), "error": (("moment", "scalar"), error)},
        {"moment": ["mean", "square"]},
    )


def ravel(z: Values) -> Float[np.ndarray, "draw dim"]:
    """The latents in a row."""
    return np.concatenate([np.reshape(values, (len(values), -1)) for values in z.values()], axis=1)


def _root(flat: Float[np.ndarray, "draw dim"], scale: Float[np.ndarray, "dim"]) -> Float[np.ndarray, "dim dim"]:
    """The unit of a step: a root of the covariance of the draws."""
    if len(scale) > _DENSE:
        return np.diag(scale)
    covariance = np.atleast_2d(np.cov(flat.T)) + np.diag(1e-6 * scale**2)
    try:
        root: Float[np.ndarray, "dim dim"] = np.linalg.cholesky(covariance).astype(flat.dtype)
    except np.linalg.LinAlgError:
        return np.diag(scale)
    return root


@partial(jax.jit)
def _moved(
    method: LogDensity, program: BoundModel, z: Values, root: Float[Array, "dim dim"], key: PRNGKeyArray
) -> Float[Array, "chain dim"]:
    """Where Hamiltonian Monte Carlo leads from each draw."""
    unravel = ravel_pytree(jax.tree.map(lambda a: a[0], z))[1]
    look = jax.value_and_grad(lambda at: method.log_density(program, unravel(at)))

    def trajectory(at: Array, key: PRNGKeyArray, size: Array) -> Array:
        momentum_key, accept_key = jax.random.split(key)
        momentum = jax.random.normal(momentum_key, at.shape, at.dtype)
        height, slope = look(at)

        def step(_: Array, carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
            at, momentum, _, slope = carry
            momentum = momentum + size / 2 * (root.T @ slope)
            at = at + size * (root @ momentum)
            height, slope = look(at)
            return at, momentum + size / 2 * (root.T @ slope), height, slope

        end, last, reached, _ = lax.fori_loop(0, _STEPS, step, (at, momentum, height, slope))
        gain = reached - height + (jnp.sum(momentum**2) - jnp.sum(last**2)) / 2
        accepted = jnp.log(jax.random.uniform(accept_key)) < gain  # not where the gain is NaN
        return jnp.where(accepted, end, at)

    def chain(at: Array, key: PRNGKeyArray) -> Array:
        def one(i: Array, at: Array) -> Array:
            return trajectory(at, jax.random.fold_in(key, i), _LONGEST / 2.0 ** (i % _SIZES))

        return lax.fori_loop(0, _TRAJECTORIES, one, at)

    flat = jax.vmap(lambda one: ravel_pytree(one)[0])(z)
    return jax.vmap(chain)(flat, jax.random.split(key, len(flat)))
