"""How far a distribution p is from another, q, in nats: KL(p || q) = E_p[ln p(x) - ln q(x)].

Kullback, S. and Leibler, R. A. (1951). On information and sufficiency. Annals of Mathematical Statistics, 22(1).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.scipy.special import xlogy
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions.kl import kl_divergence

from credo.errors import ConfigError
from credo.information.expectation import DRAWS, Box, Estimate, check_method, expected, log_density

_ROUGH = (dist.Kumaraswamy,)
"""Those whose formula in NumPyro is a sum that is cut off."""


def kl(
    p: dist.Distribution,
    q: dist.Distribution,
    *,
    method: str = "auto",
    key: PRNGKeyArray | None = None,
    draws: int = DRAWS,
    bounds: Box | None = None,
) -> Estimate:
    """KL(p || q), infinite where p has probability outside the support of q.

    Example:
        >>> import numpyro.distributions as dist
        >>> round(float(kl(dist.Normal(0.0, 1.0), dist.Normal(1.0, 2.0)).value), 4)
        0.4431

    Args:
        p: The distribution of the draws.
        q: The other, over the same space.
        method: `closed`, a formula or an exact sum; `quadrature` in one or two dimensions; `monte_carlo`; or `auto`,
            the first of these that there is.
        key: Of Monte Carlo.
        draws: Of Monte Carlo.
        bounds: (low, high) for each dimension, within which quadrature integrates; `None` for all of p's support.

    Raises:
        ConfigError: For distributions over different spaces, another method, one that they do not allow, Monte Carlo
            without a key, and an integral that is not found.
    """
    check_method(method)
    _check_spaces(p, q)
    if p.support.is_discrete != q.support.is_discrete:
        return _batch(jnp.inf, p, q)
    if method in ("auto", "closed") and (value := _closed(p, q)) is not None:
        return _batch(value, p, q)
    ratio = _ratio(p, q)
    return expected(p, ratio, method=method, key=key, draws=draws, bounds=bounds, near=(q,))


def reverse(p: dist.Distribution, q: dist.Distribution, **how: Any) -> Estimate:
    """KL(q || p), with the arguments of `kl`."""
    return kl(q, p, **how)


def jensen_shannon(
    p: dist.Distribution,
    q: dist.Distribution,
    *,
    method: str = "auto",
    key: PRNGKeyArray | None = None,
    draws: int = DRAWS,
    bounds: Box | None = None,
) -> Estimate:
    """KL(p || m) / 2 + KL(q || m) / 2 with m = (p + q) / 2 (Lin 1991): symmetric, and at most ln 2.

    The arguments are those of `kl`; `closed` is an exact sum.

    Example:
        Of distributions without a common value it is ln 2.

        >>> import numpyro.distributions as dist
        >>> never, always = dist.BernoulliProbs(0.0), dist.BernoulliProbs(1.0)
        >>> round(float(jensen_shannon(never, always).value), 4)
        0.6931
    """
    check_method(method)
    _check_spaces(p, q)
    if p.support.is_discrete != q.support.is_discrete:
        return _batch(jnp.log(2.0), p, q)
    keys = (None, None) if key is None else tuple(jax.random.split(key))
    halves = [
        expected(one, _to_middle(one, other), method=method, key=k, draws=draws, bounds=bounds, near=(other,))
        for one, other, k in ((p, q, keys[0]), (q, p, keys[1]))
    ]
    error = jnp.hypot(halves[0].error, halves[1].error) / 2
    return Estimate((halves[0].value + halves[1].value) / 2, error)


def _ratio(p: dist.Distribution, q: dist.Distribution) -> Any:
    """Ln p(x) - ln q(x) of x; 0 where p(x) is 0."""

    def ratio(x: Shaped[Array, "..."]) -> Float[Array, "..."]:
        log_p = log_density(p, x)
        return jnp.where(log_p > -jnp.inf, log_p - log_density(q, x), 0.0)

    return ratio


def _to_middle(p: dist.Distribution, q: dist.Distribution) -> Any:
    """Ln p(x) - ln m(x) of x, at most ln 2."""

    def ratio(x: Shaped[Array, "..."]) -> Float[Array, "..."]:
        log_p, log_q = log_density(p, x), log_density(q, x)
        there = log_p > -jnp.inf
        odds = jnp.where(there, log_q - jnp.where(there, log_p, 0.0), 0.0)
        return jnp.where(there, jnp.log(2.0) - jax.nn.softplus(odds), 0.0)

    return ratio


def _closed(p: dist.Distribution, q: dist.Distribution) -> Shaped[Array, "..."] | None:
    """A formula or an exact sum [batch]; `None` where there is none."""
    if p.has_enumerate_support and not p.event_shape:
        return expected(p, _ratio(p, q), method="closed").value
    if isinstance(p, dist.Independent) and isinstance(q, dist.Independent):
        dims = p.reinterpreted_batch_ndims
        if dims == q.reinterpreted_batch_ndims:
            each = _closed(p.base_dist, q.base_dist)
            if each is None:
                return None
            shape = jnp.broadcast_shapes(p.base_dist.batch_shape, q.base_dist.batch_shape)
            return jnp.broadcast_to(each, shape).sum(tuple(range(-dims, 0)))
    if isinstance(p, _ROUGH):
        return None
    try:
        return kl_divergence(p, q)
    except NotImplementedError:
        return None


def _check_spaces(p: dist.Distribution, q: dist.Distribution) -> None:
    if p.event_shape != q.event_shape:
        raise ConfigError(
            f"information: expected two distributions over one space, but got events of shape {p.event_shape} and "
            f"{q.event_shape}"
        )


def _batch(value: Any, p: dist.Distribution, q: dist.Distribution) -> Estimate:
    """An exact value for the whole batch."""
    shape = jnp.broadcast_shapes(p.batch_shape, q.batch_shape)
    return Estimate(jnp.broadcast_to(value, shape), jnp.zeros(shape))


def _laplace_normal(p: dist.Laplace, q: dist.Normal) -> Array:
    """From E_p[(x - m)^2] = 2 b^2 + (mu - m)^2 and the Laplace entropy 1 + ln 2b."""
    square = 2 * p.scale**2 + (p.loc - q.loc) ** 2
    return square / (2 * q.scale**2) + jnp.log(q.scale / p.scale) + 0.5 * jnp.log(jnp.pi / 2) - 1


def _uniform(p: dist.Uniform, q: dist.Uniform) -> Array:
    inside = (p.low >= q.low) & (p.high <= q.high)
    return jnp.where(inside, jnp.log((q.high - q.low) / (p.high - p.low)), jnp.inf)


def _poisson(p: dist.Poisson, q: dist.Poisson) -> Array:
    return xlogy(p.rate, p.rate / q.rate) - p.rate + q.rate


kl_divergence.register(dist.Laplace, dist.Normal)(_laplace_normal)
kl_divergence.register(dist.Uniform, dist.Uniform)(_uniform)
kl_divergence.register(dist.Poisson, dist.Poisson)(_poisson)
