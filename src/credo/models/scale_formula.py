"""The target's own scale by a formula: log sigma_i = intercept + x_i . beta, a distributional regression.

Rigby, R. A. and Stasinopoulos, D. M. (2005). Generalized additive models for location, scale and shape. Applied
Statistics. Predictors are centred, as those of the mean are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpyro
from jax import Array
from jaxtyping import Float

from credo.models.priors_of_terms import key_of
from credo.models.scaled import Stacked, scaled
from credo.models.units import Scale, Units


def key(term: str) -> str:
    """Under which key the prior of a term of sigma's formula stands."""
    return f"sigma_{key_of(term)}"


def log_sigma(
    known: Units, priors: Mapping[str, Any], rows: Mapping[str, Any], *, autoscale: bool, scales: bool
) -> Float[Array, "..."]:
    """The logarithm of the scale of each row, or of all where nothing of it differs, without the effects of groups.

    Sites: `sigma_intercept_at_mean`, `sigma_intercept` and `sigma_beta`.

    Args:
        known: the model's units, with those of the scale.
        priors: `sigma_intercept` and `sigma_beta`, and those of terms.
        rows: `sigma_x` and `sigma_offset`, as far as there are any.
        autoscale: whether general priors are in units of the data.
        scales: whether the target's own deviation says where sigma is.
    """
    scale = known.scale
    assert scale is not None  # noqa: S101 - for the type checker
    eta = shift = jnp.zeros(())
    if scale.intercept:
        centred = numpyro.sample(
            "sigma_intercept_at_mean",
            prior_of_intercept(known, priors, is_scaled=autoscale and scales),
            infer={"aside": "sigma_intercept"},
        )
        eta = eta + centred
    if "sigma_x" in rows:
        with numpyro.plate("sigma_feature", len(scale.deviations)):
            beta = numpyro.sample("sigma_beta", prior_of_beta(scale, priors, autoscale=autoscale))
        eta = eta + (rows["sigma_x"] - scale.centre) @ beta
        shift = jnp.dot(scale.centre, beta)
    if scale.intercept:
        numpyro.deterministic("sigma_intercept", centred - shift)
    return eta + rows.get("sigma_offset", 0.0)


def prior_of_intercept(known: Units, priors: Mapping[str, Any], *, is_scaled: bool) -> Any:
    """That of log sigma where all predictors are at their means, counted from the target's own deviation."""
    prior = priors["sigma_intercept"]
    return scaled(prior, jnp.log(known.spread), jnp.ones(())) if is_scaled else prior


def prior_of_beta(scale: Scale, priors: Mapping[str, Any], *, autoscale: bool) -> Any:
    """The prior of all coefficients [sigma_feature], by term where one has its own."""
    parts, begin = [], 0
    for name, count in scale.terms:
        own = priors.get(key(name))
        unit = 1 / scale.deviations[begin : begin + count]
        as_it_is = own is not None or not autoscale
        prior = priors["sigma_beta"] if own is None else own
        parts.append(prior.expand((count,)) if as_it_is else scaled(prior, 0.0, unit))
        begin += count
    return parts[0] if len(parts) == 1 else Stacked(parts)


def told(known: Units, priors: Mapping[str, Any], *, autoscale: bool, scales: bool) -> Iterator[tuple[str, Any, int]]:
    """What each prior is of, the prior, and the place of its number in it."""
    scale = known.scale
    assert scale is not None  # noqa: S101 - for the type checker
    if scale.intercept:
        yield "log sigma at the means", prior_of_intercept(known, priors, is_scaled=autoscale and scales), 0
    if not scale.terms:
        return
    beta = prior_of_beta(scale, priors, autoscale=autoscale)
    parts = beta.parts if isinstance(beta, Stacked) else (beta,)
    for (name, count), part in zip(scale.terms, parts, strict=True):
        for j in range(count):
            yield f"beta of {name} in log sigma" + (f" [{j}]" if count > 1 else ""), part, j
