"""Families of real numbers, of shares between 0 and 1, and of angles."""

from typing import Any

import numpyro.distributions as dist
from jax import Array
from jax.scipy.stats import norm
from jaxtyping import Float

from credo.models.families.family import Family, Numbers, mean_of


def _gaussian(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    return dist.Normal(mean_of(eta, link), numbers["sigma"])


def _student_t(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    return dist.StudentT(numbers["df"], mean_of(eta, link), numbers["sigma"])


def _beta(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    return dist.BetaProportion(mean_of(eta, link), numbers["concentration"])


def _von_mises(eta: Float[Array, "..."], link: str, numbers: Numbers) -> dist.Distribution:
    return dist.VonMises(mean_of(eta, link), numbers["concentration"])


def _above_normal(one: Any, y: Float[Array, "..."]) -> Float[Array, "..."]:
    return norm.logsf((y - one.loc) / one.scale)


GAUSSIAN = Family(("identity", "log", "inverse"), _gaussian, ("sigma",), scales=True, log_survival=_above_normal)
STUDENT_T = Family(("identity", "log", "inverse"), _student_t, ("sigma", "df"), scales=True)
BETA = Family(("logit", "probit", "cloglog"), _beta, ("concentration",))
VON_MISES = Family(("tan_half", "identity"), _von_mises, ("concentration",))
