"""The likelihood of every model against SciPy, at fixed values of the latents."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro import handlers
from scipy import stats
from scipy.special import expit

from credo.models.base import Model
from credo.models.bernoulli import Bernoulli
from credo.models.gaussian import Gaussian
from credo.models.hierarchical import Hierarchical
from credo.models.normal_inverse_gamma import NormalInverseGamma
from credo.models.problem import Problem
from credo.models.regression import Regression
from credo.models.uniform import Uniform

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(6, 2))
REAL = RANDOM.normal(size=6)
COUNT = RANDOM.poisson(2.0, size=6)
FLIP = np.array([0, 1, 1, 0, 1, 1])
SIGMA = np.array([1.0, 2.0, 0.5, 1.5, 1.0, 3.0])
GROUP = np.array([0, 2, 1, 1, 0, 2])
MEAN = 0.3 + X @ [0.5, -1.2]
COEFFICIENTS = {"intercept": 0.3, "beta": np.array([0.5, -1.2])}
THETA = np.array([0.1, -0.4, 2.0])

PRIOR: dict[str, Any] = dict.fromkeys(["loc", "mu", "intercept", "beta"], dist.Normal(0.0, 1.0))
PRIOR |= dict.fromkeys(["tau", "sigma", "df"], dist.HalfNormal(1.0))
PRIOR |= {"p": dist.Beta(1.0, 1.0), "theta": dist.Pareto(1.0, 1.0), "sigma2": dist.InverseGamma(2.0, 1.0)}
SPIKE = PRIOR | {"inclusion": dist.BernoulliProbs(0.5)}
CHOICE = PRIOR | {"loc": dist.BernoulliProbs(0.5)}


def build(model: type[Model], *settings: Any, prior: dict[str, Any] = PRIOR) -> Model:
    """A model with those priors that it reads; their densities do not matter here."""
    return model({name: prior[name] for name in model.supports if name in prior}, *settings)


Case = tuple[Model, dict[str, Any], dict[str, Any], Callable[[], np.ndarray]]

CASES: dict[str, Case] = {
    "bernoulli": (build(Bernoulli), {"y": FLIP}, {"p": 0.3}, lambda: stats.bernoulli(0.3).logpmf(FLIP)),
    "gaussian": (
        build(Gaussian, 2.0, (0.0, 1.0)),
        {"y": REAL},
        {"loc": 0.4},
        lambda: stats.norm(0.4, 2.0).logpdf(REAL),
    ),
    "gaussian, sigma inferred": (
        build(Gaussian, None, (0.0, 1.0)),
        {"y": REAL},
        {"loc": 0.4, "sigma": 0.7},
        lambda: stats.norm(0.4, 0.7).logpdf(REAL),
    ),
    "gaussian, sigma of the data": (
        build(Gaussian, 2.0, (0.0, 1.0)),
        {"y": REAL, "sigma": SIGMA},
        {"loc": 0.4},
        lambda: stats.norm(0.4, SIGMA).logpdf(REAL),
    ),
    "gaussian, second hypothesis": (
        build(Gaussian, 1.0, (-3.0, 0.5), prior=CHOICE),
        {"y": REAL},
        {"hypothesis": 1},
        lambda: stats.norm(0.5, 1.0).logpdf(REAL),
    ),
    "normal_inverse_gamma": (
        build(NormalInverseGamma, 0.0, 1.0),
        {"y": REAL},
        {"mu": 0.4, "sigma2": 2.0},
        lambda: stats.norm(0.4, np.sqrt(2.0)).logpdf(REAL),
    ),
    "uniform": (
        build(Uniform),
        {"y": np.abs(REAL)},
        {"theta": 4.0},
        lambda: stats.uniform(0, 4.0).logpdf(np.abs(REAL)),
    ),
    "gaussian regression": (
        build(Regression, "gaussian"),
        {"y": REAL, "x": X},
        COEFFICIENTS | {"sigma": 1.5},
        lambda: stats.norm(MEAN, 1.5).logpdf(REAL),
    ),
    "bernoulli regression": (
        build(Regression, "bernoulli"),
        {"y": FLIP, "x": X},
        COEFFICIENTS,
        lambda: stats.bernoulli(expit(MEAN)).logpmf(FLIP),
    ),
    "poisson regression": (
        build(Regression, "poisson"),
        {"y": COUNT, "x": X},
        COEFFICIENTS,
        lambda: stats.poisson(np.exp(MEAN)).logpmf(COUNT),
    ),
    "student_t regression": (
        build(Regression, "student_t"),
        {"y": REAL, "x": X},
        COEFFICIENTS | {"sigma": 1.5, "df": 4.0},
        lambda: stats.t(4.0, MEAN, 1.5).logpdf(REAL),
    ),
    "spike and slab": (
        build(Regression, "gaussian", prior=SPIKE),
        {"y": REAL, "x": X},
        COEFFICIENTS | {"sigma": 1.5, "inclusion_0": 0, "inclusion_1": 1},
        lambda: stats.norm(0.3 - 1.2 * X[:, 1], 1.5).logpdf(REAL),
    ),
    "hierarchical": (
        build(Hierarchical, False),
        {"y": REAL, "sigma": SIGMA},
        {"mu": 1.0, "tau": 2.0, "z": X[:, 0]},
        lambda: stats.norm(1.0 + 2.0 * X[:, 0], SIGMA).logpdf(REAL),
    ),
    "hierarchical, centred": (
        build(Hierarchical, True),
        {"y": REAL, "sigma": SIGMA},
        {"mu": 1.0, "tau": 2.0, "theta": X[:, 0]},
        lambda: stats.norm(X[:, 0], SIGMA).logpdf(REAL),
    ),
    "hierarchical, groups": (
        build(Hierarchical, True),
        {"y": REAL, "group": GROUP},
        {"mu": 1.0, "tau": 2.0, "theta": THETA, "sigma": 0.7},
        lambda: stats.norm(THETA[GROUP], 0.7).logpdf(REAL),
    ),
}


def messages(model: Model, variables: dict[str, Any], latents: dict[str, Any]) -> dict[str, Any]:
    dims = {name: ("obs", "feature")[: np.ndim(values)] for name, values in variables.items()}
    data = xr.Dataset({name: (dims[name], values) for name, values in variables.items()}, {"group_name": list("abc")})
    program = handlers.substitute(handlers.seed(Problem(model, data).bound, 0), latents)
    return handlers.trace(program).get_trace()


@pytest.mark.parametrize("name", CASES)
def test_log_likelihood(name: str) -> None:
    model, variables, latents, exact = CASES[name]
    y = messages(model, variables, latents)["y"]
    assert np.asarray(y["fn"].log_prob(y["value"])) == pytest.approx(exact(), abs=1e-12)


def test_uniform_ends() -> None:
    """The end itself is inside, as the maximum of the likelihood lies on it; anything visibly above is not."""
    y = np.array([0.5, 2.0])
    likelihood = messages(build(Uniform), {"y": y}, {"theta": 2.0})["y"]["fn"]
    assert np.asarray(likelihood.log_prob(y)) == pytest.approx([-np.log(2.0)] * 2)
    assert np.all(likelihood.log_prob(2.0 + 1e-12) == -np.inf)


def test_the_prior_of_mu_given_sigma2() -> None:
    latents = {"mu": 0.4, "sigma2": 2.0}
    mu = messages(build(NormalInverseGamma, 1.0, 4.0), {"y": REAL}, latents)["mu"]
    assert mu["fn"].log_prob(0.4).item() == pytest.approx(stats.norm(1.0, np.sqrt(2.0 / 4.0)).logpdf(0.4))
