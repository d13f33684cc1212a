"""Bridge sampling of log Z (Meng & Wong 1996): draws of exp(-E) / Z, and draws of a density g that is known in full.

With l(x) = -E(x) - log g(x), the optimal bridge's c = log Z solves
s_g mean_g sigmoid(l - c + m) = s_p mean_p sigmoid(c - l - m), m = log(s_p / s_g),
where s_g and s_p are the parts that both have in the effective number of draws. It is Bennett's acceptance ratio
(1976), and the fixed point of Meng and Wong's iteration. Its error is that of Fruehwirth-Schnatter (2004).
"""

from math import log
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array, lax
from jax.nn import sigmoid
from jaxtyping import Float, PRNGKeyArray

from credo.errors import ConfigError

_HALVINGS = 64
"""Of the interval in which c lies."""


class Bridge(NamedTuple):
    """Log Z in nats, and its standard error."""

    log_z: Float[Array, ""]
    error: Float[Array, ""]


def log_z(
    energy: Any,
    density: dist.Distribution,
    draws: Float[Array, "chain draw dim"],
    key: PRNGKeyArray,
    *,
    count: int | None = None,
) -> Bridge:
    """Log Z of an energy from its draws.

    Args:
        energy: Its `batch` is the energies [state] of states [state, dim].
        density: A distribution of event shape [dim] that overlaps with exp(-E), e.g. the draws' own normal.
        draws: Draws of exp(-E) / Z, whose autocorrelation is reckoned with.
        key: The randomness of the density's draws.
        count: How many draws of the density; as many as there are of the energy where it is `None`.

    Raises:
        ConfigError: For draws of another shape.
    """
    if jnp.ndim(draws) != 3 or draws.shape[2] != energy.dim:
        raise ConfigError(
            f"evidence.draws: expected draws of shape [chain, draw, {energy.dim}], but got {jnp.shape(draws)}"
        )
    return _compiled(energy, density, draws, key, count or draws.shape[0] * draws.shape[1])


@eqx.filter_jit
def _compiled(
    energy: Any, density: Any, draws: Float[Array, "chain draw dim"], key: PRNGKeyArray, count: int
) -> Bridge:
    def logs(x: Float[Array, "state dim"]) -> Float[Array, "state"]:
        return -energy.batch(x) - density.log_prob(x)

    of_density = logs(density.sample(key, (count,)).astype(draws.dtype))
    of_energy = logs(draws.reshape(-1, draws.shape[2])).reshape(draws.shape[:2])
    return ratio(of_density, of_energy)


def ratio(of_density: Float[Array, "draw"], of_energy: Float[Array, "..."], walkers: int = 1) -> Bridge:
    """Log Z_p / Z_g by the optimal bridge.

    Example:
        Densities that differ by a factor of e everywhere.

        >>> found = ratio(of_density=jnp.ones(100), of_energy=jnp.ones(100))
        >>> round(float(found.log_z), 4)
        1.0

    Args:
        of_density: l = log of p's unnormalised density over g's, at independent draws of g.
        of_energy: The same at draws of p, [chain, draw], or at independent ones, [draw].
        walkers: Of which neighbouring draws are (see `correlation_time`).
    """
    l_g = jnp.nan_to_num(of_density, nan=-jnp.inf, neginf=-jnp.inf)
    l_p = of_energy if of_energy.ndim == 2 else of_energy[:, None]
    times = correlation_time(l_p, walkers)
    n_g, n_p = len(l_g), l_p.size / times
    s_g, s_p = n_g / (n_g + n_p), n_p / (n_g + n_p)
    m = jnp.log(s_p / s_g)

    def sides(c: Array) -> tuple[Array, Array]:
        return sigmoid(l_g - c + m), sigmoid(c - l_p - m)

    def halved(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        g, p = sides(middle)
        higher = s_g * g.mean() > s_p * p.mean()
        return jnp.where(higher, middle, low), jnp.where(higher, high, middle)

    # at the least l the left side is the larger one, even if all others are of weight 0; at the greatest the right side
    known = jnp.concatenate([l_g, l_p.ravel()])
    least, most = (jnp.where(jnp.isfinite(known), known, end) for end in (jnp.inf, -jnp.inf))
    low, high = lax.fori_loop(0, _HALVINGS, halved, (least.min() - log(n_g), most.max()))
    c = 0.5 * (low + high)
    g, p = sides(c)
    spread = (
        g.var() / jnp.square(g.mean()) / n_g + correlation_time(p, walkers) * p.var() / jnp.square(p.mean()) / p.size
    )
    return Bridge(c, jnp.sqrt(spread))


def correlation_time(values: Float[Array, "chain draw"], walkers: int = 1) -> Float[Array, ""]:
    """The integrated autocorrelation time of values, 1 where the draws are independent.

    The autocorrelations of all chains about the common mean, summed while those of neighbouring lags together are
    positive (Geyer 1992).

    Args:
        values: At each draw.
        walkers: Where so many neighbouring draws are those of different walkers of an ensemble, their means are asked.
    """
    if walkers > 1:
        rounds = values.shape[1] // walkers
        means = values[:, : rounds * walkers].reshape(len(values), rounds, walkers).mean(2)
        share = walkers * means.var() / jnp.where(values.var() > 0, values.var(), 1.0)
        return jnp.maximum(share * correlation_time(means), 1.0)
    draws = values.shape[1]
    if draws < 4:
        return jnp.ones((), values.dtype)
    away = values - values.mean()
    spectrum = jnp.fft.rfft(away, 2 * draws, axis=1)
    covariance = jnp.fft.irfft(jnp.square(jnp.abs(spectrum)), 2 * draws, axis=1)[:, :draws].mean(0)
    rho = covariance / jnp.where(covariance[0] > 0, covariance[0], 1.0)
    pairs = rho[: draws // 2 * 2].reshape(-1, 2).sum(1)
    kept = jnp.cumprod(pairs > 0)
    return jnp.maximum(2 * (pairs * kept).sum() - 1, 1.0)
