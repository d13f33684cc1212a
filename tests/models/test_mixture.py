"""model=mixture: its density by SciPy, its evidence by enumeration of who belongs where, what it refuses."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro.infer.util import log_density
from scipy import stats
from scipy.special import betaln, gammaln, logsumexp

from credo.errors import ConfigError
from credo.experiment.parts import make_model
from credo.inference.evidence import table
from credo.inference.result import Result
from credo.models import priors
from credo.models.mixture import Mixture
from credo.models.problem import Problem
from registry import compose

Y = np.array([-2.1, -1.7, 0.4, 1.9, 2.5, 2.2])
PRIORS = {"weights": priors.dirichlet(1.5), "loc": dist.Normal(0.0, 2.0), "scale": dist.LogNormal(-0.5, 0.5)}


def problem(model: Mixture, y: np.ndarray = Y) -> Problem:
    data = xr.Dataset({"y": ("row", y)})
    return Problem(model.fitted(data), data)


def test_the_density_is_that_of_scipy() -> None:
    weights, loc, scale = np.array([0.2, 0.5, 0.3]), np.array([-2.0, 0.5, 2.0]), np.array([0.5, 1.0, 0.7])
    bound = problem(Mixture(PRIORS, 3, False)).bound
    found = jax.jit(lambda z: log_density(bound, (), {}, z)[0])({"weights": weights, "loc": loc, "scale": scale})
    exact = np.log(stats.norm(loc, scale).pdf(Y[:, None]) @ weights).sum()
    exact += stats.dirichlet([1.5] * 3).logpdf(weights) + stats.lognorm(0.5, scale=np.exp(-0.5)).logpdf(scale).sum()
    exact += stats.norm(0, 2).logpdf(loc).sum() + gammaln(4)  # six orders of three means
    assert float(found) == pytest.approx(exact, rel=1e-8)


def test_priors_are_in_units_of_the_data_where_they_scale() -> None:
    y = 100 + 10 * Y
    sites = problem(Mixture(PRIORS, 2, True), y).bound.at(
        {"weights": np.array([0.5, 0.5]), "loc": np.array([90.0, 110.0]), "scale": np.array([3.0, 4.0])}
    )
    exact = stats.norm(y.mean(), 2 * y.std()).logpdf([90, 110]).sum() + np.log(2)
    assert float(sites["loc"]["fn"].log_prob(sites["loc"]["value"])) == pytest.approx(exact)
    exact = stats.lognorm(0.5, scale=np.exp(-0.5) * y.std()).logpdf([3, 4])
    np.testing.assert_allclose(sites["scale"]["fn"].log_prob(sites["scale"]["value"]), exact)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            ["model.prior.weights.concentration=[1,2,3]"],
            "model.prior.weights.concentration: expected one number, or 2 as there are 2 shares, but got 3",
        ),
        (["model.prior.weights.concentration=0"], "model.prior.weights.concentration: expected a positive number, but"),
        (["model.components=1"], "model.components: expected a whole number of at least 2, but got 1"),
        (
            ["prior@model.prior.loc=dirichlet"],
            "model.prior.loc: loc must be a finite number, but the prior allows a probability vector; choose another",
        ),
        (
            ["prior@model.prior.weights=gaussian"],
            "model.prior.weights: weights must be a probability vector, but the prior allows a finite number; choose",
        ),
    ],
)
def test_what_it_refuses(typed: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make_model(compose("model=mixture", *typed))
    assert str(refused.value).startswith(said)


def test_shares_may_have_concentrations_of_their_own() -> None:
    made = make_model(compose("model=mixture", "model.prior.weights.concentration=[1,3]"))
    np.testing.assert_array_equal(made.prior["weights"].concentration, [1.0, 3.0])


def test_rows_that_are_all_alike_have_no_unit() -> None:
    with pytest.raises(ConfigError, match=r"^model.autoscale: y is constant on the training rows; set"):
        problem(Mixture(PRIORS, 2, True), np.ones(5))


def exact(y: np.ndarray) -> tuple[float, float]:
    """log p(y), and the posterior mean of loc_0 + loc_1, by a sum over all allocations and quadrature over scales."""
    grid = np.exp(-0.5 + 0.5 * stats.norm.ppf((np.arange(2000) + 0.5) / 2000))
    terms, sums = [], []
    for choice in itertools.product([False, True], repeat=len(y)):
        of_first = np.array(choice)
        log_weight, means = betaln(1.5 + of_first.sum(), 1.5 + (~of_first).sum()) - betaln(1.5, 1.5), []
        for part in (y[of_first], y[~of_first]):
            precision = 0.25 + len(part) / grid**2
            mean = part.sum() / grid**2 / precision
            each = -0.5 * ((part**2).sum() / grid**2 - mean**2 * precision) - 0.5 * np.log(4 * precision)
            each -= len(part) * np.log(np.sqrt(2 * np.pi) * grid)
            log_weight += logsumexp(each) - np.log(len(grid))
            means.append(np.exp(each - logsumexp(each)) @ mean)
        terms.append(log_weight)
        sums.append(sum(means))
    return logsumexp(terms), float(np.exp(np.array(terms) - logsumexp(terms)) @ np.array(sums))


@pytest.mark.slow
def test_the_posterior_is_that_of_the_sum_over_all_allocations(
    infer: Callable[..., Result], z_score: Callable[..., Any]
) -> None:
    log_evidence, middle = exact(Y)
    found = infer(problem(Mixture(PRIORS, 2, False)), "smc", particles=2000)
    value, error = table.found(found.tree)["smc"]
    assert abs(value - log_evidence) < 4 * error
    chains = infer(problem(Mixture(PRIORS, 2, False)), "nuts", draws=5000, target_accept=0.95)
    assert abs(z_score(chains.tree["posterior"]["loc"].sum("component"), middle)) < 4
