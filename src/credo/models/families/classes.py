"""Families of classes: two, several, several in order, or so many successes of a number of trials."""

import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float

from credo.models.families.family import Family, Numbers, mean_of


def _bernoulli(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:  # noqa: ARG001
    return dist.BernoulliLogits(eta) if link == "logit" else dist.BernoulliProbs(mean_of(eta, link))


def _binomial(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    if link == "logit":
        return dist.BinomialLogits(eta, numbers["trials"])
    return dist.BinomialProbs(mean_of(eta, link), numbers["trials"])


def _categorical(eta: Float[Array, "... contrast"], link: str, numbers: Numbers) -> dist.Distribution:  # noqa: ARG001
    """The first class has the linear predictor 0."""
    return dist.CategoricalLogits(jnp.concatenate([jnp.zeros_like(eta[..., :1]), eta], -1))


def _ordinal(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    """P(Y <= k) = inverse link(cutpoint_k - eta)."""
    below = mean_of(numbers["cutpoints"] - eta[..., None], link)
    ends = jnp.zeros_like(below[..., :1])
    return dist.CategoricalProbs(jnp.diff(jnp.concatenate([ends, below, ends + 1], -1), axis=-1))


_LINKS = ("logit", "probit", "cloglog")
BERNOULLI = Family(_LINKS, _bernoulli, classes="two")
BINOMIAL = Family(_LINKS, _binomial, takes_trials=True)
CATEGORICAL = Family(("softmax",), _categorical, classes="any")
ORDINAL = Family(_LINKS, _ordinal, ("cutpoints",), classes="ordered")
