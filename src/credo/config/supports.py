"""Where numbers may live: supports in words, whether a prior stays within one, and the parameter outside of its own."""

import math
import re
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions import constraints

_WORDS = {
    type(constraints.boolean): "0 or 1",
    type(constraints.nonnegative_integer): "a whole number of at least 0",
    type(constraints.positive_integer): "a whole number of at least 1",
    type(constraints.positive): "a positive number",
    type(constraints.nonnegative): "a number of at least 0",
    type(constraints.unit_interval): "a number between 0 and 1",
    type(constraints.real): "a finite number",
    type(constraints.simplex): "a probability vector",
    type(constraints.circular): "an angle from -pi to pi",
    type(constraints.corr_matrix): "a correlation matrix",
}
_BOUNDED = {
    type(constraints.greater_than(0.0)): "a number above {}",
    type(constraints.greater_than_eq(0.0)): "a number of at least {}",
    type(constraints.less_than(0.0)): "a number below {1}",
    type(constraints.less_than_eq(0.0)): "a number of at most {1}",
    type(constraints.interval(0.0, 1.0)): "a number between {} and {}",
    type(constraints.open_interval(0.0, 1.0)): "a number above {} and below {}",
    type(constraints.integer_interval(0, 1)): "a whole number from {} to {}",
    type(constraints.multinomial(1)): "counts that add up to {1}",
}


def describe(support: Any) -> str:
    """A support in words."""
    if isinstance(support, type(constraints.independent(constraints.real, 1))):
        return describe(support.base_constraint)
    if own := getattr(support, "description", ""):  # of a constraint that is not NumPyro's
        return str(own)
    if words := _WORDS.get(type(support)):
        return words
    if support.is_discrete and _ends(support) == (-math.inf, math.inf):
        return "a whole number"
    if words := _BOUNDED.get(type(support)):
        return words.format(*map(_number, _ends(support)))
    return type(support).__name__.strip("_").replace("_", " ")


def within(support: Any, other: Any) -> bool:
    """Whether the support of a scalar is part of another; a discrete one, and a vector's, is part of its like only."""
    independent = type(constraints.real_vector)
    if isinstance(support, independent) and isinstance(other, independent):
        return within(support.base_constraint, other.base_constraint)
    if support.is_discrete or other.is_discrete or support.event_dim or other.event_dim:
        return type(support) is type(other)
    (low, high), (least, most) = _ends(support), _ends(other)
    return bool(least <= low and high <= most)


def _ends(support: Any) -> tuple[Any, Any]:
    return getattr(support, "lower_bound", -math.inf), getattr(support, "upper_bound", math.inf)


def _number(end: Any) -> str:
    """A bound, if it is one number that is known."""
    return "a bound" if isinstance(end, jax.core.Tracer) or np.ndim(end) else f"{float(end):g}"


def refused(error: BaseException) -> tuple[str, str] | None:
    """The parameter that a NumPyro distribution refused, the user's own as well, and what it must be.

    Returns:
        Its name, and its `arg_constraints` in words; `None` where the error is another one.
    """
    found = re.match(r"(\w+) distribution got invalid (\w+) parameter", str(error))
    if found is None:
        return None
    asked = (one.arg_constraints for one in _all(dist.Distribution) if one.__name__ == found[1])
    return found[2], next((describe(one[found[2]]) for one in asked if found[2] in one), "another value")


def _all(distribution: type[dist.Distribution]) -> Iterator[type[dist.Distribution]]:
    """A class and all that are made of it, the last ones first."""
    for one in reversed(distribution.__subclasses__()):
        yield from _all(one)
    yield distribution
