"""Groups whose means are drawn from a common normal distribution."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray as xr
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.new_groups import repeated


class Hierarchical(Model):
    """theta_j ~ N(mu, tau), and either y_j ~ N(theta_j, sigma_j) with known sigma_j, or y_i ~ N(theta_group[i], sigma).

    The first is the meta-analysis of group estimates (Rubin 1981, eight schools); the second has rows within groups.

    Attributes:
        groups: the names of the groups, once it is fitted to rows within groups.
        has_errors: whether the data has known standard errors, once it is fitted.
        is_new: whether the rows are groups that nobody has observed, so that theta is integrated out of
            y ~ N(mu, sqrt(tau^2 + sigma^2)).
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

    rows_alike: ClassVar[bool] = True

    centred: bool = eqx.field(static=True)
    groups: tuple[str, ...] = eqx.field(static=True, default=())
    is_new: bool = eqx.field(static=True, default=False)
    has_errors: bool = eqx.field(static=True, default=False)

    @property
    def words(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the groups."""
        return {"group": self.groups}

    def fitted(self, train: xr.Dataset) -> "Hierarchical":
        """This model with the names of the groups, and what is known of the errors."""
        known = train["group_name"].to_numpy() if "group_name" in train.coords else ()
        return dataclasses.replace(self, groups=tuple(map(str, known)), has_errors="sigma" in train)

    @property
    def unread(self) -> Mapping[str, str]:
        """The prior of errors that are known."""
        return {"prior.sigma": "the data has known standard errors; leave it out"} if self.has_errors else {}

    def exported(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """The names of the groups."""
        return {"groups": np.array(self.groups, str)}

    def restored(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> "Hierarchical":
        """This model with the groups of another."""
        return dataclasses.replace(self, groups=tuple(map(str, arrays["groups"])))

    def with_new_levels(
        self,
        draws: Mapping[str, Shaped[np.ndarray, "draw ..."]],
        arrays: Mapping[str, Shaped[np.ndarray, "row ..."]],
        key: PRNGKeyArray,
    ) -> tuple["Hierarchical", dict[str, Any]]:
        """With one more group, drawn from the population, where there is a new name; without names each row is new."""
        if "group" not in arrays:
            return dataclasses.replace(self, is_new=True), dict(draws)
        if int(arrays["group"].max()) < len(self.groups):
            return self, dict(draws)
        grown = repeated(draws)
        new = jax.random.normal(key, (len(grown["mu"]), 1))
        if self.centred:
            new = grown["mu"][:, None] + grown["tau"][:, None] * new
        name = "theta" if self.centred else "z"
        grown[name] = jnp.concatenate([grown[name], new], axis=1)
        return dataclasses.replace(self, groups=(*self.groups, "")), grown

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
        theta, spread = self._theta(mu, tau, group, y.shape[0], n_group_name or len(self.groups))
        scale = numpyro.sample("sigma", self.prior["sigma"]) if sigma is None else sigma
        with numpyro.plate("obs", y.shape[0]):
            numpyro.sample("y", dist.Normal(theta, scale if spread is None else jnp.hypot(spread, scale)), obs=y)

    def _theta(self, mu: Any, tau: Any, group: Int[Array, "obs"] | None, rows: int, groups: int) -> tuple[Any, Any]:
        """The mean of each row and, where theta is integrated out, by how much more it spreads."""
        if self.is_new:
            return mu, tau
        with numpyro.plate("obs", rows) if group is None else numpyro.plate("group_name", groups):
            if self.centred:
                theta = numpyro.sample("theta", dist.Normal(mu, tau), infer={"local": True, "effect": "theta"})
            else:
                z = numpyro.sample("z", dist.Normal(0.0, 1.0), infer={"local": True, "effect": "theta"})
                theta = numpyro.deterministic("theta", mu + tau * z)
        return (theta if group is None else theta[group]), None
