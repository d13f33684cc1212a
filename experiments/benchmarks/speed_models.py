"""Four models on which `speed.py` times credo and its peers, as NumPyro functions, with their data."""

from typing import Any

import numpy as np


def eight_schools(y: Any, sigma: Any) -> None:
    """Rubin's eight schools, not centred."""
    import numpyro
    import numpyro.distributions as dist

    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", len(sigma)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        theta = numpyro.deterministic("theta", mu + tau * z)
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def logistic(x: Any, y: Any) -> None:
    """Logistic regression with an intercept; 31 parameters on the table of breast cancers."""
    import numpyro
    import numpyro.distributions as dist

    intercept = numpyro.sample("intercept", dist.Normal(0, 2.5))
    beta = numpyro.sample("beta", dist.Normal(0, 2.5).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=intercept + x @ beta), obs=y)


def two_level(group: Any, x: Any, y: Any) -> None:
    """Intercepts and slopes of 85 groups, not centred."""
    import numpyro
    import numpyro.distributions as dist

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
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    rank = jnp.arange(len(scale))
    covariance = 0.5 ** jnp.abs(rank[:, None] - rank) * scale[:, None] * scale
    x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(len(scale)), covariance))
    numpyro.sample("y", dist.Normal(x.sum(), 1000.0), obs=y)


MODELS = {function.__name__: function for function in (eight_schools, logistic, two_level, gaussian)}


def data(name: str) -> dict[str, Any]:
    """The arguments of a model."""
    if name == "eight_schools":
        return {"y": np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), "sigma": np.array([15.0, 10, 16, 11, 9, 11, 10, 18])}
    if name == "logistic":
        from sklearn.datasets import load_breast_cancer

        x, y = load_breast_cancer(return_X_y=True)
        return {"x": (x - x.mean(0)) / x.std(0), "y": y}
    if name == "gaussian":
        return {"scale": np.geomspace(0.1, 10, 100), "y": np.array(0.0)}
    rng = np.random.default_rng(0)
    group = np.sort(np.concatenate([np.arange(85), rng.integers(0, 85, 834)]))
    x = rng.normal(size=919)
    effects = np.array([1.3, -0.6]) + rng.normal(size=(85, 2)) * np.array([0.35, 0.3])
    return {"group": group, "x": x, "y": effects[group, 0] + effects[group, 1] * x + 0.75 * rng.normal(size=919)}
