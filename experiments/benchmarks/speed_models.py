"""Four models on which `speed.py` times credo and its peers, as NumPyro functions."""

from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def eight_schools(y: Any, sigma: Any) -> None:
    """Rubin's eight schools, not centred."""
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(sigma)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * z)
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def logistic(x: Any, y: Any) -> None:
    """Logistic regression with an intercept; 31 parameters on the table of breast cancers."""
    intercept = numpyro.sample("intercept", dist.Normal(0, 2.5))
    beta = numpyro.sample("beta", dist.Normal(0, 2.5).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=intercept + x @ beta), obs=y)


def two_level(group: Any, x: Any, y: Any) -> None:
    """Intercepts and slopes of 85 groups, not centred."""
    mu = numpyro.sample("mu", dist.Normal(0, 5).expand([2]).to_event(1))
    tau = numpyro.sample("tau", dist.HalfNormal(2).expand([2]).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(2))
    with numpyro.plate("group", 85):
        z = numpyro.sample("z", dist.Normal(0, 1).expand([2]).to_event(1))
        effect = numpyro.deterministic("effect", mu + tau * z)
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(effect[group, 0] + effect[group, 1] * x, sigma), obs=y)


def gaussian(scale: Any, y: Any) -> None:
    """A normal distribution of 100 dimensions, of scales from 0.1 to 10 and with neighbours that correlate."""
    rank = jnp.arange(len(scale))
    covariance = 0.5 ** jnp.abs(rank[:, None] - rank) * scale[:, None] * scale
    x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(len(scale)), covariance))
    numpyro.sample("y", dist.Normal(x.sum(), 1000.0), obs=y)


MODELS = {function.__name__: function for function in (eight_schools, logistic, two_level, gaussian)}
