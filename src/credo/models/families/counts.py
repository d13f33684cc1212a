"""Families of counts: 0, 1, 2, ..., or so many of a number of trials."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float

from credo.models.families.family import Family, Numbers, mean_of


def _poisson(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:  # noqa: ARG001
    return dist.Poisson(mean_of(eta, link))


def _negative_binomial(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    return dist.NegativeBinomial2(mean_of(eta, link), numbers["concentration"])


def _zero_inflated_poisson(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    return _inflated(_poisson(eta, link, numbers), numbers)


def _zero_inflated_negative_binomial(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    return _inflated(_negative_binomial(eta, link, numbers), numbers)


def _inflated(counts: dist.Distribution, numbers: Numbers) -> dist.Distribution:
    """Zero with probability `gate`, else a count."""
    return dist.ZeroInflatedDistribution(counts, gate=jnp.broadcast_to(numbers["gate"], counts.batch_shape))


def _beta_binomial(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    mean, concentration = mean_of(eta, link), numbers["concentration"]
    return dist.BetaBinomial(mean * concentration, (1 - mean) * concentration, numbers["trials"])


_LINKS = ("log", "identity", "softplus")
POISSON = Family(_LINKS, _poisson)
NEGATIVE_BINOMIAL = Family(_LINKS, _negative_binomial, ("concentration",))
ZERO_INFLATED_POISSON = Family(_LINKS, _zero_inflated_poisson, ("gate",))
ZERO_INFLATED_NEGATIVE_BINOMIAL = Family(_LINKS, _zero_inflated_negative_binomial, ("concentration", "gate"))
BETA_BINOMIAL = Family(("logit", "probit", "cloglog"), _beta_binomial, ("concentration",), takes_trials=True)
