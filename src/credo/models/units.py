"""What a regression with a formula takes from its training rows: where predictors and target lie, and how far apart.

Gelman, A., Jakulin, A., Pittau, M. G. and Su, Y.-S. (2008). A weakly informative default prior distribution for
logistic and other regression models. Annals of Applied Statistics; the rule is also that of rstanarm and Bambi.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jaxtyping import Float

from credo.models.effects import Grouping
from credo.models.missing import Missing

SIGMA = "sigma_"
"""Before the names of what belongs to the target's own scale."""


class Scale(eqx.Module):
    """The same of the predictors of the target's own scale.

    Attributes:
        centre: their means, or 0 where there is no intercept.
        deviations: their standard deviations.
        by: the same of the columns that the effects of each group multiply.
        intercept: whether there is one.
        terms: each term's key and its number of columns.
        groups: the axes of the groups' effects.
    """

    centre: Float[Array, "sigma_feature"]
    deviations: Float[Array, "sigma_feature"]
    by: Mapping[str, Float[Array, "effect"]]
    intercept: bool = eqx.field(static=True)
    terms: tuple[tuple[str, int], ...] = eqx.field(static=True)
    groups: tuple[Grouping, ...] = eqx.field(static=True)


class Units(eqx.Module):
    """The scales of the training rows, and the axes of the model.

    Attributes:
        location: the mean of the target, or 0.
        spread: its standard deviation, or 1.
        centre: the means of the predictors, or 0 where there is no intercept.
        deviations: their standard deviations.
        by: the same of the columns that the effects of each group multiply.
        intercept: whether there is one.
        terms: each term's key and its number of columns.
        groups: the axes of the groups' effects.
        classes: the levels of the target.
        scale: of the predictors of the target's own scale, where it has a formula.
        missing: the missing cells of predictors that are latents.
    """

    location: Float[Array, ""]
    spread: Float[Array, ""]
    centre: Float[Array, "feature"]
    deviations: Float[Array, "feature"]
    by: Mapping[str, Float[Array, "effect"]]
    intercept: bool = eqx.field(static=True)
    terms: tuple[tuple[str, int], ...] = eqx.field(static=True)
    groups: tuple[Grouping, ...] = eqx.field(static=True)
    classes: tuple[str, ...] = eqx.field(static=True)
    scale: Scale | None = None
    missing: tuple[Missing, ...] = eqx.field(static=True, default=())

    @property
    def all_groups(self) -> tuple[Grouping, ...]:
        """Those of the mean, then those of the target's own scale."""
        return self.groups + (() if self.scale is None else self.scale.groups)

    def with_groups(self, groups: tuple[Grouping, ...]) -> "Units":
        """These units with other sizes of `all_groups`."""
        count = len(self.groups)
        scale = None if self.scale is None else dataclasses.replace(self.scale, groups=groups[count:])
        return dataclasses.replace(self, groups=groups[:count], scale=scale)


def units(train: xr.Dataset, *, scales: bool, centres: bool) -> Units:
    """Look at the training rows.

    Args:
        train: as `data.formula.arranged` made them.
        scales: whether the target's own mean and deviation count.
        centres: whether there may be an intercept, so that predictors are centred.
    """
    told = json.loads(train.attrs["formula"])
    intercept = bool(told["intercept"]) and centres
    groups = _groups(told)
    y = train["y"].to_numpy().astype(float)
    x = train["x"].to_numpy() if "x" in train else np.zeros((len(y), 0))
    by = {one.name: _deviations(train, one) for one in groups}
    return Units(
        location=jnp.asarray(y.mean() if scales else 0.0),
        spread=_positive(y.std()) if scales else jnp.asarray(1.0),
        centre=jnp.asarray(x.mean(0) if intercept else np.zeros(x.shape[1])),
        deviations=_positive(x.std(0)),
        by=by,
        intercept=intercept,
        terms=_terms(told),
        groups=groups,
        classes=tuple(told["classes"]),
        scale=_scale(train, told["sigma"]) if "sigma" in told else None,
        missing=tuple(Missing(*one) for one in told.get("missing", ())),
    )


def _terms(told: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    return tuple((str(name), int(count)) for name, count in told["terms"])


def _groups(told: Mapping[str, Any], prefix: str = "") -> tuple[Grouping, ...]:
    return tuple(Grouping(name, dim, size, tuple(effects), prefix) for name, dim, size, effects in told["groups"])


def _scale(train: xr.Dataset, told: Mapping[str, Any]) -> Scale:
    x = train["sigma_x"].to_numpy() if "sigma_x" in train else np.zeros((train.sizes["obs"], 0))
    centre = jnp.asarray(x.mean(0) if told["intercept"] else np.zeros(x.shape[1]))
    groups = _groups(told, SIGMA)
    by = {one.name: _deviations(train, one) for one in groups}
    return Scale(centre, _positive(x.std(0)), by, bool(told["intercept"]), _terms(told), groups)


def _deviations(train: xr.Dataset, group: Grouping) -> Float[Array, "effect"]:
    """Those of the columns of a group's effects; 1 of an intercept."""
    if group.one:
        return jnp.ones(1)
    return _positive(train[group.called("by")].to_numpy().std(0))


def _positive(values: Float[np.ndarray | np.floating, "..."]) -> Float[Array, "..."]:
    """The deviations, 1 where there is none."""
    return jnp.asarray(np.where(values > 0, values, 1.0))
