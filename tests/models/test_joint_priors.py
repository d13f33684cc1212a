"""Priors of several numbers together: a multivariate normal one of coefficients, LKJ of a group's correlations."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import stats

from credo.errors import ConfigError
from credo.experiment.parts import make_model
from credo.models import priors
from credo.models.problem import Problem
from credo.models.regression import Regression
from models.test_formula_regression import PRIORS, density, problem, table  # noqa: F401 - a fixture
from registry import compose

COVARIANCE = np.array([[1.0, 0.6], [0.6, 2.0]])
JOINT = priors.multivariate_normal([0.5, -0.5], COVARIANCE.tolist())


def of_beta(one, value):
    """The log prior density of beta."""
    sites = one.bound.at({"beta": jnp.asarray(value)})
    return float(sites["beta"]["fn"].log_prob(sites["beta"]["value"]))


def test_coefficients_of_columns_have_it_as_it_is():
    data = xr.Dataset({"y": ("obs", [1.0, 2.0, 3.0]), "x": (("obs", "feature"), np.eye(3)[:, :2])})
    model = Regression(PRIORS | {"beta": JOINT}, "gaussian")
    one = Problem(model.fitted(data), data)
    value = [0.3, 1.2]
    exact = stats.multivariate_normal([0.5, -0.5], COVARIANCE).logpdf(value)
    assert of_beta(one, value) == pytest.approx(exact, rel=1e-5)
    assert {site.name: one.dims(site) for site in one.latents}["beta"] == ("feature",)


def test_those_of_a_formula_have_it_in_units_of_the_data(table):  # noqa: F811
    one = problem(table, "y ~ age + sex", priors={"beta": JOINT})
    male = (table["sex"] == "m").to_numpy(float)
    unit = table["y"].std(ddof=0) / np.array([table["age"].std(ddof=0), male.std()])
    value = np.array([0.1, -0.4])
    exact = stats.multivariate_normal(unit * [0.5, -0.5], np.outer(unit, unit) * COVARIANCE)
    assert of_beta(one, value) == pytest.approx(exact.logpdf(value), rel=1e-4)
    as_it_is = problem(table, "y ~ age + sex", priors={"beta": JOINT}, autoscale=False)
    plain = stats.multivariate_normal([0.5, -0.5], COVARIANCE).logpdf(value)
    assert of_beta(as_it_is, value) == pytest.approx(plain, rel=1e-5)
    sd = unit[0] * 1.0
    assert f"beta of age, correlated with the others ~ Normal({unit[0] * 0.5:.3g}, {sd:.3g})" in one.model.mathematics


def test_one_number_stands_for_all_coefficients(table):  # noqa: F811
    alike = problem(table, "y ~ age + sex", priors={"beta": priors.multivariate_normal(0.0, 6.25)})
    independent = problem(table, "y ~ age + sex", priors={"beta": dist.Normal(0.0, 2.5)})
    values = {"intercept_at_mean": 2.0, "beta": np.array([0.1, 0.2]), "sigma": 1.0}
    np.testing.assert_allclose(density(alike, values), density(independent, values), rtol=1e-5)


@pytest.mark.parametrize(
    ("formula", "family", "given", "said"),
    [
        (
            "y ~ age",
            "gaussian",
            {},
            "model.prior.beta: expected one number, or 1 as there are so many coefficients, but",
        ),
        (
            "y ~ age + sex",
            "gaussian",
            {"age": dist.Normal()},
            "model.prior.age: the prior at model.prior.beta is one of",
        ),
        (
            "grade ~ age + sex",
            "categorical",
            {},
            "model.prior.beta: a multivariate prior is one of the coefficients of",
        ),
    ],
)
def test_where_it_does_not_fit(table, formula, family, given, said):  # noqa: F811
    with pytest.raises(ConfigError) as refused:
        problem(table, formula, family, priors={"beta": JOINT, **given})
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("loc", "covariance", "said"),
    [
        (0.0, [[1.0, 2.0], [2.0, 1.0]], "covariance: expected a positive number, or the rows of a symmetric, positive"),
        (0.0, [[1.0, 0.5], [0.4, 1.0]], "covariance: expected a positive number, or the rows of a symmetric, positive"),
        (0.0, [[1.0, 0.5]], "covariance: expected a positive number, or the rows of a symmetric, positive"),
        ([0.0, 1.0, 2.0], COVARIANCE.tolist(), "loc: expected one number, or 2 as the covariance has rows, but got 3"),
    ],
)
def test_numbers_that_are_no_normal_distribution(loc, covariance, said):
    with pytest.raises(ConfigError) as refused:
        priors.multivariate_normal(loc, covariance)
    assert str(refused.value).startswith(said)


def test_it_is_typed_as_other_priors_are():
    typed = ("prior@model.prior.beta=multivariate_normal", "model.prior.beta.covariance=[[1,0.5],[0.5,1]]")
    made = make_model(compose("model=regression", *typed))
    np.testing.assert_allclose(made.prior["beta"].covariance_matrix, [[1, 0.5], [0.5, 1]])
    with pytest.raises(ConfigError, match=r"^model.prior.intercept: intercept must be a finite number, but the prior"):
        make_model(compose("model=regression", "prior@model.prior.intercept=lkj"))


def test_a_group_may_have_a_concentration_of_its_own(table):  # noqa: F811
    general = problem(table, "y ~ age + (1 + age | ward)", lkj=3.0)
    own = problem(table, "y ~ age + (1 + age | ward)", priors={"corr_ward": priors.lkj(3.0)})
    root = np.array([[1.0, 0.0], [0.6, 0.8]])
    values = {"intercept_at_mean": 2.0, "beta": [0.1], "sigma": 1.0, "sd[ward]": [0.5, 0.02], "cholesky[ward]": root}
    values |= {"z[ward]": np.zeros((4, 2))}
    np.testing.assert_allclose(density(own, values), density(general, values), rtol=1e-6)
    uniform = problem(table, "y ~ age + (1 + age | ward)")
    exact = dist.LKJCholesky(2, 3.0).log_prob(root) - dist.LKJCholesky(2, 1.0).log_prob(root)
    np.testing.assert_allclose(density(own, values) - density(uniform, values), exact, rtol=1e-2)


@pytest.mark.parametrize(
    ("formula", "settings"), [("y ~ age + (1 | ward)", {}), ("y ~ (1 + age | ward)", {"correlated": False})]
)
def test_correlations_that_a_group_does_not_have(table, formula, settings):  # noqa: F811
    with pytest.raises(ConfigError, match=r"^model.prior.corr_ward: the model reads no such prior"):
        problem(table, formula, priors={"corr_ward": priors.lkj(2.0)}, **settings)


def test_what_only_helps_to_compute_another_site_is_marked(table):  # noqa: F811
    one = problem(table, "y ~ age + (1 + age | ward)", formula_sigma="sigma ~ age")
    asides = {site.name: site.aside for site in one.sites if site.aside}
    assert asides == {
        "intercept_at_mean": "intercept",
        "cholesky[ward]": "corr[ward]",
        "sigma_intercept_at_mean": "sigma_intercept",
    }
