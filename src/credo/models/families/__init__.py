"""Families of generalised linear models: what a target is, given its linear predictor."""

from credo.models.families.classes import BERNOULLI, BINOMIAL, CATEGORICAL, ORDINAL
from credo.models.families.counts import (
    BETA_BINOMIAL,
    NEGATIVE_BINOMIAL,
    POISSON,
    ZERO_INFLATED_NEGATIVE_BINOMIAL,
    ZERO_INFLATED_POISSON,
)
from credo.models.families.family import Family
from credo.models.families.positive import EXPONENTIAL, GAMMA, LOGNORMAL, WEIBULL
from credo.models.families.real import BETA, GAUSSIAN, STUDENT_T, VON_MISES

FAMILIES: dict[str, Family] = {
    "gaussian": GAUSSIAN,
    "bernoulli": BERNOULLI,
    "poisson": POISSON,
    "student_t": STUDENT_T,
    "binomial": BINOMIAL,
    "categorical": CATEGORICAL,
    "ordinal": ORDINAL,
    "negative_binomial": NEGATIVE_BINOMIAL,
    "zero_inflated_poisson": ZERO_INFLATED_POISSON,
    "zero_inflated_negative_binomial": ZERO_INFLATED_NEGATIVE_BINOMIAL,
    "gamma": GAMMA,
    "lognormal": LOGNORMAL,
    "beta": BETA,
    "beta_binomial": BETA_BINOMIAL,
    "weibull": WEIBULL,
    "exponential": EXPONENTIAL,
    "von_mises": VON_MISES,
}
"""By the word of the configuration."""

OTHER_NAMES = {
    "normal": "gaussian",
    "t": "student_t",
    "logistic": "bernoulli",
    "logit": "bernoulli",
    "multinomial": "categorical",
    "softmax": "categorical",
}
"""What people call a family elsewhere."""

__all__ = ["FAMILIES", "OTHER_NAMES", "Family"]
