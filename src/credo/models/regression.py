"""Generalised linear regression, with indicators that include or leave out each coefficient if asked."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array

from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.priors import is_discrete

FAMILIES = ("gaussian", "bernoulli", "poisson", "student_t")


class Regression(Model):
    """y_i ~ family(inverse link(intercept + x_i . beta)).

    `bernoulli` has the logistic CDF as its inverse link, so that its mean log loss is the binary cross-entropy;
    `poisson` has the exponential; `gaussian` and `student_t` the identity, with the scale `sigma`.

    A Bernoulli prior at `prior.inclusion` makes the regression spike and slab (Mitchell & Beauchamp 1988): coefficient
    j counts only where its indicator is 1.

    Attributes:
        family: `gaussian`, `bernoulli`, `poisson` or `student_t`.
    """

    formula: ClassVar[str] = (
        "y_i ~ family(inverse link(intercept + sum_j x_ij beta_j [inclusion_j]))\nintercept, beta_j, sigma, df ~ prior"
    )

    family: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ConfigError(f"family: expected one of {', '.join(FAMILIES)}, but got {self.family!r}")
        inclusion = self.prior.get("inclusion")
        if inclusion is not None and not is_discrete(inclusion):
            raise ConfigError("prior.inclusion: expected a bernoulli prior or null, but got a continuous one")

    def __call__(self, y: Array, x: Array) -> None:  # type: ignore[override]
        """Observe y [obs] given x [obs, feature]."""
        n, p = x.shape
        intercept = numpyro.sample("intercept", self.prior["intercept"])
        with numpyro.plate("feature", p):
            beta = numpyro.sample("beta", self.prior["beta"])
        inclusion = self._inclusion(p)
        likelihood = self._likelihood()
        with numpyro.plate("obs", n):
            mean = intercept + (x @ beta if inclusion is None else jnp.sum(inclusion * (x * beta), -1))
            numpyro.sample("y", likelihood(mean), obs=y)

    def _inclusion(self, p: int) -> Array | None:
        """The indicators [..., 1, feature]: one site each, so that they can be enumerated jointly."""
        prior = self.prior.get("inclusion")
        if prior is None:
            return None
        each = [numpyro.sample(f"inclusion_{j}", prior, infer={"internal": True}) for j in range(p)]
        inclusion = jnp.stack(jnp.broadcast_arrays(*each), -1)
        with numpyro.plate("feature", p):
            numpyro.deterministic("inclusion", inclusion)
        return inclusion

    def _likelihood(self) -> Any:
        if self.family == "bernoulli":
            return lambda mean: dist.BernoulliLogits(mean)
        if self.family == "poisson":
            return lambda mean: dist.Poisson(jnp.exp(mean))
        sigma = numpyro.sample("sigma", self.prior["sigma"])
        if self.family == "gaussian":
            return lambda mean: dist.Normal(mean, sigma)
        df = numpyro.sample("df", self.prior["df"])
        return lambda mean: dist.StudentT(df, mean, sigma)
