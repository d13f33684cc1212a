"""Problems whose log p(data) is known in closed form, by the names of the reference answers."""

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.models import priors
from credo.models.bernoulli import Bernoulli
from credo.models.gaussian import Gaussian
from credo.models.normal_inverse_gamma import NormalInverseGamma
from credo.models.problem import Problem
from credo.models.uniform import Uniform

Y = [1.2, 0.7, -0.3, 2.1, 1.6, 0.9, 0.1, 1.4]


def rows(y):
    return xr.Dataset({"y": ("obs", np.asarray(y))})


def coins(a, b):
    return Problem(Bernoulli({"p": dist.Beta(a, b)}), rows([1] * 7 + [0] * 3))


def between(end):
    return Problem(Gaussian({"loc": priors.uniform(-end, end)}, 1.0, (0.0, 1.0)), rows(Y))


PROBLEMS = {
    "beta_bernoulli_a1_b1_n10_k7": lambda: coins(1.0, 1.0),
    "beta_bernoulli_a0.5_b0.5_n10_k7": lambda: coins(0.5, 0.5),
    "beta_bernoulli_a1_b9_n10_k7": lambda: coins(1.0, 9.0),
    "normal_normal": lambda: Problem(Gaussian({"loc": dist.Normal(0.0, 2.0)}, 1.0, (0.0, 1.0)), rows(Y)),
    "normal_inverse_gamma": lambda: Problem(
        NormalInverseGamma({"sigma2": dist.InverseGamma(2.0, 1.0)}, 0.0, 1.0), rows(Y)
    ),
    "uniform_prior_normal_L0.8": lambda: between(0.8),
    "uniform_prior_normal_L5.0": lambda: between(5.0),
    "uniform_likelihood_pareto": lambda: Problem(
        Uniform({"theta": priors.pareto(1.0, 2.0)}), rows([0.3, 1.1, 0.7, 1.9, 1.2])
    ),
}


def exact(found):
    """Log p(data) of the reference."""
    return found.get("log_evidence", found.get("log_evidence_sequence"))


def each(names):
    """The one whose program other tests run as well among the quick tests, and the others among the slow ones."""
    return [pytest.param(name, marks=() if name == "normal_normal" else pytest.mark.slow) for name in names]
