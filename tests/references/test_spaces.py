"""A mode depends on the space in which the density is taken: for Gamma(3, 1) it is 2, or 3 with the Jacobian."""

from collections.abc import Callable

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.inference.result import Result, Status
from credo.models.problem import Problem
from credo.models.program import Program


def gamma() -> None:
    numpyro.sample("x", dist.Gamma(3.0, 1.0))


# In its own space the information is 2 / x^2 at x = 2; in that of log x it is 3, so that x has the error 3 / sqrt(3).
@pytest.mark.parametrize(
    ("space", "mode", "error"), [("constrained", 2.0, np.sqrt(2)), ("unconstrained", 3.0, np.sqrt(3))]
)
def test_map_of_a_gamma(space: str, mode: float, error: float, infer: Callable[..., Result]) -> None:
    result = infer(Problem(Program(f"{__name__}:gamma", {}), xr.Dataset()), "map", space=space, starts=4)
    assert result.status is Status.DONE
    assert result.tree["posterior"]["x"].item() == pytest.approx(mode, abs=1e-7)
    assert result.tree["standard_error"]["x"].item() == pytest.approx(error, rel=1e-6)
    assert {"log_likelihood", "posterior_predictive", "observed_data"}.isdisjoint(result.tree.children)
