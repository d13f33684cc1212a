"""What a family is, and the links between the mean of a target and its linear predictor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.scipy.stats import norm
from jaxtyping import Float, Shaped

LINKS: Mapping[str, Callable[[Float[Array, "..."]], Float[Array, "..."]]] = {
    "identity": lambda eta: eta,
    "log": jnp.exp,
    "logit": jax.nn.sigmoid,
    "probit": norm.cdf,
    "cloglog": lambda eta: -jnp.expm1(-jnp.exp(eta)),
    "inverse": lambda eta: 1 / eta,
    "softplus": jax.nn.softplus,
    "tan_half": lambda eta: 2 * jnp.arctan(eta),
    "softmax": lambda eta: eta,
}
"""The inverse of each link; that of `softmax` is part of its likelihood."""

Numbers = Mapping[str, Any]
"""A family's own parameters by name, and `trials` [row] where it counts among them."""


@dataclass(frozen=True)
class Family:
    """How a target is distributed, given its linear predictor eta.

    Attributes:
        links: the links that it allows, the customary one first.
        likelihood: eta [row], the link and the family's own parameters -> the distribution of each row.
        parameters: the names of its own parameters, each of which has a prior.
        classes: whether the target is one of several levels: `none`, `two`, `any` or `ordered`.
        takes_trials: whether it counts successes among trials.
        scales: whether the target's mean and deviation say where the linear predictor is.
        log_survival: log P(Y > y) of a distribution; `None` where there is no censoring.
    """

    links: tuple[str, ...]
    likelihood: Callable[[Float[Array, "..."], str, Numbers], dist.Distribution]
    parameters: tuple[str, ...] = ()
    classes: str = "none"
    takes_trials: bool = False
    scales: bool = False
    log_survival: Callable[[Any, Shaped[Array, "..."]], Float[Array, "..."]] | None = None


def mean_of(eta: Float[Array, "..."], link: str) -> Float[Array, "..."]:
    """The mean that a linear predictor stands for."""
    return LINKS[link](eta)
