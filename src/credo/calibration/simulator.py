"""Problems drawn from the model itself: parameters from the prior or a posterior, data from the likelihood."""

from collections.abc import Mapping
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
from credo.models.dependence import independent
from credo.models.messages import Message, WholeCounts
from credo.models.observations import Observation
from credo.models.priors import Placeholders
from credo.models.problem import Problem
from credo.models.sites import site_of
from credo.models.twice import observing_twice

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
        posterior: latents [draw, ...] by site, of which true values are taken in place of the prior's; then the
            observed data stay beside the simulated.

    Raises:
        ConfigError: the model cannot draw its parameters or its data; the sentence says what to do.
    """

    def __init__(self, problem: Problem, posterior: Values | None = None) -> None:
        _require_drawable(problem)
        self._problem, self._posterior = replace(problem, left_out=UNRANKED), posterior
        self._variables = {name: _variable(problem, name) for name in problem.observations}
        self._require_independent()
        self._base = self._problem
        if posterior is not None:
            self._base = observing_twice(self._problem)
        self._latents = tuple(site.name for site in problem.latents)
        self._shown = tuple(s.name for s in problem.sites if s.kind in ("latent", "deterministic") and not s.internal)

    def __call__(self, key: PRNGKeyArray) -> Replication:
        """The replication of a key."""
        problem = self._problem
        names = tuple(site.name for site in problem.sites)
        values = jax.tree.map(np.asarray, _draw(names, problem.bound, key, self._chosen(key)))
        observed = {variable: values[site] for site, variable in self._variables.items()}
        replica = self._base.observing({site: values[site] for site in self._variables}, observed)
        latents = {name: values[name] for name in self._latents}
        return Replication(
            replica, {name: values[name] for name in self._shown}, float(_log_likelihood(replica.bound, latents))
        )

    def _require_independent(self) -> None:
        """Raise `ConfigError` where a site depends on what was observed: it would not be that of the simulated data."""
        bound, observations = self._problem.bound, self._problem.observations

        def outcome(arrays: dict[str, Any]) -> dict[str, Any]:
            given = replace(bound, arrays=bound.arrays | arrays)
            with handlers.trace() as messages, Placeholders(), handlers.seed(rng_seed=jax.random.PRNGKey(0)):
                given()
            return {site.name: _seen(messages[site.name], observations) for site in self._problem.sites}

        try:
            alone = independent(outcome, {name: bound.arrays[name] for name in self._variables.values()})
        except Exception:  # noqa: BLE001 - a program may do with numbers what cannot be traced
            return
        if depending := [name for name, is_alone in alone.items() if not is_alone]:
            raise ConfigError(
                f"{self._problem.model.key}: calibration draws data from the model, but its site {depending[0]} "
                "depends on the observed values themselves; choose a model whose sites depend on latents and inputs "
                "alone"
            )

    def _chosen(self, key: PRNGKeyArray) -> Values:
        """The latents that are taken of the posterior; none where all are drawn from the prior."""
        if self._posterior is None:
            return {}
        count = len(next(iter(self._posterior.values())))
        draw = int(jax.random.randint(jax.random.fold_in(key, 1), (), 0, count))
        return {name: values[draw] for name, values in self._posterior.items()}


def require_ranks(problem: Problem, method: Any) -> None:
    """Raise `ConfigError` where a method has no draws among which a true value can have a rank."""
    if method.kind(problem) in (Kind.POINT, Kind.TRAINED):
        raise ConfigError(
            f"inference={method.name}: calibration ranks true values among posterior draws, but a point estimate has "
            "none; use inference=nuts"
        )


def _seen(message: Message, observations: Mapping[str, Observation]) -> Any:
    """The value of a deterministic site; of others the density of what was observed, or of what is drawn."""
    if site_of(message).kind == "deterministic":
        return message["value"]
    one = observations.get(message["name"])
    return message["fn"].log_prob(message["value"] if one is None else one.value)


@partial(jax.jit, static_argnums=0)
def _draw(names: tuple[str, ...], bound: BoundModel, key: PRNGKeyArray, chosen: dict[str, Any]) -> dict[str, Any]:
    free = handlers.substitute(handlers.uncondition(handlers.seed(bound, key)), data=chosen)
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
        if (site.kind == "observed" and not site.normalised) or site.imputed or site.censored:
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
