"""Generalised linear regression, with indicators that include or leave out each coefficient if asked."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, Shaped
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.base import Model

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
    supports: ClassVar[dict[str, Any]] = {
        "intercept": (constraints.real,),
        "beta": (constraints.real,),
        "sigma": (constraints.positive,),
        "df": (constraints.positive,),
        "inclusion": (constraints.boolean,),
    }

    family: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ConfigError(f"family: expected one of {', '.join(FAMILIES)}, but got {self.family!r}")

    @property
    def likelihood_key(self) -> str:
        """The family."""
        return f"model.family={self.family}"

    def __call__(self, y: Shaped[Array, "obs"], x: Shaped[Array, "obs feature"]) -> None:  # type: ignore[override]
        """Observe y given x."""
        n, p = x.shape
        intercept = numpyro.sample("intercept", self.prior["intercept"])
        with numpyro.plate("feature", p):
            beta = numpyro.sample("beta", self.prior["beta"])
        inclusion = self._inclusion(p)
        likelihood = self._likelihood()
        with numpyro.plate("obs", n):
            numpyro.sample("y", likelihood(intercept + _linear(x, beta, inclusion)), obs=y)

    def _inclusion(self, p: int) -> Shaped[Array, "..."] | None:
        """The indicators [feature], or [..., 1, feature] while NumPyro enumerates them: one site each."""
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


def _linear(
    x: Shaped[Array, "obs feature"], beta: Float[Array, "..."], inclusion: Shaped[Array, "..."] | None
) -> Float[Array, "..."]:
    """The linear predictor [..., obs], one product for all combinations of indicators [..., 1, feature]."""
    if inclusion is None or inclusion.ndim == 1:
        return x @ (beta if inclusion is None else inclusion * beta)
    return jnp.squeeze((inclusion * beta) @ x.T, -2)
