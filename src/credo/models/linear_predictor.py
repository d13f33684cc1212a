"""The linear predictor of a regression: its sites, and what they add up to in each row."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpyro
from jax import Array
from jaxtyping import Float, Shaped

from credo.models.effects import Grouping, added
from credo.models.regression_priors import Priors
from credo.models.units import Units


class Grouped(NamedTuple):
    """How the effects of groups are sampled.

    - **centred** - whether they themselves are, rather than their standardised values.
    - **lkj** - the concentration of the general prior of their correlations; `None` for none.
    """

    centred: bool
    lkj: Any


def of_columns(priors: Priors, x: Any, noise: Any) -> Float[Array, "..."]:
    """That of columns as they are.

    Args:
        priors: of the regression.
        x: the columns [obs, feature].
        noise: sigma, where the coefficients are in units of it.
    """
    intercept = numpyro.sample("intercept", priors.own["intercept"])
    beta = _coefficients(priors, x.shape[1], 0, noise)
    return intercept + _linear(x, beta, _inclusion(priors, x.shape[1]))


def of_formula(
    priors: Priors, known: Units, n: int, x: Any, rows: Mapping[str, Any], noise: Any, grouped: Grouped, several: int
) -> Float[Array, "..."]:
    """That of a formula, [obs] or [obs, contrast].

    Args:
        priors: of the regression.
        known: its units.
        n: how many rows there are.
        x: the columns [obs, feature], if there are any.
        rows: what else the formula makes of them.
        noise: as of `of_columns`.
        grouped: how the effects of groups are sampled.
        several: how many classes have a linear predictor; 0 where there is one of all.
    """
    eta = jnp.zeros((n, several) if several else n)
    centred = shift = jnp.zeros(())
    if known.intercept:
        with _contrasts(several):
            centred = numpyro.sample("intercept_at_mean", priors.of_intercept(), infer={"aside": "intercept"})
        eta = eta + centred
    if x is not None:
        beta = _coefficients(priors, x.shape[1], several, noise)
        eta = eta + _linear(x - known.centre, beta, None if several else _inclusion(priors, x.shape[1]))
        shift = jnp.dot(known.centre, beta)
    if known.intercept:
        with _contrasts(several):
            numpyro.deterministic("intercept", centred - shift)
    if "offset" in rows:
        eta = eta + (rows["offset"][:, None] if several else rows["offset"])
    return with_effects(eta, priors, known.groups, rows, grouped, several)


def with_effects(
    eta: Float[Array, "..."],
    priors: Priors,
    groups: Iterable[Grouping],
    rows: Mapping[str, Any],
    grouped: Grouped,
    several: int = 0,
) -> Float[Array, "..."]:
    """A linear predictor with the effects of groups; the arguments are those of `of_formula`."""
    for group in groups:
        by, codes = rows.get(group.called("by")), rows[group.called("group")]
        lkj = None if grouped.lkj is None else priors.of_corr(group, grouped.lkj)
        eta = eta + added(group, priors.of_sd(group), lkj, codes, by, centred=grouped.centred, contrasts=several)
    return eta


@contextmanager
def _contrasts(several: int) -> Iterator[None]:
    """The axis of classes, where there are several linear predictors."""
    if not several:
        yield
        return
    with numpyro.plate("contrast", several, dim=-1):
        yield


def _coefficients(priors: Priors, count: int, several: int, noise: Any) -> Any:
    """The coefficients [feature] or [feature, contrast]."""

    @contextmanager
    def plates() -> Iterator[None]:
        with numpyro.plate("feature", count, dim=-2 if several else -1), _contrasts(several):
            yield

    if priors.shrinkage is not None:
        shape = (count, several) if several else (count,)
        return priors.shrinkage.sample("beta", shape, priors.unit(several, noise), plates)
    if priors.together is not None:
        return numpyro.sample("beta", priors.of_beta_together(count), infer={"dims": ("feature",)})
    prior = priors.of_beta(several)
    with plates():
        return numpyro.sample("beta", prior)


def _inclusion(priors: Priors, p: int) -> Shaped[Array, "..."] | None:
    """The indicators [feature], or [..., 1, feature] while NumPyro enumerates them: one site each."""
    prior = priors.own.get("inclusion")
    if prior is None:
        return None
    each = [numpyro.sample(f"inclusion_{j}", prior, infer={"internal": True}) for j in range(p)]
    inclusion = jnp.stack(jnp.broadcast_arrays(*each), -1)
    with numpyro.plate("feature", p):
        numpyro.deterministic("inclusion", inclusion)
    return inclusion


def _linear(
    x: Shaped[Array, "obs feature"], beta: Float[Array, "..."], inclusion: Shaped[Array, "..."] | None
) -> Float[Array, "..."]:
    """The linear predictor [..., obs], one product for all combinations of indicators [..., 1, feature]."""
    if inclusion is None or inclusion.ndim == 1:
        return x @ (beta if inclusion is None else inclusion * beta)
    return jnp.squeeze((inclusion * beta) @ x.T, -2)
