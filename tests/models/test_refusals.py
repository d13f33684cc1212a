"""What a model cannot do is said in one sentence, with the key, before anything compiles."""

from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.bernoulli import Bernoulli
from credo.models.binding import bind
from credo.models.gaussian import Gaussian
from credo.models.hierarchical import Hierarchical
from credo.models.problem import Problem
from credo.models.regression import Regression
from credo.models.uniform import Uniform

REAL = dist.Normal(0.0, 1.0)
COIN = Bernoulli({"p": dist.Beta(1.0, 1.0)})
UPPER = Uniform({"theta": dist.Pareto(1.0, 2.0)})
GROUPS = Hierarchical({"mu": REAL, "tau": dist.HalfCauchy(1.0), "sigma": dist.HalfNormal(1.0)}, False)


def regression(family: str, **prior: Any) -> Regression:
    return Regression({"intercept": REAL, "beta": REAL, "sigma": dist.HalfNormal(1.0)} | prior, family)


def data(y: Any, **variables: Any) -> xr.Dataset:
    return xr.Dataset({"y": ("row", np.asarray(y)), "x": (("row", "feature"), np.ones((len(y), 1))), **variables})


@pytest.mark.parametrize(
    ("model", "y", "sentence"),
    [
        (COIN, [0, 1, 2], "model=bernoulli: every y must be 0 or 1, but row 2 has 2"),
        (COIN, [0.0, 0.5, 1.0], "model=bernoulli: every y must be 0 or 1, but row 1 has 0.5"),
        (regression("bernoulli"), [0, -1], "model.family=bernoulli: every y must be 0 or 1, but row 1 has -1"),
        (
            regression("poisson"),
            [3, -1],
            "model.family=poisson: every y must be a whole number of at least 0, but row 1 has -1",
        ),
        (
            regression("poisson"),
            [1.5, 2.0],
            "model.family=poisson: every y must be a whole number of at least 0, but row 0 has 1.5",
        ),
        (UPPER, [0.5, 0.0], "model=uniform: every y must be a positive number, but row 1 has 0"),
        (UPPER, [-0.25, 1.0], "model=uniform: every y must be a positive number, but row 0 has -0.25"),
        (regression("gaussian"), [1.0, np.nan], "model.family=gaussian: every y must be a finite number, .* has nan"),
    ],
)
def test_an_observation_outside_the_support(model: Model, y: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sentence}; choose another model or other data$"):
        Problem(model, data(y)).check()


def test_what_is_inside_the_support_passes() -> None:
    for model, y in ((COIN, [0, 1]), (regression("poisson"), [0, 7]), (regression("poisson"), [0.0, 7.0])):
        Problem(model, data(y)).check()
    Problem(UPPER, data([1e-9, 3.0])).check()


def test_a_missing_variable() -> None:
    sentence = "^data: the model 'regression' needs the variable 'x', but the data has only y; choose other data"
    with pytest.raises(ConfigError, match=sentence):
        Problem(regression("gaussian"), data([1.0, 2.0])[["y"]]).check()


def test_neither_standard_errors_nor_groups() -> None:
    with pytest.raises(ConfigError, match=r"^model=hierarchical needs known standard errors .* but the data has neith"):
        Problem(GROUPS, data([1.0, 2.0])).check()


def test_a_missing_prior() -> None:
    sentence = "^model.prior.sigma: the model needs a prior of sigma, but there is none"
    with pytest.raises(ConfigError, match=sentence):
        Problem(Gaussian({"loc": REAL}, None, (0, 1)), data([1.0])).check()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Gaussian({"loc": REAL}, 1.0, (0, 1, 2)), r"hypotheses: expected two locations, but got \[0, 1, 2\]"),
        (lambda: regression("gama"), "family: expected one of gaussian, .*, but got 'gama'"),
        (lambda: regression("gaussian", inclusion=REAL), "prior.inclusion: inclusion must be 0 or 1, but the prior"),
        (lambda: regression("gaussian", sigma=REAL), "prior.sigma: sigma must be a positive number, but the prior all"),
        (lambda: regression("gaussian", bta=REAL), "prior.bta: the model reads no such prior; did you mean 'beta'"),
        (lambda: Bernoulli({"p": dist.Gamma(1.0, 1.0)}), "prior.p: p must be a number between 0 and 1, but the pr"),
        (lambda: Bernoulli({"p": 0.5}), "prior.p: expected a prior, .* but got 0.5"),
    ],
)
def test_impossible_settings(make: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        make()


@pytest.mark.parametrize(
    ("values", "dtype", "shown"),
    [([1.0, 1e39], float, r"holds 1e\+39 in row 2"), ([1, -(2**40)], int, r"holds -1\.09951e\+12 in row 2")],
)
def test_numbers_that_overflow_in_the_precision_of_the_run(values: list[float], dtype: type, shown: str) -> None:
    model = Gaussian({"loc": REAL}, 1.0, (0, 1))
    with jax.enable_x64(False), pytest.raises(ConfigError, match=rf"device\.precision=float32: the data's 'y' {shown}"):
        bind(model, data(np.array(values, dtype)))
    with jax.enable_x64(True):
        bind(model, data(np.array(values, dtype)))
