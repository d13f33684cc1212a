"""Problems drawn from the model itself: parameters from the prior, data from the likelihood."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray, Shaped
from numpyro import handlers

from credo.errors import ConfigError
from credo.inference.assemble import OF_DATA
from credo.inference.derive import Fixed, densities
from credo.inference.kind import Kind
from credo.models.binding import BoundModel
from credo.models.messages import WholeCounts
from credo.models.problem import Problem

UNRANKED = ("log_prior", "posterior_predictive", "start", *OF_DATA)
"""Groups of a result in which nothing has a rank."""

Values = dict[str, Shaped[np.ndarray, "..."]]


@dataclass(frozen=True)
class Replication:
    """A problem whose answer is known.

    Attributes:
        problem: the model with the data that were drawn.
        truth: the values from which they were drawn, by site, latent and deterministic.
        log_likelihood: of these data at these values.
    """

    problem: Problem
    truth: Values
    log_likelihood: float


class Simulator:
    """Draws replications of a problem.

    Args:
        problem: whose model draws, at the inputs of whose data.

    Raises:
        ConfigError: the model cannot draw its parameters or its data; the sentence says what to do.
    """

    def __init__(self, problem: Problem) -> None:
        _require_drawable(problem)
        self._problem = replace(problem, left_out=UNRANKED)
        self._variables = {name: _variable(problem, name) for name in problem.observations}
        self._latents = tuple(site.name for site in problem.latents)
        self._shown = tuple(s.name for s in problem.sites if s.kind in ("latent", "deterministic") and not s.internal)

    def __call__(self, key: PRNGKeyArray) -> Replication:
        """The replication of a key."""
        problem = self._problem
        values = jax.tree.map(np.asarray, _draw(tuple(site.name for site in problem.sites), problem.bound, key))
        observed = {variable: values[site] for site, variable in self._variables.items()}
        replica = problem.observing({site: values[site] for site in self._variables}, observed)
        latents = {name: values[name] for name in self._latents}
        return Replication(
            replica, {name: values[name] for name in self._shown}, float(_log_likelihood(replica.bound, latents))
        )


def require_ranks(problem: Problem, method: Any) -> None:
    """Raise `ConfigError` where a method has no draws among which a true value can have a rank."""
    if method.kind(problem) in (Kind.POINT, Kind.TRAINED):
        raise ConfigError(
            f"inference={method.name}: calibration ranks true values among posterior draws, but a point estimate has "
            "none; use inference=nuts"
        )


@partial(jax.jit, static_argnums=0)
def _draw(names: tuple[str, ...], bound: BoundModel, key: PRNGKeyArray) -> dict[str, Any]:
    free = handlers.uncondition(handlers.seed(bound, key))
    messages = handlers.trace(WholeCounts(free)).get_trace()
    return {name: messages[name]["value"] for name in names if name in messages}


@jax.jit
def _log_likelihood(bound: BoundModel, latents: dict[str, Any]) -> Any:
    fixed = Fixed(1, (), (), left_out=("log_prior",))
    each = densities(fixed, bound, {}, jax.random.PRNGKey(0), latents)["log_likelihood"]
    return sum(value.sum() for value in each.values())


def _require_drawable(problem: Problem) -> None:
    model = problem.model
    if problem.training is not None:
        raise ConfigError(
            f"{model.key}: calibration infers a model many times, but this one is trained; choose a model without "
            "networks"
        )
    for site in problem.sites:
        if site.kind == "latent" and site.param:
            raise ConfigError(
                f"{model.key}: calibration draws {site.name} from its prior, but a numpyro.param has none; "
                "give it a prior by numpyro.sample"
            )
        if site.kind == "latent" and site.improper:
            key = f"model.prior.{site.name}" if site.name in model.prior else model.key
            raise ConfigError(
                f"{key}: calibration draws {site.name} from its prior, but an improper prior has no draws; choose a "
                f"proper one, as in prior@model.prior.{site.name}=gaussian"
            )
        if site.kind == "factor":
            raise ConfigError(
                f"{model.key}: calibration draws data from the model, but the factor {site.name} cannot be drawn from; "
                "write it as numpyro.sample with obs="
            )
        if (site.kind == "observed" and not site.normalised) or site.imputed:
            raise ConfigError(
                f"{model.key}: calibration draws data from the model, but {site.name} cannot be drawn exactly; choose "
                "another model"
            )
    if not problem.observations:
        raise ConfigError(f"{model.key}: calibration draws data from the model, but the model observes none")


def _variable(problem: Problem, site: str) -> str:
    """The variable of the data that a site observes as it is."""
    value = problem.observations[site].value
    if site in problem.bound.arrays and np.shape(problem.bound.arrays[site]) == value.shape:
        return site
    same = [
        name
        for name, array in problem.bound.arrays.items()
        if np.shape(array) == value.shape and np.array_equal(array, value, equal_nan=value.dtype.kind == "f")
    ]
    if len(same) != 1:
        raise ConfigError(
            f"{problem.model.key}: calibration puts simulated data in the place of the observed, but which variable "
            f"{site} observes is not clear; call the site like its variable"
        )
    return same[0]
