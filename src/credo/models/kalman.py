"""Gaussian state space models: the filter, the smoother, and the rows' distribution with the states marginalised.

a_{t+1} = T a_t + e_t, e_t ~ N(0, diag(q)); y_t = z . a_t + n_t, n_t ~ N(0, h); a_1 ~ N(0, P). Durbin, J. and Koopman,
S. J. (2012), Time Series Analysis by State Space Methods, sections 4.3 to 4.5.
"""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.scipy.linalg import block_diag
from jaxtyping import Bool, Float, Int, PRNGKeyArray
from numpyro.distributions import constraints

from credo.models.dependent import LOG_2PI


class System(NamedTuple):
    """The numbers of a state space model.

    - **transition** - T.
    - **seen** - z, how states enter the observation.
    - **variances** - q, of what is new in the states.
    - **start** - P, the covariance of the first states.
    - **noise** - h.
    """

    transition: Float[Array, "state state"]
    seen: Float[Array, "state"]
    variances: Float[Array, "state"]
    start: Float[Array, "state state"]
    noise: Float[Array, ""]


class Filtered(NamedTuple):
    """By time, given the observations before it: the states' means and covariances, and what is new in y."""

    mean: Float[Array, "time state"]
    covariance: Float[Array, "time state state"]
    error: Float[Array, "time"]
    variance: Float[Array, "time"]


class Smoothed(NamedTuple):
    """By time: the states given all observations; and u and D, by which y is N(y - u / D, 1 / D) given all others."""

    mean: Float[Array, "time state"]
    covariance: Float[Array, "time state state"]
    u: Float[Array, "time"]
    precision: Float[Array, "time"]


def together(parts: list[System], noise: Float[Array, ""]) -> System:
    """The sum of independent systems, observed with a noise."""
    transition, start = (block_diag(*(part[i] for part in parts)) for i in (0, 3))
    seen, variances = (jnp.concatenate([jnp.atleast_1d(part[i]) for part in parts]) for i in (1, 2))
    return System(transition, seen, variances, start, noise)


def filtered(system: System, y: Float[Array, "time"], there: Bool[Array, "time"]) -> Filtered:
    """The filter, which takes no notice of y where it is not there."""
    transition, seen, variances, start, noise = system

    def step(carry: tuple[Array, Array], now: tuple[Array, Array]) -> tuple[tuple[Array, Array], Filtered]:
        (mean, covariance), (value, is_there) = carry, now
        error = value - seen @ mean
        across = covariance @ seen
        variance = seen @ across + noise
        gain = jnp.where(is_there, transition @ across / variance, 0.0)
        then = transition @ covariance @ transition.T + jnp.diag(variances) - jnp.outer(gain, gain) * variance
        carry = transition @ mean + gain * error, (then + then.T) / 2
        return carry, Filtered(mean, covariance, error, variance)

    begin = jnp.zeros(len(seen), start.dtype), start
    return jax.lax.scan(step, begin, (y, there))[1]


def smoothed(system: System, y: Float[Array, "time"], there: Bool[Array, "time"]) -> Smoothed:
    """The smoother, from the end to the beginning."""
    transition, seen, *_ = system
    found = filtered(system, y, there)

    def step(carry: tuple[Array, Array], now: tuple[Filtered, Array]) -> tuple[tuple[Array, Array], Smoothed]:
        (r, n), (at, is_there) = carry, now
        gain = jnp.where(is_there, transition @ at.covariance @ seen / at.variance, 0.0)
        weight = jnp.where(is_there, 1 / at.variance, 0.0)
        u, precision = weight * at.error - gain @ r, weight + gain @ n @ gain
        left = transition - jnp.outer(gain, seen)
        r = seen * weight * at.error + left.T @ r
        n = weight * jnp.outer(seen, seen) + left.T @ n @ left
        covariance = at.covariance - at.covariance @ n @ at.covariance
        return (r, n), Smoothed(at.mean + at.covariance @ r, covariance, u, precision)

    begin = jnp.zeros(len(seen)), jnp.zeros((len(seen), len(seen)))
    return jax.lax.scan(step, begin, (found, there), reverse=True)[1]


class Series(dist.Distribution):
    """The rows of a state space model, the states marginalised; the log density is that of each given those before it.

    Args:
        system: the model.
        index: when each row was observed, increasing from 0.
        there: by time, whether it was.
        loc: what y counts from.
        scale: the unit of y.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = constraints.real
    pytree_data_fields = ("system", "index", "there", "loc", "scale")

    def __init__(
        self, system: System, index: Int[Array, "row"], there: Bool[Array, "time"], loc: Any, scale: Any
    ) -> None:
        self.system, self.index, self.there, self.loc, self.scale = system, index, there, loc, scale
        super().__init__(jnp.shape(index), validate_args=False)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draw states from the first on, and observations of them."""
        if sample_shape:
            keys = jax.random.split(key, sample_shape)
            return jax.vmap(self.sample)(keys.reshape(-1, *keys.shape[len(sample_shape) :])).reshape(
                *sample_shape, *self.batch_shape
            )
        transition, seen, variances, start, noise = self.system
        first, later, own = jax.random.split(key, 3)
        root = jnp.linalg.cholesky(start + 1e-9 * jnp.eye(len(seen)))
        new = jnp.sqrt(variances) * jax.random.normal(later, (len(self.there), len(seen)))

        def step(state: Array, e: Array) -> tuple[Array, Array]:
            return transition @ state + e, seen @ state

        _, signal = jax.lax.scan(step, root @ jax.random.normal(first, (len(seen),)), new)
        y = signal + jnp.sqrt(noise) * jax.random.normal(own, signal.shape)
        return self.loc + self.scale * y[self.index]

    def log_prob(self, value: Float[Array, "row"]) -> Float[Array, "row"]:
        """Of each row given those before it."""
        found = filtered(self.system, self._by_time(value), self.there)
        every = -0.5 * (found.error**2 / found.variance + jnp.log(found.variance) + LOG_2PI)
        return every[self.index] - jnp.log(self.scale)

    def given_others(self, value: Float[Array, "row"]) -> Float[Array, "row"]:
        """The log density of each row given all others (ibid., section 4.5.4)."""
        found = smoothed(self.system, self._by_time(value), self.there)
        every = 0.5 * (jnp.log(found.precision) - found.u**2 / found.precision - LOG_2PI)
        return every[self.index] - jnp.log(self.scale)

    def _by_time(self, value: Float[Array, "row"]) -> Float[Array, "time"]:
        return jnp.zeros(len(self.there)).at[self.index].set((value - self.loc) / self.scale)
