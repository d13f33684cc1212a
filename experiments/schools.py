"""The eight schools without pooling, as a NumPyro program for `experiments/eight_schools_unpooled.yaml`."""

import numpyro
import numpyro.distributions as dist
from jax import Array


def unpooled(y: Array, sigma: Array, scale: float) -> None:
    """y_j ~ N(theta_j, sigma_j), theta_j ~ N(0, scale): no school learns from another."""
    with numpyro.plate("school", y.shape[0]):
        theta = numpyro.sample("theta", dist.Normal(0, scale))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)
