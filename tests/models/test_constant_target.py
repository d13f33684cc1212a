"""A target that never varies is refused where it leaves no posterior of its scale, and only there."""

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.errors import ConfigError
from credo.models import constant_target
from credo.models.regression import Regression

POSITIVE = {
    "half_normal": dist.HalfNormal(1.0),
    "half_cauchy": dist.HalfCauchy(1.0),
    "gamma": dist.Gamma(2.0, 1.0),
}
VANISHING = {
    "lognormal": dist.LogNormal(0.0, 1.0),
    "inverse_gamma": dist.InverseGamma(2.0, 1.0),
    "far": dist.Gamma(20.0, 1.0),
    "bounded": dist.Uniform(0.5, 2.0),
}


def regression(prior, family="gaussian", **settings):
    own = {
        "intercept": dist.Normal(0.0, 10.0),
        "beta": dist.Normal(0.0, 1.0),
        "sigma": prior,
        "df": dist.Gamma(2.0, 0.1),
    }
    return Regression(own, family, **settings)


def table(rows=8, y=3.0):
    x = np.arange(float(rows))[:, None]
    return xr.Dataset({"y": ("obs", np.full(rows, y)), "x": (("obs", "feature"), x)}, {"feature": ["x"]})


@pytest.mark.parametrize("family", ["gaussian", "student_t", "lognormal"])
@pytest.mark.parametrize("prior", POSITIVE)
def test_a_constant_target_is_refused(prior, family):
    with pytest.raises(ConfigError) as refused:
        regression(POSITIVE[prior], family).fitted(table())
    assert str(refused.value) == (
        "data.target: the target is 3 in all 8 training rows, so that the posterior of sigma runs off to 0 and is no "
        "distribution; choose another target, or a prior that vanishes there, as in prior@model.prior.sigma=lognormal"
    )


@pytest.mark.parametrize("prior", VANISHING)
def test_a_prior_that_leaves_a_posterior_is_not_refused(prior):
    regression(VANISHING[prior]).fitted(table())


def test_what_has_no_scale_and_what_varies_are_not_refused():
    prior = POSITIVE["half_normal"]
    regression(prior, "poisson").fitted(table())
    regression(prior).fitted(table(rows=2))  # as many coefficients as rows
    varied = table()
    varied["y"][0] = 3.5
    regression(prior).fitted(varied)


@pytest.mark.parametrize("prior", [*POSITIVE, "far"])
def test_the_posterior_of_the_scale_goes_as_that_power_near_zero(prior):
    """Of n equal rows with a normal intercept, where the integral over the intercept is known."""
    n, y, scale = 8, 3.0, 10.0
    sigma = np.array([1e-8, 1e-9])
    given = {**POSITIVE, **VANISHING}[prior]
    spread = np.sqrt(scale**2 + sigma**2 / n)
    marginal = np.asarray(given.log_prob(sigma), float) - (n - 1) * np.log(sigma)
    marginal += -0.5 * (y / spread) ** 2 - np.log(spread)
    slope = np.diff(marginal)[0] / np.diff(np.log(sigma))[0]
    assert constant_target._power(given) + 1 - n == pytest.approx(slope, abs=1e-2)
