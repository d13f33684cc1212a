"""Generalised linear regression, of columns by their roles or by a formula."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro
import xarray as xr
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo.config.nearest import nearest
from credo.errors import ConfigError
from credo.models import scale_formula
from credo.models.base import Model, Rows
from credo.models.effects import Grouping, added
from credo.models.families import FAMILIES, OTHER_NAMES, Family
from credo.models.missing import with_cells
from credo.models.new_groups import with_new_groups
from credo.models.no_effect import unread
from credo.models.priors_of_terms import Supports, key_of, lines
from credo.models.scaled import Censored, Sorted, Stacked, scaled
from credo.models.shrinkage import Shrinkage
from credo.models.units import Units, units
from credo.ranges import Positive


class Regression(Model):
    """y_i ~ family(inverse link(intercept + x_i . beta)).

    `bernoulli` has the logistic CDF as its inverse link, so that its mean log loss is the binary cross-entropy;
    `poisson` has the exponential; `gaussian` and `student_t` the identity, with the scale `sigma`.

    A Bernoulli prior at `prior.inclusion` makes the regression spike and slab (Mitchell & Beauchamp 1988): coefficient
    j counts only where its indicator is 1.

    With a `design`, the columns of x are those of a formula, centred where there is an intercept, and groups have
    effects. Its priors of `intercept`, `beta`, `sigma` and `sd` are in units of the data (see `units`) where
    `autoscale` is true: that of beta_j is multiplied by sd(y) / sd(x_j), where sd(y) is 1 of families whose target has
    a link. A prior at a term's own key (`age`, `sd_hospital`) stands as it is.

    Attributes:
        family: one of `families.FAMILIES`.
        formula: in the words of Bambi, as `y ~ age*sex + (1 + age | hospital)`; `None` takes x as it is.
        formula_sigma: of the logarithm of the target's own scale, as `sigma ~ age`; `None` where all rows share one.
        link: one that the family allows; `None` for its first.
        autoscale: whether general priors are in units of the data.
        centred: whether the effects of groups themselves are sampled, rather than their standardised values.
        correlated: whether the effects of one group have correlations, with an LKJ prior.
        lkj: its concentration; 1 is uniform.
        known: what it took from the training rows, once it is `fitted`.
    """

    rows_alike: ClassVar[bool] = True
    supports: ClassVar[dict[str, Any]] = {
        "intercept": (constraints.real,),
        "beta": (constraints.real,),
        "sigma": (constraints.positive,),
        "df": (constraints.positive,),
        "inclusion": (constraints.boolean,),
        "concentration": (constraints.positive,),
        "shape": (constraints.positive,),
        "gate": (constraints.unit_interval,),
        "cutpoints": (constraints.real,),
        "sd": (constraints.positive,),
        "sigma_intercept": (constraints.real,),
        "sigma_beta": (constraints.real,),
    }
    shrunk: ClassVar[tuple[str, ...]] = ("beta",)

    family: str = eqx.field(static=True)
    formula: str | None = eqx.field(static=True, default=None, kw_only=True)  # type: ignore[assignment,misc]
    formula_sigma: str | None = eqx.field(static=True, default=None, kw_only=True)
    link: str | None = eqx.field(static=True, default=None)
    autoscale: bool = eqx.field(static=True, default=True)
    centred: bool = eqx.field(static=True, default=False)
    correlated: bool = eqx.field(static=True, default=True)
    lkj: Positive = 1.0
    known: Units | None = None

    def __check_init__(self) -> None:
        if self.family not in FAMILIES:
            known = f"; {self.family} regression is {found}" if (found := OTHER_NAMES.get(self.family)) else ""
            raise ConfigError(f"family: expected one of {', '.join(FAMILIES)}, but got {self.family!r}{known}")
        if self.link is not None and self.link not in self._family.links:
            raise ConfigError(
                f"link: family={self.family} takes one of {', '.join(self._family.links)}, but got {self.link!r}"
            )
        if self.formula is None and (self._family.takes_trials or self._family.classes in ("any", "ordered")):
            raise ConfigError(
                f"family: {self.family} needs a model.formula, as in "
                + ("'p(successes, trials) ~ x'" if self._family.takes_trials else "'class ~ x'")
            )
        if self.formula_sigma is not None and self.formula is None:
            raise ConfigError("formula_sigma: it needs a model.formula beside it, as in 'y ~ x'")
        if self.formula_sigma is not None and "sigma" not in self._family.parameters:
            names = ", ".join(name for name, one in FAMILIES.items() if "sigma" in one.parameters)
            raise ConfigError(f"formula_sigma: family={self.family} has no sigma; use one of {names}, or leave it out")

    @property
    def accepted(self) -> Mapping[str, tuple[Any, ...]]:
        """The supports of general priors; with a formula, of those of its terms, too."""
        return self.supports if self.formula is None else Supports(self.supports)

    @property
    def mathematics(self) -> str:
        """The family and its link; with a formula, it and the priors that became of the general ones."""
        if self.formula is None:
            included = " inclusion_j" if "inclusion" in self.prior else ""
            lines = [f"y_i ~ {self.family}, link {self._link}, of intercept + sum_j x_ij beta_j{included}"]
            unknowns = ["intercept", "beta_j", *self._family.parameters, *([included.strip()] if included else [])]
            lines += [f"{', '.join(unknowns)} ~ prior", *self._told_of_shrinkage()]
            return "\n".join(lines)
        scale = [] if self.formula_sigma is None else [f"{self.formula_sigma}   (link log)"]
        return "\n".join([f"{self.formula}   ({self.family}, link {self._link})", *scale, *self._told()])

    @property
    def rows(self) -> Rows | None:
        """What the formula asks of a table."""
        if self.formula is None:
            return None
        family = self._family
        return Rows(self.formula, self.likelihood_key, family.classes, family.takes_trials, self.formula_sigma)

    @property
    def unread(self) -> Mapping[str, str]:
        """Those of other families, and of groups where there are none."""
        return dict(unread(self.family, self.known, self.prior, correlated=self.correlated))

    @property
    def likelihood_key(self) -> str:
        """The family."""
        return f"model.family={self.family}"

    @property
    def levels(self) -> tuple[str, ...]:
        """The classes of a formula's target."""
        return () if self.known is None else self.known.classes

    def with_new_levels(
        self,
        draws: Mapping[str, Shaped[np.ndarray, "draw ..."]],
        arrays: Mapping[str, Shaped[np.ndarray, "row ..."]],
        key: PRNGKeyArray,
    ) -> tuple["Regression", dict[str, Any]]:
        """With effects of the levels that are new."""
        if self.known is None:
            return self, dict(draws)
        groups, found = with_new_groups(self.known.groups, draws, arrays, key, centred=self.centred)
        return dataclasses.replace(self, known=dataclasses.replace(self.known, groups=groups)), found

    @property
    def _family(self) -> Family:
        return FAMILIES[self.family]

    @property
    def _link(self) -> str:
        return self.link or self._family.links[0]

    def arguments(self) -> tuple[frozenset[str], frozenset[str]]:
        """Without a formula x is needed; with one, what it makes."""
        if self.formula is None:
            return frozenset({"y", "x"}), frozenset({"weights"})
        return frozenset({"y"}), frozenset({"*"})

    def fitted(self, train: xr.Dataset) -> "Regression":
        """This model with the scales of the training rows.

        Raises:
            ConfigError: the data was not made by the formula, or a prior is of no term.
        """
        if self.formula is None:
            return self
        if "formula" not in train.attrs:
            raise ConfigError(
                "model.formula: expected a table with named columns, as data=csv or data=parquet reads it"
            )
        scales = self._family.scales and self._link == "identity"
        known = units(train, scales=scales, centres=self.family != "ordinal")
        made = dataclasses.replace(self, known=known)
        if self._shrinkage is not None and self._shrinkage.of_noise and known.scale is not None:
            raise ConfigError(
                "model.formula_sigma: the prior at model.prior.beta is in units of sigma, which has to be one number; "
                "leave out model.formula_sigma, or choose another, as in prior@model.prior.beta=horseshoe"
            )
        terms = [key_of(name) for name, _ in known.terms]
        terms += [] if known.scale is None else [scale_formula.key(name) for name, _ in known.scale.terms]
        keys = {*self.supports, *(f"sd_{key_of(group.name)}" for group in known.groups)}
        if both := [key for key in terms if key in keys]:
            raise ConfigError(
                f"model.formula: the term {both[0]!r} has the key of another prior, model.prior.{both[0]}; rename its "
                f"column, as in data.rename={{{both[0]}: {both[0]}_x}}"
            )
        keys |= {*terms, *(one.key for one in known.missing)}
        for latent in self.prior:
            if latent in terms and self._shrinkage is not None:
                raise ConfigError(
                    f"model.prior.{latent}: the prior at model.prior.beta is one of all coefficients together, so that "
                    "no term has its own; leave this out, or choose another, as in prior@model.prior.beta=gaussian"
                )
            if latent not in keys:
                raise ConfigError(
                    f"model.prior.{latent}: the model reads no such prior; {nearest(latent, sorted(keys))}"
                )
        if "status" in train and self._family.log_survival is None:
            names = ", ".join(name for name, one in FAMILIES.items() if one.log_survival is not None)
            raise ConfigError(f"model.family={self.family}: it takes no censored target; use one of {names}")
        return made

    def __call__(  # type: ignore[override]
        self,
        y: Shaped[Array, "obs"],
        x: Shaped[Array, "obs feature"] | None = None,
        weights: Float[Array, "obs"] | None = None,
        **rows: Any,
    ) -> None:
        """Observe y given x, and what else a formula makes of a table."""
        if self.known is not None and self.known.missing:
            rows = with_cells(self.known.missing, self.prior, rows if x is None else rows | {"x": x})
            x = rows.pop("x", None)
        numbers = self._numbers(rows) if self._shrinkage is not None and self._shrinkage.of_noise else {}
        noise = numbers.get("sigma", 1.0)
        eta = self._plain(x, noise) if self.known is None else self._predictor(len(y), x, rows, noise)
        numbers = numbers or self._numbers(rows)
        numbers |= {"trials": rows["trials"]} if "trials" in rows else {}
        likelihood = self._family.likelihood(eta, self._link, numbers)
        if "status" in rows:
            likelihood = Censored(likelihood, rows["status"], self._family.log_survival)
        with numpyro.plate("obs", len(y)):
            if weights is None:
                numpyro.sample("y", likelihood, obs=y, infer={"link": self._link})
            else:
                with numpyro.handlers.scale(scale=weights):
                    numpyro.sample("y", likelihood, obs=y, infer={"link": self._link})

    @property
    def _shrinkage(self) -> Shrinkage | None:
        prior = self.prior.get("beta")
        return prior if isinstance(prior, Shrinkage) else None

    def _numbers(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of the family."""
        return {name: self._own(name, rows) for name in self._family.parameters}

    def _plain(self, x: Any, noise: Any) -> Float[Array, "..."]:
        """The linear predictor of columns as they are."""
        p = x.shape[1]
        intercept = numpyro.sample("intercept", self.prior["intercept"])
        beta = self._coefficients(p, 0, noise)
        return intercept + _linear(x, beta, self._inclusion(p))

    def _predictor(self, n: int, x: Any, rows: Mapping[str, Any], noise: Any) -> Float[Array, "..."]:
        """The linear predictor of a formula, [obs] or [obs, contrast]."""
        known = self._known
        several = len(known.classes) - 1 if self.family == "categorical" else 0
        eta = jnp.zeros((n, several) if several else n)
        centred = shift = jnp.zeros(())
        if known.intercept:
            centred = self._intercept(several)
            eta = eta + centred
        if x is not None:
            beta = self._coefficients(x.shape[1], several, noise)
            eta = eta + _linear(x - known.centre, beta, None if several else self._inclusion(x.shape[1]))
            shift = jnp.dot(known.centre, beta)
        if known.intercept:
            self._show_intercept(centred - shift, several)
        if "offset" in rows:
            eta = eta + (rows["offset"][:, None] if several else rows["offset"])
        for group in known.groups:
            eta = eta + self._added(group, rows, several)
        return eta

    def _intercept(self, several: int) -> Any:
        """That where all predictors are at their means."""
        known = self._known
        prior = self.prior["intercept"]
        prior = scaled(prior, known.location, known.spread) if self.autoscale else prior
        if not several:
            return numpyro.sample("intercept_at_mean", prior)
        with numpyro.plate("contrast", several):
            return numpyro.sample("intercept_at_mean", prior)

    def _show_intercept(self, value: Any, several: int) -> None:
        if not several:
            numpyro.deterministic("intercept", value)
            return
        with numpyro.plate("contrast", several):
            numpyro.deterministic("intercept", value)

    def _coefficients(self, count: int, several: int, noise: Any) -> Any:
        """The coefficients [feature] or [feature, contrast]."""

        @contextmanager
        def plates() -> Iterator[None]:
            with numpyro.plate("feature", count, dim=-2 if several else -1):
                if not several:
                    yield
                    return
                with numpyro.plate("contrast", several, dim=-1):
                    yield

        if self._shrinkage is not None:
            shape = (count, several) if several else (count,)
            return self._shrinkage.sample("beta", shape, self._unit(several, noise), plates)
        prior = self.prior["beta"] if self.known is None else self.prior_of_beta(several)
        with plates():
            return numpyro.sample("beta", prior)

    def _unit(self, several: int, noise: Any) -> Any:
        """That of coefficients which are shrunk together."""
        assert self._shrinkage is not None  # noqa: S101 - for the type checker
        if self.known is None or not self.autoscale:
            return noise if self._shrinkage.of_noise else 1.0
        unit = (noise if self._shrinkage.of_noise else self.known.spread) / self.known.deviations
        return unit[:, None] if several else unit

    def prior_of_beta(self, several: int = 0) -> Any:
        """The prior of all coefficients [feature] or [feature, contrast], by term where one has its own.

        Neighbours with the general prior are one part, since each costs the sampler time.
        """
        parts, begin = [], 0
        for _, run in groupby(self._known.terms, key=lambda term: id(self.prior.get(key_of(term[0])))):
            terms = list(run)
            count = sum(one for _, one in terms)
            parts.append(self._prior_of(terms[0][0], begin, count, several))
            begin += count
        return parts[0] if len(parts) == 1 else Stacked(parts, -2 if several else -1)

    def _prior_of(self, name: str, begin: int, count: int, several: int = 0) -> Any:
        """The prior of so many coefficients from a place on, which all have that of the term that is named."""
        known, own, shape = self._known, self.prior.get(key_of(name)), (count, several) if several else (count,)
        if own is not None or not self.autoscale:
            as_it_is: Any = self.prior["beta"] if own is None else own
            return as_it_is.expand(shape)
        unit = known.spread / known.deviations[begin : begin + count]
        return scaled(self.prior["beta"], 0.0, jnp.broadcast_to(unit[:, None] if several else unit, shape))

    def prior_of_sd(self, group: Grouping) -> Any:
        """The prior of the deviations [effect] of a group, or of the only one."""
        known, own = self._known, self.prior.get(f"sd_{key_of(group.name)}")
        unit = known.spread / known.by[group.name]
        if own is None and self.autoscale:
            return scaled(self.prior["sd"], 0.0, unit[0] if group.one else unit)
        return self.prior["sd"] if own is None else own

    def _added(self, group: Grouping, rows: Mapping[str, Any], several: int) -> Float[Array, "obs *contrast"]:
        by, codes = rows.get(f"by[{group.name}]"), rows[f"group[{group.name}]"]
        lkj = self.lkj if self.correlated else None
        return added(group, self.prior_of_sd(group), lkj, codes, by, centred=self.centred, contrasts=several)

    def _own(self, name: str, rows: Mapping[str, Any]) -> Any:
        """A parameter of the family, or one for each row."""
        prior = self.prior[name]
        if self.known is None:
            return numpyro.sample(name, prior)
        if name == "sigma" and self.known.scale is not None:
            return scale_formula.sigma(
                self.known, self.prior, rows, autoscale=self.autoscale, scales=self._family.scales
            )
        if name == "cutpoints":
            return numpyro.sample(name, Sorted(prior, len(self.known.classes) - 1))
        return numpyro.sample(name, self.prior_of_sigma() if name == "sigma" else prior)

    def prior_of_sigma(self) -> Any:
        """The prior of the target's own scale."""
        is_scaled = self.autoscale and self._family.scales
        return scaled(self.prior["sigma"], 0.0, self._known.spread) if is_scaled else self.prior["sigma"]

    def _told(self) -> list[str]:
        """What the priors became, line by line."""
        if self.known is None:
            return []
        known, names, priors = self.known, list[str](), list[tuple[Any, int]]()
        if known.intercept:
            prior = self.prior["intercept"]
            names.append("intercept at the means of the predictors")
            priors.append((scaled(prior, known.location, known.spread) if self.autoscale else prior, 0))
        if known.terms and self._shrinkage is None:
            begin = 0
            for name, count in known.terms:
                names += [f"beta of {name}" + (f" [{j}]" if count > 1 else "") for j in range(count)]
                priors += [(self._prior_of(name, begin, count), j) for j in range(count)]
                begin += count
        for group in known.groups:
            names += [f"sd of {effect} by {group.name}" for effect in group.effects]
            priors += [(self.prior_of_sd(group), j) for j in range(len(group.effects))]
        for cells in known.missing:
            names.append(f"{cells.size} missing cells of {cells.column}")
            priors.append((cells.prior(self.prior), 0))
        for name in self._family.parameters:
            if name == "sigma" and known.scale is not None:
                one = list(scale_formula.told(known, self.prior, autoscale=self.autoscale, scales=self._family.scales))
                names += [what for what, _, _ in one]
                priors += [(prior, place) for _, prior, place in one]
                continue
            names.append(name)
            priors.append((self.prior_of_sigma() if name == "sigma" else self.prior[name], 0))
        return [*self._told_of_shrinkage(), *lines(names, priors)]

    def _told_of_shrinkage(self) -> list[str]:
        """The prior of all coefficients together."""
        one = self._shrinkage
        return [] if one is None else [f"beta_j = unit_j scale_j z_j, z_j ~ Normal(0, 1), {one.words}"]

    @property
    def _known(self) -> Units:
        assert self.known is not None  # noqa: S101 - for the type checker
        return self.known

    def _inclusion(self, p: int) -> Shaped[Array, "..."] | None:
        """The indicators [feature], or [..., 1, feature] while NumPyro enumerates them: one site each."""
        prior = self.prior.get("inclusion")
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
