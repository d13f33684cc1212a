"""The priors of a regression as they become in units of the data, and in words."""

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpyro.distributions as dist

from credo.config.nearest import nearest
from credo.errors import ConfigError
from credo.models import scale_formula
from credo.models.effects import Grouping
from credo.models.priors import vector
from credo.models.priors_of_terms import key_of, lines
from credo.models.scaled import Stacked, scaled
from credo.models.shrinkage import Shrinkage
from credo.models.units import Units


def key_of_group(what: str, group: Grouping) -> str:
    """Under which key the prior of a group's deviations or correlations stands, as `sd_ward` or `sigma_sd_ward`."""
    return f"{group.prefix}{what}_{key_of(group.name)}"


class Priors(NamedTuple):
    """The priors of a regression, with what it took from the training rows.

    - **own** - as they are given, by latent or term.
    - **known** - the scales of the training rows; `None` without a formula.
    - **autoscale** - whether general priors are in units of the data.
    - **scales** - whether the target's own deviation says where sigma is.
    """

    own: Mapping[str, Any]
    known: Units | None
    autoscale: bool
    scales: bool

    @property
    def shrinkage(self) -> Shrinkage | None:
        """That of all coefficients together, where there is one."""
        prior = self.own.get("beta")
        return prior if isinstance(prior, Shrinkage) else None

    @property
    def together(self) -> Any:
        """A multivariate prior of all coefficients, where there is one."""
        prior = self.own.get("beta")
        return prior if isinstance(prior, dist.Distribution) and prior.event_shape else None

    def require_size(self, count: int | None) -> None:
        """Raise `ConfigError` where a multivariate prior is of another number of coefficients."""
        if self.together is not None and count is not None:
            vector("model.prior.beta", self.together, count)

    def require(self, family: str, general: Collection[str], *, correlated: bool) -> None:
        """Refuse priors that stand at no term, and those of all coefficients together where these cannot have one.

        Args:
            family: of the target.
            general: the keys of general priors.
            correlated: whether the effects of one group have correlations.

        Raises:
            ConfigError: the sentence names the key.
        """
        known, shrinkage, together = self._known, self.shrinkage, self.together
        if shrinkage is not None and shrinkage.of_noise and known.scale is not None:
            raise ConfigError(
                "model.formula_sigma: the prior at model.prior.beta is in units of sigma, which has to be one number; "
                "leave out model.formula_sigma, or choose another, as in prior@model.prior.beta=horseshoe"
            )
        if together is not None and family == "categorical":
            raise ConfigError(
                "model.prior.beta: a multivariate prior is one of the coefficients of one linear predictor, but "
                "family=categorical has one for each class; choose another, as in prior@model.prior.beta=gaussian"
            )
        self.require_size(len(known.deviations))
        terms = {key_of(name): ("formula", name) for name, _ in known.terms}
        for name, _ in () if known.scale is None else known.scale.terms:
            terms.setdefault(scale_formula.key(name), ("formula_sigma", name))
        keys = {*general, *(key_of_group("sd", group) for group in known.all_groups)}
        keys |= {key_of_group("corr", group) for group in known.all_groups if correlated and len(group.effects) > 1}
        if both := [key for key in terms if key in keys]:
            formula, name = terms[both[0]]
            raise ConfigError(
                f"model.{formula}: the term {name!r} has the key of another prior, model.prior.{both[0]}; rename its "
                f"column, as in data.rename={{{name}: {name}_x}}"
            )
        keys |= {*terms, *(one.key for one in known.missing)}
        for one in known.missing:
            one.require(self.own)
        for latent in self.own:
            if latent in terms and (shrinkage is not None or together is not None):
                raise ConfigError(
                    f"model.prior.{latent}: the prior at model.prior.beta is one of all coefficients together, so that "
                    "no term has its own; leave this out, or choose another, as in prior@model.prior.beta=gaussian"
                )
            if latent not in keys:
                raise ConfigError(
                    f"model.prior.{latent}: the model reads no such prior; {nearest(latent, sorted(keys))}"
                )

    def of_intercept(self) -> Any:
        """That where all predictors are at their means."""
        prior, known = self.own["intercept"], self._known
        return scaled(prior, known.location, known.spread) if self.autoscale else prior

    def of_beta(self, several: int = 0) -> Any:
        """The prior of all coefficients [feature] or [feature, contrast], by term where one has its own.

        Neighbours with the general prior are one part, since each costs the sampler time.
        """
        if self.known is None:
            return self.own["beta"]
        parts, begin = [], 0
        for _, run in groupby(self.known.terms, key=lambda term: id(self.own.get(key_of(term[0])))):
            terms = list(run)
            count = sum(one for _, one in terms)
            parts.append(self._of_terms(terms[0][0], begin, count, several))
            begin += count
        return parts[0] if len(parts) == 1 else Stacked(parts, -2 if several else -1)

    def of_beta_together(self, count: int) -> Any:
        """The multivariate prior of so many coefficients, in units of the data where general priors are."""
        prior = vector("model.prior.beta", self.together, count)
        if self.known is None or not self.autoscale:
            return prior
        unit = self.known.spread / self.known.deviations
        return dist.MultivariateNormal(unit * prior.loc, scale_tril=unit[:, None] * prior.scale_tril)

    def _of_terms(self, name: str, begin: int, count: int, several: int = 0) -> Any:
        """The prior of so many coefficients from a place on, which all have that of the term that is named."""
        known, own, shape = self._known, self.own.get(key_of(name)), (count, several) if several else (count,)
        if own is not None or not self.autoscale:
            as_it_is: Any = self.own["beta"] if own is None else own
            return as_it_is.expand(shape)
        unit = known.spread / known.deviations[begin : begin + count]
        return scaled(self.own["beta"], 0.0, jnp.broadcast_to(unit[:, None] if several else unit, shape))

    def unit(self, several: int, noise: Any) -> Any:
        """That of coefficients which are shrunk together."""
        assert self.shrinkage is not None  # noqa: S101 - for the type checker
        if self.known is None or not self.autoscale:
            return noise if self.shrinkage.of_noise else 1.0
        unit = (noise if self.shrinkage.of_noise else self.known.spread) / self.known.deviations
        return unit[:, None] if several else unit

    def of_sd(self, group: Grouping) -> Any:
        """The prior of the deviations [effect] of a group, or of the only one; those of log sigma have no unit."""
        known, own = self._known, self.own.get(key_of_group("sd", group))
        if own is not None:
            return own
        general = self.own[f"{group.prefix}sd"]
        if not self.autoscale:
            return general
        by = known.by if known.scale is None or not group.prefix else known.scale.by
        unit = (1.0 if group.prefix else known.spread) / by[group.name]
        return scaled(general, 0.0, unit[0] if group.one else unit)

    def of_corr(self, group: Grouping, lkj: Any) -> Any:
        """The concentration of the prior of a group's correlations: its own, or the general one."""
        own = self.own.get(key_of_group("corr", group))
        return lkj if own is None else own.concentration

    def of_sigma(self) -> Any:
        """The prior of the target's own scale."""
        is_scaled = self.known is not None and self.autoscale and self.scales
        return scaled(self.own["sigma"], 0.0, self._known.spread) if is_scaled else self.own["sigma"]

    def told(self, parameters: tuple[str, ...]) -> list[str]:
        """What the priors became, line by line; of the family's parameters, too."""
        if self.known is None:
            return []
        known, told = self.known, [*self._told_of_terms(), *self._told_of_groups()]
        told += [(f"{one.size} missing cells of {one.column}", one.prior(self.own), 0) for one in known.missing]
        for name in parameters:
            if name == "sigma" and known.scale is not None:
                told += scale_formula.told(known, self.own, autoscale=self.autoscale, scales=self.scales)
            else:
                told.append((name, self.of_sigma() if name == "sigma" else self.own[name], 0))
        return [*self.told_of_shrinkage(), *lines([what for what, *_ in told], [(one, at) for _, one, at in told])]

    def told_of_shrinkage(self) -> list[str]:
        """The prior of all coefficients together."""
        one = self.shrinkage
        return [] if one is None else [f"beta_j = unit_j scale_j z_j, z_j ~ Normal(0, 1), {one.words}"]

    def _told_of_terms(self) -> Iterator[tuple[str, Any, int]]:
        known, begin = self._known, 0
        if known.intercept:
            yield "intercept at the means of the predictors", self.of_intercept(), 0
        if self.shrinkage is not None:
            return
        for name, count in known.terms:
            for j in range(count):
                what = f"beta of {name}" + (f" [{j}]" if count > 1 else "")
                if self.together is None:
                    yield what, self._of_terms(name, begin, count), j
                else:
                    yield f"{what}, correlated with the others", self.marginal(begin + j), 0
            begin += count

    def marginal(self, place: int) -> Any:
        """The prior of one coefficient among those that have one together."""
        whole = self.of_beta_together(len(self._known.deviations))
        return dist.Normal(whole.loc[place], jnp.sqrt(whole.covariance_matrix[place, place]))

    def _told_of_groups(self) -> Iterator[tuple[str, Any, int]]:
        for group in self._known.all_groups:
            where = " in log sigma" if group.prefix else ""
            for j, effect in enumerate(group.effects):
                yield f"sd of {effect} by {group.name}{where}", self.of_sd(group), j

    @property
    def _known(self) -> Units:
        assert self.known is not None  # noqa: S101 - for the type checker
        return self.known
