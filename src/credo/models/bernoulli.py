"""Independent coin flips with an unknown probability."""

from typing import Any, ClassVar

import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Shaped
from numpyro.distributions import constraints

from credo.models.base import Model


class Bernoulli(Model):
    """y_i ~ Bernoulli(p), p ~ prior.p.

    With a Beta(a, b) prior and k ones in n, the posterior is Beta(a + k, b + n - k).
    """

    formula: ClassVar[str] = "y_i ~ Bernoulli(p)\np ~ prior"
    rows_alike: ClassVar[bool] = True
    supports: ClassVar[dict[str, Any]] = {"p": (constraints.unit_interval,)}

    def __call__(self, y: Shaped[Array, "obs"]) -> None:  # type: ignore[override]
        """Observe y, each 0 or 1."""
        p = numpyro.sample("p", self.prior["p"])
        with numpyro.plate("obs", y.shape[0]):
            numpyro.sample("y", dist.BernoulliProbs(p), obs=y)
