"""Twelve posteriors of the collection posteriordb as NumPyro programs, for `experiments/benchmarks/posteriors.py`.

Each function is named like its posterior, and takes the data of that posterior by name:

    credo model=program model.function=posteriors:sblrc_blr data=json data.path=data.json   (in this folder)
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array, lax
from numpyro.distributions import constraints


def flat(name: str, support: Any = constraints.real, shape: tuple[int, ...] = ()) -> Array:
    """A latent with density one on its support."""
    value: Array = numpyro.sample(name, dist.ImproperUniform(support, (), shape))
    return value


def ordered(name: str, prior: dist.Distribution, support: Any = constraints.ordered_vector) -> Array:
    """A vector of two latents in rising order, with a density per element."""
    value = flat(name, support, (2,))
    numpyro.factor(f"{name}_prior", jnp.sum(prior.log_prob(value)))
    return value


def eight_schools_noncentered(J: int, y: Array, sigma: Array) -> None:  # noqa: N803 - the data's own names
    """Rubin (1981)."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", J):
        z = numpyro.sample("theta_trans", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * z)
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def eight_schools_centred(J: int, y: Array, sigma: Array) -> None:  # noqa: N803
    """The same with the schools' effects themselves as latents: a funnel."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", J):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def sblrc_blr(y: Array, X: Array, D: int, N: int) -> None:  # noqa: N803
    """Linear regression with strongly correlated inputs."""
    with numpyro.plate("feature", D):
        beta = numpyro.sample("beta", dist.Normal(0, 10))
    sigma = numpyro.sample("sigma", dist.HalfNormal(10))
    with numpyro.plate("obs", N):
        numpyro.sample("y", dist.Normal(X @ beta, sigma), obs=y)


def kidscore_interaction(N: int, kid_score: Array, mom_hs: Array, mom_iq: Array, **new: Any) -> None:  # noqa: N803
    """Gelman & Hill (2007), chapter 3; the data also has a new mother, for whom nothing is predicted here."""
    del new
    beta = flat("beta", constraints.real_vector, (4,))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
    mean = beta[0] + beta[1] * mom_hs + beta[2] * mom_iq + beta[3] * mom_hs * mom_iq
    with numpyro.plate("obs", N):
        numpyro.sample("kid_score", dist.Normal(mean, sigma), obs=kid_score)


def gp_regr(N: int, x: Array, y: Array, k: Array) -> None:  # noqa: N803, ARG001 - k belongs to another model
    """A Gaussian process with a squared exponential kernel; sigma is on the diagonal as a variance."""
    rho = numpyro.sample("rho", dist.Gamma(25, 4))
    alpha = numpyro.sample("alpha", dist.HalfNormal(2))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    distance = (x[:, None] - x[None, :]) / rho
    covariance = alpha**2 * jnp.exp(-0.5 * distance**2) + sigma * jnp.eye(N)
    numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(N), covariance), obs=y)


def low_dim_gauss_mix(N: int, y: Array) -> None:  # noqa: N803
    """Two normal components in rising order."""
    mu = ordered("mu", dist.Normal(0, 2))
    sigma = numpyro.sample("sigma", dist.HalfNormal(2).expand([2]).to_event(1))
    theta = numpyro.sample("theta", dist.Beta(5, 5))
    weights = dist.CategoricalProbs(jnp.stack([theta, 1 - theta]))
    with numpyro.plate("obs", N):
        numpyro.sample("y", dist.MixtureSameFamily(weights, dist.Normal(mu, sigma)), obs=y)


def garch11(T: int, y: Array, sigma1: Array) -> None:  # noqa: N803
    """Bollerslev (1986): s_t^2 = alpha0 + alpha1 (y_{t-1} - mu)^2 + beta1 s_{t-1}^2."""
    mu = flat("mu")
    alpha0 = flat("alpha0", constraints.positive)
    alpha1 = flat("alpha1", constraints.unit_interval)
    beta1 = flat("beta1", constraints.interval(0.0, 1 - alpha1))

    def variance(before: Array, last: Array) -> tuple[Array, Array]:
        now = alpha0 + alpha1 * (last - mu) ** 2 + beta1 * before
        return now, now

    first = jnp.asarray(sigma1) ** 2
    _, later = lax.scan(variance, first, y[:-1])
    with numpyro.plate("time", T):
        numpyro.sample("y", dist.Normal(mu, jnp.sqrt(jnp.concatenate([first[None], later]))), obs=y)


def ark(K: int, T: int, y: Array) -> None:  # noqa: N803
    """An autoregression of order K."""
    alpha = numpyro.sample("alpha", dist.Normal(0, 10))
    with numpyro.plate("lag", K):
        beta = numpyro.sample("beta", dist.Normal(0, 10))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))
    lagged = jnp.stack([y[K - 1 - k : T - 1 - k] for k in range(K)], axis=-1)
    with numpyro.plate("time", T - K):
        numpyro.sample("y", dist.Normal(alpha + lagged @ beta, sigma), obs=y[K:])


def hmm_example(N: int, K: int, y: Array) -> None:  # noqa: N803
    """A hidden Markov model of two states, which the forward algorithm sums out."""
    rows = [numpyro.sample(f"theta{k + 1}", dist.Dirichlet(jnp.ones(K))) for k in range(K)]
    mu = flat("mu", constraints.positive_ordered_vector, (K,))
    numpyro.factor("mu_prior", jnp.sum(dist.Normal(jnp.array([3.0, 10.0]), 1.0).log_prob(mu)))
    transition = jnp.log(jnp.stack(rows))
    emission = dist.Normal(mu, 1.0).log_prob(y[:, None])

    def step(forward: Array, now: Array) -> tuple[Array, None]:
        return jax.nn.logsumexp(forward[:, None] + transition, axis=0) + now, None

    last, _ = lax.scan(step, emission[0], emission[1:], length=N - 1)
    numpyro.factor("y", jax.nn.logsumexp(last))


def nes_logit(N: int, income: Array, vote: Array) -> None:  # noqa: N803
    """Logistic regression of a vote on income (Gelman & Hill 2007, chapter 5)."""
    b0 = numpyro.sample("b0", dist.Normal(0, 2.5))
    b1 = numpyro.sample("b1", dist.Normal(0, 2.5))
    with numpyro.plate("obs", N):
        numpyro.sample("vote", dist.BernoulliLogits(b0 + b1 * income), obs=vote)


def arma11(T: int, y: Array) -> None:  # noqa: N803
    """Autoregression and moving average of order one; the error before the first time is zero."""
    mu = numpyro.sample("mu", dist.Normal(0, 10))
    phi = numpyro.sample("phi", dist.Normal(0, 2))
    theta = numpyro.sample("theta", dist.Normal(0, 2))
    sigma = numpyro.sample("sigma", dist.HalfCauchy(2.5))

    def error(before: Array, pair: tuple[Array, Array]) -> tuple[Array, Array]:
        last, now = pair
        error = now - (mu + phi * last + theta * before)
        return error, error

    first = y[0] - (mu + phi * mu)
    _, later = lax.scan(error, first, (y[:-1], y[1:]), length=T - 1)
    numpyro.factor("y", jnp.sum(dist.Normal(0, sigma).log_prob(jnp.concatenate([first[None], later]))))


def gp_pois_regr(N: int, x: Array, k: Array, y: Array) -> None:  # noqa: N803, ARG001 - y belongs to another model
    """Counts whose log rate is a Gaussian process with a squared exponential kernel."""
    rho = numpyro.sample("rho", dist.Gamma(25, 4))
    alpha = numpyro.sample("alpha", dist.HalfNormal(2))
    white = numpyro.sample("f_tilde", dist.Normal(0, 1).expand([N]).to_event(1))
    distance = (x[:, None] - x[None, :]) / rho
    covariance = alpha**2 * jnp.exp(-0.5 * distance**2) + 1e-10 * jnp.eye(N)
    f = numpyro.deterministic("f", jnp.linalg.cholesky(covariance) @ white)
    with numpyro.plate("obs", N):
        numpyro.sample("k", dist.Poisson(jnp.exp(f)), obs=k)


def lotka_volterra(N: int, ts: Array, y_init: Array, y: Array) -> None:  # noqa: N803, ARG001
    """Lynx and hares by the year (Carpenter 2018): du/dt = (a - b v) u and dv/dt = (d u - c) v, log-normal errors."""
    loc, scale = jnp.array([1, 0.05, 1, 0.05]), jnp.array([0.5, 0.05, 0.5, 0.05])
    theta = numpyro.sample("theta", dist.TruncatedNormal(loc, scale, low=0.0).to_event(1))
    sigma = numpyro.sample("sigma", dist.LogNormal(-1, 1).expand([2]).to_event(1))
    begin = numpyro.sample("z_init", dist.LogNormal(jnp.log(10.0), 1).expand([2]).to_event(1))

    def rate(log: Array) -> Array:
        hares, lynx = jnp.exp(log)
        return jnp.stack([theta[0] - theta[1] * lynx, theta[3] * hares - theta[2]])

    def step(log: Array, _: None) -> tuple[Array, None]:
        return runge_kutta(rate, log, 1 / STEPS), None

    def year(log: Array, _: None) -> tuple[Array, Array]:
        later, _ = lax.scan(step, log, length=STEPS)
        return later, later

    first = jnp.log(begin)
    _, later = lax.scan(year, first, length=N)
    median = jnp.concatenate([first[None], later])
    numpyro.sample("y", dist.LogNormal(median, sigma).to_event(2), obs=jnp.concatenate([y_init[None], y]))


STEPS = 10
"""Of the Runge-Kutta method in a year."""


def runge_kutta(rate: Any, z: Array, width: float) -> Array:
    """One step of the classical fourth-order method."""
    first = rate(z)
    second = rate(z + width / 2 * first)
    third = rate(z + width / 2 * second)
    return z + width / 6 * (first + 2 * second + 2 * third + rate(z + width * third))
