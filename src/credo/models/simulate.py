"""Data drawn from a model: latents from the priors, observations from the likelihood."""

from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray, Shaped
from numpyro import handlers

from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.binding import BoundModel, bind
from credo.models.sites import trace


def simulate(
    model: Model, data: xr.Dataset, seed: int
) -> tuple[dict[str, Shaped[np.ndarray, "..."]], dict[str, Shaped[np.ndarray, "..."]]]:
    """Draw latents from the priors and observations from the likelihood.

    Args:
        model: whose priors and likelihood.
        data: the inputs, and placeholders of the observations that give their shapes.
        seed: of the draw.

    Returns:
        The observed sites, and the truth: latents and deterministic sites.

    Raises:
        ConfigError: a prior is improper and cannot be drawn from, or the model needs data first.
    """
    bound = bind(model, model.template(data))
    sites = {site.name: site for site in trace(bound)}
    for site in sites.values():
        if site.kind == "latent" and site.improper:
            raise ConfigError(
                f"model.prior.{site.name}: data=synthetic draws from the prior, but a flat prior has no draws"
            )

    @jax.jit
    def draw(bound: BoundModel, key: PRNGKeyArray) -> dict[str, Any]:
        free = handlers.uncondition(handlers.seed(bound, key))
        return {name: message["value"] for name, message in handlers.trace(free).get_trace().items() if name in sites}

    values = {name: np.asarray(value) for name, value in draw(bound, jax.random.PRNGKey(seed)).items()}
    observed = {name: value for name, value in values.items() if sites[name].kind == "observed"}
    truth = {name: value for name, value in values.items() if name not in observed and not sites[name].internal}
    return observed, truth
