"""Normal observations with an unknown location and a known or unknown scale."""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, Shaped
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.priors import is_discrete
from credo.ranges import Finite, Positive


class Gaussian(Model):
    """y_i ~ N(loc, sigma), loc ~ prior.loc, sigma known or ~ prior.sigma.

    A Bernoulli prior on `loc` weighs two hypotheses: `loc` is the first of `hypotheses` (0) or the second (1).

    Attributes:
        sigma: the known standard deviation, or `None` to infer it. A data variable `sigma` [obs] takes precedence.
        hypotheses: the two locations between which a discrete prior on `loc` chooses.
    """

    formula: ClassVar[str] = "y_i ~ N(loc, sigma)\nloc ~ prior, sigma known or ~ prior"
    rows_alike: ClassVar[bool] = True
    supports: ClassVar[dict[str, Any]] = {
        "loc": (constraints.real, constraints.boolean),
        "sigma": (constraints.positive,),
    }

    sigma: Positive | None
    hypotheses: tuple[Finite, Finite]

    def __init__(self, prior: dict[str, Any], sigma: float | None, hypotheses: Any) -> None:
        if len(hypotheses) != 2:
            raise ConfigError(f"hypotheses: expected two locations, but got {list(hypotheses)}")
        self.prior, self.sigma, self.hypotheses = prior, sigma, (float(hypotheses[0]), float(hypotheses[1]))

    @property
    def unread(self) -> Mapping[str, str]:
        """The prior of a scale that is known, and two locations of which nothing chooses one."""
        found = {}
        if self.sigma is not None:
            found["prior.sigma"] = f"model.sigma={self.sigma:g} is known; leave it out, or set model.sigma=null"
        if not is_discrete(self.prior["loc"]):
            found["hypotheses"] = "nothing chooses between them; leave it out, or set prior@model.prior.loc=bernoulli"
        return found

    def __call__(self, y: Shaped[Array, "obs"], sigma: Float[Array, "obs"] | None = None) -> None:  # type: ignore[override]
        """Observe y, with known standard deviations sigma where the data has them."""
        loc = self._location()
        scale = self._scale() if sigma is None else sigma
        with numpyro.plate("obs", y.shape[0]):
            numpyro.sample("y", dist.Normal(loc, scale), obs=y)

    def _location(self) -> Any:
        if not is_discrete(self.prior["loc"]):
            return numpyro.sample("loc", self.prior["loc"])
        chosen = numpyro.sample("hypothesis", self.prior["loc"])
        first, second = self.hypotheses
        return numpyro.deterministic("loc", jnp.where(chosen == 1, second, first))

    def _scale(self) -> Any:
        return numpyro.sample("sigma", self.prior["sigma"]) if self.sigma is None else self.sigma
