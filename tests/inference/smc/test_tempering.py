"""Parallel tempering against exact answers, among them the weights of far modes, and what it does not pass."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.chains import Chains
from credo.diagnostics.exchange import Exchange
from credo.diagnostics.peak import Peak
from credo.diagnostics.r_hat import RHat
from credo.diagnostics.round_trips import RoundTrips
from credo.diagnostics.summary import summarise
from credo.errors import ConfigError, RunError
from credo.inference.evidence.table import found
from credo.inference.kind import Kind
from credo.inference.smc import exchanges
from credo.inference.smc.rungs import first_ladder, ladder_of
from credo.models import priors
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.program import Program
from credo.models.uniform import Uniform
from inference.smc.closed_forms import PROBLEMS, Y, each, exact, rows

pytestmark = pytest.mark.slow  # `make proofs` runs them

CHECKS = {
    "chains": Chains(2), "exchange": Exchange(0.1), "peak": Peak(1.0), "r_hat": RHat(1.01),
    "round_trips": RoundTrips(10),
}  # fmt: skip
QUICK = {"warmup": 400, "draws": 500, "rungs": 8}
FAR = dist.MixtureSameFamily(dist.CategoricalProbs(np.array([0.1, 0.9])), dist.Normal(np.array([0.0, 60.0]), 1.0))


def modes_of_the_prior(y):
    """Two modes 60 standard deviations apart, about which the data say nothing."""
    mu = numpyro.sample("mu", FAR)
    numpyro.sample("y", dist.Normal(mu, 1000.0), obs=y)


def modes_of_the_likelihood(y):
    """A broad prior, and a likelihood with two modes 12 apart, of width 0.1 and weights 0.3 and 0.7."""
    x = numpyro.sample("x", dist.Normal(0.0, 10.0).expand([2]).to_event(1))
    heights = jnp.log(jnp.array([0.3, 0.7])) - 2 * jnp.log(0.1)
    centres = jnp.array([[-6.0, 0.0], [6.0, 0.0]])
    distances = jnp.sum((x - centres) ** 2, -1) / 0.1**2
    numpyro.factor("modes", jnp.logaddexp(*(heights - distances / 2)))
    numpyro.sample("y", dist.Normal(0.0, 1.0), obs=y)


def of_program(function, y):
    return Problem(Program(f"{__name__}:{function.__name__}", {}), rows(y))


def statuses(result):
    summary = summarise(result)
    return {name: put(check, result, summary).status for name, check in CHECKS.items()}


@pytest.fixture(scope="module")
def normal(infer):
    return infer(PROBLEMS["normal_normal"](), "tempering", **QUICK)


@pytest.mark.parametrize("name", each(PROBLEMS))
def test_log_evidence_is_within_three_errors_of_closed_forms(name, infer, reference):
    value, error = found(infer(PROBLEMS[name](), "tempering", **QUICK | {"draws": 1000}).tree)["tempering"]
    assert error < 0.1
    assert abs(value - exact(reference("closed_forms.json")[name])) < max(0.05, 3 * error)


def test_draws_have_the_posterior_and_pass_all_checks(normal, reference):
    known = reference("closed_forms.json")["normal_normal"]
    row = summarise(normal).set_index("variable").loc["loc"]
    assert normal.kind is Kind.CHAINS
    assert normal.tree["posterior"]["loc"].shape == (8, 500)
    assert abs(row["mean"] - known["post_mean"]) < 4 * row["mcse_mean"]
    assert row["sd"] == pytest.approx(known["post_sd"], rel=0.1)
    assert statuses(normal) == dict.fromkeys(CHECKS, "passed")


def test_the_log_density_is_that_of_the_draws(normal):
    loc = normal.tree["posterior"]["loc"].to_numpy()
    prior = -0.5 * (loc / 2) ** 2 - np.log(2)
    lp = prior - 0.5 * np.sum((np.array(Y) - loc[..., None]) ** 2, -1) - 9 / 2 * np.log(2 * np.pi)
    assert np.allclose(normal.tree["sample_stats"]["lp"], lp, atol=1e-6)


def test_all_exchanges_are_about_as_likely(normal):
    rates = normal.tree["rungs"]["exchange"].to_numpy()
    assert np.ptp(rates) < 0.1
    beta = normal.tree["rungs"]["beta"].to_numpy()
    assert (beta[0], beta[-1]) == (0, 1)
    assert (np.diff(beta) > 0).all()


def test_a_ladder_is_finer_where_exchanges_are_refused():
    ladder = ladder_of(np.array([0.0, 0.5, 1.0]), np.array([0.1, 1.0]))
    assert 0 < ladder[1] < 0.3
    assert (np.diff(first_ladder(5)) > 0).all()


@pytest.mark.parametrize(
    ("function", "y", "name", "weight"),
    [
        (modes_of_the_prior, [30.0], "mu", 0.9),
        pytest.param(modes_of_the_likelihood, [0.0], "x", 0.7, marks=pytest.mark.slow),
    ],
)
def test_far_modes_have_their_weights(function, y, name, weight, infer):
    result = infer(of_program(function, y), "tempering", rungs=12)
    draws = result.tree["posterior"][name].to_numpy()
    first = draws if draws.ndim == 2 else draws[..., 0]
    right = first > (30 if name == "mu" else 0)
    assert abs(right.mean() - weight) < 0.03
    assert statuses(result)["round_trips"] == "passed"


def test_too_few_rungs_fail(infer):
    far = Problem(Gaussian({"loc": dist.Normal(0.0, 1000.0)}, 0.01, (0.0, 1.0)), rows(Y))
    result = infer(far, "tempering", rungs=3, warmup=100, draws=100)
    assert "failed" in statuses(result).values()


def test_a_prior_that_forbids_the_data_is_one_sentence(infer):
    problem = Problem(Uniform({"theta": priors.uniform(0.0, 1.0)}), xr.Dataset({"y": ("obs", [0.5, 2.0])}))
    with pytest.raises(RunError, match=r"^inference\.chains=8: the log likelihood is finite at none of the draws"):
        infer(problem, "tempering", **QUICK)


def test_an_unknown_mutation_is_refused(method):
    with pytest.raises(ConfigError, match="mutation: expected one of hmc, random_walk, but got 'gibbs'"):
        method("tempering", mutation="gibbs")


@pytest.mark.slow
def test_other_numbers_do_not_compile_again(infer):
    def question(scale):
        return Problem(Gaussian({"loc": dist.Normal(0.0, scale)}, 1.0, (0.0, 1.0)), rows(Y))

    infer(question(2.5), "tempering", **QUICK | {"warmup": 100, "draws": 60})
    before = exchanges.block._cache_size()
    infer(question(3.5), "tempering", **QUICK | {"warmup": 150, "draws": 110}, seed=3)
    assert exchanges.block._cache_size() == before
