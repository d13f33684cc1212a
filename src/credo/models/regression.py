"""Generalised linear regression, of columns by their roles or by a formula."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro
import xarray as xr
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models import constant_target, linear_predictor, scale_formula
from credo.models.base import Found, Model, Rows
from credo.models.families import FAMILIES, OTHER_NAMES, Family
from credo.models.missing import with_cells
from credo.models.new_groups import with_new_groups
from credo.models.no_effect import unread
from credo.models.priors_of_terms import Supports
from credo.models.regression_priors import Priors
from credo.models.scaled import Censored, Sorted
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
        formula_sigma: of the logarithm of the target's own scale, as `sigma ~ age + (1 | hospital)`; `None` where all
            rows share one.
        link: one that the family allows; `None` for its first.
        autoscale: whether general priors are in units of the data.
        centred: whether the effects of groups themselves are sampled, rather than their standardised values.
        correlated: whether the effects of one group have correlations, with an LKJ prior.
        lkj: its concentration; 1 is uniform. A prior at `corr_NAME` stands in its place for one factor.
        known: what it took from the training rows, once it is `fitted`.
    """

    rows_alike: ClassVar[bool] = True
    derives: ClassVar[str] = "probabilities of the classes"
    supports: ClassVar[dict[str, Any]] = {
        "intercept": (constraints.real,),
        "beta": (constraints.real, constraints.real_vector),
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
        "sigma_sd": (constraints.positive,),
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
            lines += [f"{', '.join(unknowns)} ~ prior", *self._priors.told_of_shrinkage()]
            return "\n".join(lines)
        scale = [] if self.formula_sigma is None else [f"{self.formula_sigma}   (link log)"]
        return "\n".join(
            [
                f"{self.formula}   ({self.family}, link {self._link})",
                *scale,
                *self._priors.told(self._family.parameters),
            ]
        )

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

    def derived[R: Found](self, problem: Any, result: R, key: PRNGKeyArray) -> R:
        """Of a formula's classes, with the probabilities of held-out rows."""
        from credo.models.held_out_classes import add_classes

        return add_classes(problem, result, key)

    def with_new_levels(
        self,
        draws: Mapping[str, Shaped[np.ndarray, "draw ..."]],
        arrays: Mapping[str, Shaped[np.ndarray, "row ..."]],
        key: PRNGKeyArray,
    ) -> tuple["Regression", dict[str, Any]]:
        """With effects of the levels that are new."""
        if self.known is None:
            return self, dict(draws)
        groups, found = with_new_groups(self.known.all_groups, draws, arrays, key, centred=self.centred)
        return dataclasses.replace(self, known=self.known.with_groups(groups)), found

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
            self._priors.require_size(train["x"].shape[1] if "x" in train and train["x"].ndim == 2 else None)
            self._require_varied(train, 0, "data.target")
            return self
        if "formula" not in train.attrs:
            raise ConfigError(
                "model.formula: expected a table with named columns, as data=csv or data=parquet reads it"
            )
        scales = self._family.scales and self._link == "identity"
        known = units(train, scales=scales, centres=self.family != "ordinal")
        self._priors_given(known).require(self.family, self.supports, correlated=self.correlated)
        if "status" in train and self._family.log_survival is None:
            names = ", ".join(name for name, one in FAMILIES.items() if one.log_survival is not None)
            raise ConfigError(f"model.family={self.family}: it takes no censored target; use one of {names}")
        if known.intercept and not known.missing and known.scale is None and not {"status", "offset"} & set(train):
            effects = sum(one.size * len(one.effects) for one in known.groups)
            self._require_varied(train, effects, "model.formula")
        return dataclasses.replace(self, known=known)

    def _require_varied(self, train: xr.Dataset, effects: int, key: str) -> None:
        """Refuse a target that never varies, where that leaves no posterior; there may be effects of groups."""
        is_plain = "y" in train and train["y"].ndim == 1 and "weights" not in train
        if is_plain and "sigma" in self._family.parameters and self._link == "identity":
            features = train["x"].shape[-1] if "x" in train else 0
            constant_target.refuse(train["y"].to_numpy(), 1 + features + effects, self.prior["sigma"], key)

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
        shrinkage = self._priors.shrinkage
        numbers = self._numbers(rows) if shrinkage is not None and shrinkage.of_noise else {}
        eta = self._predictor(len(y), x, rows, numbers.get("sigma", 1.0))
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

    def _predictor(self, n: int, x: Any, rows: Mapping[str, Any], noise: Any) -> Float[Array, "..."]:
        """The linear predictor [obs], or [obs, contrast] of classes."""
        if self.known is None:
            return linear_predictor.of_columns(self._priors, x, noise)
        several = len(self.known.classes) - 1 if self.family == "categorical" else 0
        return linear_predictor.of_formula(self._priors, self.known, n, x, rows, noise, self._grouped, several)

    def _numbers(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of the family."""
        return {name: self._own(name, rows) for name in self._family.parameters}

    def _own(self, name: str, rows: Mapping[str, Any]) -> Any:
        """A parameter of the family, or one for each row."""
        prior = self.prior[name]
        if self.known is None:
            return numpyro.sample(name, prior)
        if name == "sigma" and self.known.scale is not None:
            scales = self._family.scales
            eta = scale_formula.log_sigma(self.known, self.prior, rows, autoscale=self.autoscale, scales=scales)
            groups = self.known.scale.groups
            return jnp.exp(linear_predictor.with_effects(eta, self._priors, groups, rows, self._grouped))
        if name == "cutpoints":
            return numpyro.sample(name, Sorted(prior, len(self.known.classes) - 1))
        return numpyro.sample(name, self._priors.of_sigma() if name == "sigma" else prior)

    @property
    def _grouped(self) -> linear_predictor.Grouped:
        return linear_predictor.Grouped(self.centred, self.lkj if self.correlated else None)

    @property
    def _priors(self) -> Priors:
        return self._priors_given(self.known)

    def _priors_given(self, known: Units | None) -> Priors:
        return Priors(self.prior, known, self.autoscale, self._family.scales)
