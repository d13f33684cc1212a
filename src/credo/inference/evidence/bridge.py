"""Bridge sampling: log p(data) from draws of the posterior, in unconstrained space.

Meng and Wong (1996), "Simulating ratios of normalizing constants via a simple identity", Statistica Sinica 6; warped as
Meng and Schilling (2002), "Warp bridge sampling", JCGS 11(3): with mean mu and scale L of some draws, the density of
eta = L^-1 (z - mu) is made symmetric, (p(mu + L eta) + p(mu - L eta)) |L| / 2, which has the mean, the spread and the
skewness of the standard normal from which the bridge leads to it.
"""

import math
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp
from jaxtyping import Float, PRNGKeyArray

from credo.config.naming import Named
from credo.energies.normaliser import bridge
from credo.errors import ConfigError, RunError
from credo.inference.base import Inference
from credo.inference.clock import Clock
from credo.inference.density import Values, potential, unconstrain
from credo.inference.evidence import table
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result
from credo.inference.unconstrained import AT_ONCE, latent_draws, unconstrained
from credo.models.binding import BoundModel
from credo.models.problem import Problem

_LEAST = 50
"""Draws of all chains in each half, and at least two per latent scalar: with fewer its scale is not known."""


@dataclass(frozen=True)
class Bridge(Named):
    """Each half of the chains' draws gives the normal distribution from which a bridge leads to the other half.

    The estimate is the mean of both. Its error counts the autocorrelation of the draws, and is at least half of the
    difference of the two.
    """

    derives = "log evidence"

    def check(self, problem: Problem, method: Inference) -> None:
        """Refuse what has no draws of the posterior, or no density to be integrated."""
        require_integrable(problem, f"evidence={self.name}")
        kind = getattr(method, "kind", lambda _: Kind.CHAINS)(problem)
        if kind is not Kind.CHAINS:
            raise ConfigError(
                f"evidence={self.name} takes the draws of Markov chains, which this method does not make; use "
                "inference=nuts, or evidence=none"
            )
        kept = getattr(method, "keep", None)
        lost = [one.name for one in problem.latents if kept is not None and one.name not in kept and not one.discrete]
        if lost:
            raise ConfigError(
                f"inference.keep: evidence={self.name} takes the draws of all latents, but not those of "
                f"{', '.join(lost)} are kept; keep them, or use evidence=none"
            )

    def derived(self, problem: Problem, result: Result, key: PRNGKeyArray) -> Result:
        """The result with log evidence by the bridge.

        Raises:
            RunError: a latent's draws were not kept, are too few, or lie on the boundary of the space.
        """
        if result.kind is not Kind.CHAINS:
            raise RunError(f"evidence={self.name} takes the draws of Markov chains, which {result.method} has not made")
        clock = Clock()
        draws = latent_draws(problem, result.tree["posterior"].to_dataset(), f"evidence={self.name}")
        table.merged(result.tree, {self.name: log_evidence(problem, draws, key, result.grouping.walkers)})
        clock.lap("evidence")
        count = math.prod(next(iter(draws.values())).shape[:2])
        evaluations = 4 * count  # both halves, both sides, and the normal's draws
        cost = Cost(clock.seconds, density_evaluations=evaluations, programs=clock.programs)
        return replace(result, cost=result.cost + cost)


def require_integrable(problem: Problem, who: str) -> None:
    """Raise `ConfigError` where the density of the data and all latents has no integral that is p(data)."""
    if problem.training is not None:
        raise ConfigError(f"{who} needs the posterior of all latents, but networks are trained; use evidence=none")
    if problem.improper:
        raise ConfigError(
            f"{who}: the prior of {', '.join(problem.improper)} is improper, so that p(data) has no meaning; give it a "
            "proper prior, or use evidence=none"
        )
    if any(not site.normalised for site in problem.named("observed")):
        raise ConfigError(f"{who}: the likelihood is known up to a factor alone, and so is p(data); use evidence=none")
    problem.require_enumerable(who.replace("evidence=", "mh evidence="))


def log_evidence(
    problem: Problem, draws: dict[str, Float[np.ndarray, "chain draw ..."]], key: PRNGKeyArray, walkers: int = 1
) -> tuple[float, float]:
    """Log p(data) in nats, and its standard error.

    Args:
        problem: a model with its data.
        draws: of its posterior, all continuous latents by site, in their own space.
        key: of the draws of the normal distribution.
        walkers: see `Grouping`.

    Raises:
        RunError: there are too few draws, or a draw lies on the boundary of the space.
    """
    z = np.asarray(unconstrained(problem.bound, draws))
    chains, count, dim = z.shape
    half, least = count // 2, max(_LEAST, 2 * dim)
    if chains * half < least:
        raise RunError(
            f"evidence=bridge needs {2 * least} draws of all chains, but there are {chains * count}; raise "
            "inference.draws"
        )
    if not np.isfinite(z).all():
        raise RunError(
            "evidence=bridge: a draw lies on the boundary of the space, as far as these numbers can tell; use "
            "device.precision=float64"
        )
    one = {name: values[0, 0] for name, values in draws.items()}
    halves = z[:, :half], z[:, half : 2 * half]
    found = [
        _bridged(problem.bound, one, *_normal(fitted), others, bridge_key, walkers)
        for (fitted, others), bridge_key in zip((halves, halves[::-1]), jax.random.split(key), strict=True)
    ]
    (first, second), errors = np.asarray(found, float).T
    if not np.isfinite([first, second, *errors]).all():
        raise RunError("evidence=bridge: the normal distribution of the draws does not overlap with the posterior")
    value = float(first + second) / 2
    spread = max(float(np.hypot(*errors)), abs(float(first - second))) / 2
    return value, math.hypot(spread, float(np.finfo(z.dtype).eps) * abs(value))


def _normal(z: Float[np.ndarray, "chain draw dim"]) -> tuple[Float[np.ndarray, "dim"], Float[np.ndarray, "dim dim"]]:
    """The mean of draws, and a factor of their covariance, which is drawn a little to its diagonal."""
    flat = z.reshape(-1, z.shape[2]).astype(float)
    covariance = np.cov(flat, rowvar=False).reshape(z.shape[2], z.shape[2])
    share = 1 / (1 + len(flat) / z.shape[2])
    shrunk = (1 - share) * covariance + share * np.diag(np.diag(covariance))
    return flat.mean(axis=0).astype(z.dtype), np.linalg.cholesky(shrunk).astype(z.dtype)


@partial(jax.jit, static_argnames="walkers")
def _bridged(
    program: BoundModel,
    one: Values,
    mean: Float[Array, "dim"],
    scale: Float[Array, "dim dim"],
    draws: Float[Array, "chain draw dim"],
    key: PRNGKeyArray,
    walkers: int,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Log p(data) and its standard error, by a bridge from one normal distribution to the draws.

    Args:
        program: the model with its data.
        one: a value of every continuous latent, for the shapes.
        mean: of the normal distribution.
        scale: the lower factor of its covariance.
        draws: of the posterior, which have no part in either.
        key: of the normal's draws.
        walkers: see `Grouping`.
    """
    unravel, energy = ravel_pytree(unconstrain(program, one))[1], potential(program)
    top = jnp.sum(jnp.log(jnp.diag(scale))) + len(mean) / 2 * math.log(2 * math.pi)

    def log_ratio(eta: Float[Array, "dim"]) -> Float[Array, ""]:
        """Log of the symmetric density over the standard normal one."""
        step = scale @ eta
        both = jnp.stack([-energy(unravel(mean + step)), -energy(unravel(mean - step))])
        return logsumexp(jnp.nan_to_num(both, nan=-jnp.inf)) - math.log(2) + top + jnp.sum(eta**2) / 2

    eta = solve_triangular(scale, (draws - mean).reshape(-1, len(mean)).T, lower=True).T
    of_normal = lax.map(log_ratio, jax.random.normal(key, eta.shape, eta.dtype), batch_size=AT_ONCE)
    of_draws = lax.map(log_ratio, eta, batch_size=AT_ONCE).reshape(draws.shape[:2])
    return bridge.ratio(of_normal, of_draws, walkers)
