"""Which settings of a regression have no effect, given its family, its formula and the groups of the data."""

from collections.abc import Collection, Iterator

from credo.models.families import FAMILIES
from credo.models.priors_of_terms import key_of
from credo.models.regression_priors import key_of_group
from credo.models.units import Units


def unread(family: str, known: Units | None, priors: Collection[str], *, correlated: bool) -> Iterator[tuple[str, str]]:
    """Each setting, with the reason and what to do, as a sentence goes on after it.

    Args:
        family: the family's word.
        known: what the model took from the training rows; `None` without a formula.
        priors: for what the model has one.
        correlated: whether the effects of one group have correlations.
    """
    own = {name for one in FAMILIES.values() for name in one.parameters}
    for name in sorted(own - set(FAMILIES[family].parameters)):
        families = ", ".join(word for word, one in FAMILIES.items() if name in one.parameters)
        yield f"prior.{name}", f"model.family={family} has no {name}; leave it out, or use one of {families}"
    scale = None if known is None else known.scale
    if scale is None:
        for name in ("prior.sigma_intercept", "prior.sigma_beta", "prior.sigma_sd"):
            yield name, "it has no effect without a model.formula_sigma; leave it out, or write one"
    else:
        yield "prior.sigma", "model.formula_sigma has priors of its own, model.prior.sigma_intercept and sigma_beta"
    if known is None:
        for name in ("prior.sd", "autoscale", "centred", "correlated", "lkj"):
            yield name, "it has no effect without a model.formula; leave it out, or write one"
        return
    if not known.intercept:
        yield "prior.intercept", "the model has no intercept; leave it out"
    if all(key_of(name) in priors for name, _ in known.terms):
        why = "every term has a prior of its own" if known.terms else "the formula has no terms of all rows"
        yield "prior.beta", f"{why}; leave it out"
    yield from _of_groups(known, priors, correlated=correlated)


def _of_groups(known: Units, priors: Collection[str], *, correlated: bool) -> Iterator[tuple[str, str]]:
    of_sigma = () if known.scale is None else known.scale.groups
    for name, groups, formula in (("sd", known.groups, "the formula"), ("sigma_sd", of_sigma, "model.formula_sigma")):
        if (name == "sd" or known.scale is not None) and all(key_of_group("sd", one) in priors for one in groups):
            why = "every group has a prior of its own" if groups else f"{formula} has no groups, as in (1 | g)"
            yield f"prior.{name}", f"{why}; leave it out"
    if not known.all_groups:
        yield "centred", "the formula has no groups, as in (1 | g); leave it out"
    if all(len(group.effects) == 1 for group in known.all_groups):
        for name in ("correlated", "lkj"):
            yield name, "no group of the formula has two effects, as in (1 + x | g); leave it out"
    elif not correlated:
        yield "lkj", "model.correlated=false leaves the correlations out; leave out one of the two"
