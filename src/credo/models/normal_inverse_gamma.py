"""Normal observations with the conjugate prior on their mean and variance."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Shaped
from numpyro.distributions import constraints

from credo.models.base import Model
from credo.ranges import Finite, Positive


class NormalInverseGamma(Model):
    """y_i ~ N(mu, sqrt(sigma2)), mu ~ N(mu0, sqrt(sigma2 / kappa0)), sigma2 ~ prior.sigma2.

    With sigma2 ~ InverseGamma(a0, b0) the posterior is normal-inverse-gamma again
    (Murphy 2007, "Conjugate Bayesian analysis of the Gaussian distribution", section 6).
    """

    formula: ClassVar[str] = "y_i ~ N(mu, sqrt(sigma2))\nmu ~ N(mu0, sqrt(sigma2 / kappa0))\nsigma2 ~ prior"
    rows_alike: ClassVar[bool] = True
    supports: ClassVar[dict[str, Any]] = {"sigma2": (constraints.positive,)}

    mu0: Finite
    kappa0: Positive

    def __call__(self, y: Shaped[Array, "obs"]) -> None:  # type: ignore[override]
        """Observe y."""
        sigma2 = numpyro.sample("sigma2", self.prior["sigma2"])
        mu = numpyro.sample("mu", dist.Normal(self.mu0, jnp.sqrt(sigma2 / self.kappa0)))
        with numpyro.plate("obs", y.shape[0]):
            numpyro.sample("y", dist.Normal(mu, jnp.sqrt(sigma2)), obs=y)
