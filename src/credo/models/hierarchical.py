"""Groups whose means are drawn from a common normal distribution."""

from typing import Any, ClassVar

import equinox as eqx
import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, Int, Shaped
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.base import Model


class Hierarchical(Model):
    """theta_j ~ N(mu, tau), and either y_j ~ N(theta_j, sigma_j) with known sigma_j, or y_i ~ N(theta_group[i], sigma).

    The first is the meta-analysis of group estimates (Rubin 1981, eight schools); the second has rows within groups.

    Attributes:
        centred: sample theta itself, rather than (theta - mu) / tau. The centred form suits informative data; with
            little data per group its posterior is a funnel, which gradient samplers cannot enter
            (Betancourt & Girolami 2015).
    """

    formula: ClassVar[str] = (
        "y_j ~ N(theta_j, sigma_j)   (rows in groups: y_i ~ N(theta_group[i], sigma), sigma ~ prior)\n"
        "theta_j = mu + tau z_j, z_j ~ N(0, 1)   (centred: theta_j ~ N(mu, tau))\n"
        "mu, tau ~ prior"
    )
    supports: ClassVar[dict[str, Any]] = {
        "mu": (constraints.real,),
        "tau": (constraints.positive,),
        "sigma": (constraints.positive,),
    }

    centred: bool = eqx.field(static=True)

    def __call__(  # type: ignore[override]
        self,
        y: Shaped[Array, "obs"],
        sigma: Float[Array, "obs"] | None = None,
        group: Int[Array, "obs"] | None = None,
        n_group_name: int | None = None,
    ) -> None:
        """Observe y, with sigma known, or with rows in `n_group_name` groups by group."""
        if sigma is None and group is None:
            raise ConfigError(
                "model=hierarchical needs known standard errors (a variable sigma, or data.sigma=COLUMN) or groups "
                "(data.group=COLUMN), but the data has neither"
            )
        mu = numpyro.sample("mu", self.prior["mu"])
        tau = numpyro.sample("tau", self.prior["tau"])
        theta = (
            self._theta(mu, tau, "obs", y.shape[0])
            if group is None
            else self._theta(mu, tau, "group_name", n_group_name)
        )
        scale = numpyro.sample("sigma", self.prior["sigma"]) if sigma is None else sigma
        with numpyro.plate("obs", y.shape[0]):
            numpyro.sample("y", dist.Normal(theta if group is None else theta[group], scale), obs=y)

    def _theta(self, mu: Any, tau: Any, plate: str, size: int | None) -> Any:
        with numpyro.plate(plate, size):
            if self.centred:
                return numpyro.sample("theta", dist.Normal(mu, tau), infer={"local": True, "effect": "theta"})
            z = numpyro.sample("z", dist.Normal(0.0, 1.0), infer={"local": True, "effect": "theta"})
            return numpyro.deterministic("theta", mu + tau * z)
