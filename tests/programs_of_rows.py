"""NumPyro programs over the rows of a table, some of which are alike, for the tests of predictions."""

from typing import Any

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def _observe(site: str, y: Any, distribution: Any, rows: int) -> None:
    with numpyro.plate("rows", rows):
        numpyro.sample(site, distribution, obs=y)


def _line() -> tuple[Any, Any, Any]:
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 2.0))
    beta = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    return intercept, beta, numpyro.sample("sigma", dist.HalfNormal(1.0))


def linear(y: Any, x: Any, height: Any = None) -> None:
    """An input is called y, and the target is not."""
    intercept, (first, second), sigma = (
        numpyro.sample("intercept", dist.Normal(0.0, 2.0)),
        numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([2]).to_event(1)),
        numpyro.sample("sigma", dist.HalfNormal(1.0)),
    )
    _observe("seen", height, dist.Normal(intercept + first * y + second * x, sigma), len(y))


def of_wards(ward: Any, dose: Any, wards: int, n_obs: int, pain: Any = None) -> None:
    """It takes the numbers of wards, their number, a whole number and that of the rows."""
    with numpyro.plate("ward", wards):
        effect = numpyro.sample("effect", dist.Normal(0.0, 1.0))
    _observe("pain", pain, dist.Normal(effect[ward] + 0.1 * dose, 1.0), n_obs)


def of_classes(age: Any, kind: Any = None) -> None:
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
    _observe("kind", kind, dist.Categorical(logits=slope * age[:, None]), len(age))


def alone(pain: Any) -> None:
    """Without inputs."""
    _observe("pain", pain, dist.Normal(numpyro.sample("mu", dist.Normal(0.0, 1.0)), 1.0), len(pain))


def latent_by_row(x: Any, pain: Any = None) -> None:
    with numpyro.plate("rows", len(x)):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.sample("pain", dist.Normal(z + x, 1.0), obs=pain)


def steps_between_rows(x: Any, pain: Any = None) -> None:
    """A random walk whose steps are one fewer than the rows."""
    step = numpyro.sample("step", dist.Normal(0.0, 1.0).expand([len(x) - 1]).to_event(1))
    level = jnp.concatenate([jnp.zeros(1), jnp.cumsum(step)])
    _observe("pain", pain, dist.Normal(level, 1.0), len(x))


def standardised(x: Any, pain: Any = None) -> None:
    intercept, slope, sigma = _line()
    _observe("pain", pain, dist.Normal(intercept + slope * (x - x.mean()) / x.std(), sigma), len(x))


def accumulated(x: Any, pain: Any = None) -> None:
    intercept, slope, sigma = _line()
    _observe("pain", pain, dist.Normal(intercept + slope * jnp.cumsum(x), sigma), len(x))


def by_place(x: Any, pain: Any = None) -> None:
    intercept, slope, sigma = _line()
    _observe("pain", pain, dist.Normal(intercept + slope * jnp.arange(len(x)), sigma), len(x))


def by_number_of_rows(x: Any, pain: Any = None) -> None:
    intercept, slope, sigma = _line()
    _observe("pain", pain, dist.Normal(intercept + slope * x, sigma * len(x)), len(x))


def by_the_last_target(x: Any, pain: Any) -> None:
    intercept, slope, sigma = _line()
    last = jnp.concatenate([jnp.zeros(1), pain[:-1]])
    _observe("pain", pain, dist.Normal(intercept + slope * last, sigma), len(x))


def by_the_own_target(x: Any, pain: Any) -> None:
    intercept, slope, sigma = _line()
    _observe("pain", pain, dist.Normal(intercept + slope * x, sigma + jnp.abs(pain)), len(x))


def twice(x: Any, pain: Any = None) -> None:
    intercept, _, sigma = _line()
    _observe("pain", pain, dist.Normal(intercept, sigma), len(x))
    _observe("x", x, dist.Normal(0.0, sigma), len(x))


def transformed(x: Any, pain: Any) -> None:
    intercept, slope, sigma = _line()
    _observe("pain", jnp.exp(pain), dist.LogNormal(intercept + slope * x, sigma), len(x))


def joint(x: Any, pain: Any = None) -> None:
    intercept, slope, sigma = _line()
    numpyro.sample("pain", dist.Normal(intercept + slope * x, sigma).to_event(1), obs=pain)


def of_fixed_length(x: Any, pain: Any = None) -> None:
    intercept, slope, sigma = _line()
    _observe("pain", pain, dist.Normal(intercept + slope * x + jnp.linspace(0.0, 1.0, 12), sigma), 12)


def of_arrays(x: Any, pain: Any = None) -> None:
    """Its inputs are one array of a file."""
    beta = numpyro.sample("beta", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
    _observe("pain", pain, dist.Normal(x @ beta, 1.0), len(x))
