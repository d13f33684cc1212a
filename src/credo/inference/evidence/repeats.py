"""Log p(data) by independent repeats, whose spread is its error."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp, ndtri, stdtrit

_NORMAL = ndtri(0.95)


def of_repeats(log_evidence: Float[np.ndarray, "repeat"]) -> tuple[float, float]:
    """The log of the mean of independent unbiased estimates, and its standard error.

    The error is so large that 1.645 of it to each side are the 90 % interval of Student's t, which few repeats need.
    It is NaN for a single one.

    Example:
        >>> value, error = of_repeats(np.array([-3.0, -3.0, -3.0, -3.0]))
        >>> value, error
        (-3.0, 0.0)
    """
    count = len(log_evidence)
    value = float(logsumexp(log_evidence)) - math.log(count)
    if count < 2:
        return value, math.nan
    inflation = float(stdtrit(count - 1, 0.95) / _NORMAL)
    return value, inflation * float(np.std(log_evidence, ddof=1)) / math.sqrt(count)
