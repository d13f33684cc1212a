"""Which settings of a regression have no effect, given its family, its formula and the groups of the data."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from credo.models.families import FAMILIES
from credo.models.priors_of_terms import key_of

if TYPE_CHECKING:
    from credo.models.regression import Regression
    from credo.models.units import Units


def unread(model: "Regression") -> Iterator[tuple[str, str]]:
    """Each setting, with the reason and what to do, as a sentence goes on after it."""
    own = {name for family in FAMILIES.values() for name in family.parameters}
    for name in sorted(own - set(FAMILIES[model.family].parameters)):
        families = ", ".join(word for word, family in FAMILIES.items() if name in family.parameters)
        yield f"prior.{name}", f"model.family={model.family} has no {name}; leave it out, or use one of {families}"
    if model.known is None:
        for name in ("prior.sd", "autoscale", "centred", "correlated", "lkj"):
            yield name, "it has no effect without a model.formula; leave it out, or write one"
        return
    yield from _without_terms(model, model.known)
    yield from _without_groups(model, model.known)


def _without_terms(model: "Regression", known: "Units") -> Iterator[tuple[str, str]]:
    if not known.intercept:
        yield "prior.intercept", "the model has no intercept; leave it out"
    if all(key_of(name) in model.prior for name, _ in known.terms):
        why = "every term has a prior of its own" if known.terms else "the formula has no terms of all rows"
        yield "prior.beta", f"{why}; leave it out"


def _without_groups(model: "Regression", known: "Units") -> Iterator[tuple[str, str]]:
    if all(f"sd_{key_of(group.name)}" in model.prior for group in known.groups):
        why = "every group has a prior of its own" if known.groups else "the formula has no groups, as in (1 | g)"
        yield "prior.sd", f"{why}; leave it out"
    if not known.groups:
        yield "centred", "the formula has no groups, as in (1 | g); leave it out"
    if all(len(group.effects) == 1 for group in known.groups):
        for name in ("correlated", "lkj"):
            yield name, "no group of the formula has two effects, as in (1 + x | g); leave it out"
    elif not model.correlated:
        yield "lkj", "model.correlated=false leaves the correlations out; leave out one of the two"
