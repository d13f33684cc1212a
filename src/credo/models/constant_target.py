"""Where a target that never varies leaves no posterior.

Let all n rows be one number, which a linear predictor of d coefficients can be in every row. Where the scale sigma of
the noise goes to 0, the likelihood is about sigma^-n in a region of the coefficients whose volume is at least about
sigma^d, so that the marginal posterior of sigma goes at least as its prior times sigma^(d - n). With a prior that goes
as sigma^a it is no distribution where a + d - n <= -1. A prior that vanishes faster than any power, as a log-normal one
does, leaves one.
"""

from typing import Any

import numpy as np
from jaxtyping import Shaped

from credo.errors import ConfigError

_NEAR_ZERO = np.array([1e-10, 1e-20, 1e-30])


def refuse(y: Shaped[np.ndarray, "row"], coefficients: int, prior: Any, key: str) -> None:
    """Refuse a target that is constant where the posterior of its scale is no distribution.

    Args:
        y: the training rows.
        coefficients: how many there are at most, among them an intercept.
        prior: of the scale.
        key: where the target is named.

    Raises:
        ConfigError: the posterior has no bound where the scale goes to 0.
    """
    if len(y) < 2 or np.ptp(y) != 0 or _power(prior) + coefficients - len(y) > -1:
        return
    raise ConfigError(
        f"{key}: the target is {y[0]:g} in all {len(y)} training rows, so that the posterior of sigma runs off to 0 "
        "and is no distribution; choose another target, or a prior that vanishes there, as in "
        "prior@model.prior.sigma=lognormal"
    )


def _power(prior: Any) -> float:
    """The power of sigma as which a prior goes near 0; infinity where it vanishes faster, or that is not known."""
    if not np.all(prior.support(_NEAR_ZERO)):
        return np.inf
    slopes = np.diff(np.asarray(prior.log_prob(_NEAR_ZERO), float)) / np.diff(np.log(_NEAR_ZERO))
    return float(slopes[0]) if abs(slopes[1] - slopes[0]) < 1e-3 else np.inf
