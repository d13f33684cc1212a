"""The priors of a formula's terms: under which keys they stand, and what the general ones became."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float
from numpyro.distributions import constraints, truncated

from credo.models.combined import Mixture
from credo.models.messages import innermost
from credo.models.scaled import Scaled

MOST = 12
"""Lines about coefficients."""


class Supports(dict[str, tuple[Any, ...]]):
    """The supports of general priors, and of those of terms, which are known once a table is read.

    Example:
        >>> Supports()["sigma_sd_ward"] == (constraints.positive,), Supports()["age"] == (constraints.real,)
        (True, True)
    """

    def __contains__(self, key: object) -> bool:
        """Any key may be a term's."""
        return True

    def __missing__(self, key: str) -> tuple[Any, ...]:
        key = key.removeprefix("sigma_")
        if key.startswith("corr_"):
            return (constraints.corr_matrix,)
        return (constraints.positive,) if key.startswith("sd_") else (constraints.real,)


def key_of(term: str) -> str:
    """A term as a key of the configuration.

    Example:
        >>> key_of("log(dose):sex"), key_of("bs(dose, df=5)")
        ('log_dose_sex', 'bs_dose_df_5')
    """
    return re.sub(r"\W+", "_", term).strip("_")


def in_words(prior: Any, place: int = 0) -> str:
    """A prior with its numbers, one of several where it is a vector's.

    Example:
        >>> in_words(dist.Normal(0.0, 2.5))
        'Normal(0, 2.5)'
        >>> in_words(dist.LogNormal(0.0, 1.0)), in_words(dist.TruncatedNormal(0.0, 2.5, low=-1.0))
        ('LogNormal(0, 1)', 'Normal(0, 2.5) from -1')
    """
    if not isinstance(prior, Scaled):
        return _in_words(innermost(prior), place)
    loc, scale = _at(np.ravel(prior.loc), place), _at(np.ravel(prior.scale), place)
    base = prior.base_dist
    if isinstance(base, dist.Normal):
        return f"Normal({loc + scale * float(base.loc):.3g}, {scale * float(base.scale):.3g})"
    if isinstance(base, dist.HalfNormal):
        return f"HalfNormal({scale * float(base.scale):.3g})"
    return f"{f'{loc:.3g} + ' if loc else ''}{scale:.3g} {in_words(base)}"


def _in_words(prior: Any, place: int) -> str:
    """Of one that is in no other units."""
    if isinstance(prior, Mixture):
        weight = float(prior.weight)
        return f"{weight:.3g} {_part(prior.first)} + {1 - weight:.3g} {_part(prior.second)}"
    if type(prior) is dist.TransformedDistribution:
        return f"{_at(np.ravel(prior.transforms[0].loc), place):.3g} + {in_words(prior.base_dist, place)}"
    if type(prior).__module__ == truncated.__name__ and hasattr(prior, "base_dist"):
        ends = [("from", "low"), ("to", "high")]
        within = [f" {word} {_at(np.ravel(vars(prior)[end]), place):.3g}" for word, end in ends if end in vars(prior)]
        return in_words(prior.base_dist, place) + "".join(within)
    numbers = [np.ravel(getattr(prior, name)) for name in prior.arg_constraints if name in vars(prior)]
    return f"{type(prior).__name__}({', '.join(f'{_at(one, place):.3g}' for one in numbers)})"


def _part(prior: Any) -> str:
    """One of several, in brackets where it is a sum itself."""
    words = in_words(prior)
    return f"({words})" if " + " in words else words


def _at(values: Float[np.ndarray, "number"], place: int) -> float:
    return float(values[min(place, len(values) - 1)])


def lines(names: list[str], priors: list[tuple[Any, int]]) -> Iterator[str]:
    """`beta[age] ~ Normal(0, 0.13)` for each, as far as there is room."""
    for name, (prior, place) in [*zip(names, priors, strict=True)][:MOST]:
        yield f"{name} ~ {in_words(prior, place)}"
    if len(names) > MOST:
        yield f"and {len(names) - MOST} more"
