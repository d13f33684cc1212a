"""Laplace's approximation against exact answers, and what it refuses or does not pass."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.collect import collect
from credo.diagnostics.hessian import Hessian
from credo.diagnostics.mcse import Mcse
from credo.diagnostics.pareto_k import ParetoK
from credo.diagnostics.starts_agree import StartsAgree
from credo.diagnostics.summary import summarise
from credo.inference.kind import Kind
from credo.inference.variational import laplace
from credo.models import priors
from credo.models.bernoulli import Bernoulli
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.program import Program

pytestmark = pytest.mark.slow  # `make proofs` runs them

Y = [1.2, 0.7, -0.3, 2.1, 1.6, 0.9, 0.1, 1.4]
AGREE = StartsAgree(threshold=2, tolerance=0.01, distance=0.5)


def rows(y):
    return xr.Dataset({"y": ("obs", np.asarray(y))})


def two_modes(y):
    """The likelihood has two modes 20 standard deviations apart, the lower one with a tenth of the mass."""
    x = numpyro.sample("x", dist.Uniform(-100, 100))
    weights = dist.CategoricalProbs(np.array([0.9, 0.1]))
    mixture = dist.MixtureSameFamily(weights, dist.Normal(np.array([-10.0, 10.0]) + 0 * x, 1.0))
    numpyro.factor("peaks", mixture.log_prob(x))
    numpyro.sample("y", dist.Normal(0.0, 1.0), obs=y)


def ridge(y):
    """Only the sum of two latents has a say."""
    a = numpyro.sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
    b = numpyro.sample("b", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.sample("y", dist.Normal(a + b, 1.0), obs=y)


def of_program(function, y=Y):
    return Problem(Program(f"{__name__}:{function.__name__}", {}), rows(y))


@pytest.fixture(scope="module")
def normal(infer):
    return infer(Problem(Gaussian({"loc": dist.Normal(0.0, 2.0)}, 1.0, (0.0, 1.0)), rows(Y)), "laplace")


def test_of_a_normal_posterior_all_is_exact(normal, reference):
    exact = reference("closed_forms.json")["normal_normal"]
    numbers = collect(normal, summarise(normal))
    row = summarise(normal).set_index("variable").loc["loc"]
    assert normal.kind is Kind.INDEPENDENT
    assert numbers["log_evidence_laplace"] == pytest.approx(exact["log_evidence"], abs=1e-8)
    assert numbers["log_evidence"] == pytest.approx(exact["log_evidence"], abs=1e-8)
    assert numbers["log_evidence_error"] < 1e-6
    assert abs(row["mean"] - exact["post_mean"]) < 4 * row["mcse_mean"]
    assert row["mcse_mean"] == pytest.approx(exact["post_sd"] / np.sqrt(4000), rel=0.05)
    assert np.isnan([row["r_hat"], row["ess_bulk"], row["ess_tail"]]).all()


def test_the_draws_have_both_densities(normal):
    stats = normal.tree["sample_stats"]
    assert set(stats.data_vars) == {"log_p", "log_q"}
    assert stats["log_p"].shape == (1, 4000)
    assert np.ptp((stats["log_p"] - stats["log_q"]).to_numpy()) < 1e-6


@pytest.mark.parametrize("name", ["beta_bernoulli_a1_b1_n10_k7", "beta_bernoulli_a2_b2_n10_k7"])
def test_the_corrected_evidence_of_coin_flips_is_within_three_errors(name, infer, reference):
    exact = reference("closed_forms.json")[name]
    a, b = (one - data for one, data in zip(exact["post"], (7, 3), strict=True))
    result = infer(Problem(Bernoulli({"p": dist.Beta(a, b)}), rows([1] * 7 + [0] * 3)), "laplace")
    numbers = collect(result, summarise(result))
    row = summarise(result).set_index("variable").loc["p"]
    assert put(ParetoK(0.7), result, summarise(result)).status == "passed"
    off = abs(numbers["log_evidence"] - exact["log_evidence_sequence"])
    assert off < min(3 * numbers["log_evidence_error"], 0.05)
    assert abs(row["mean"] - exact["mean"]) < 4 * row["mcse_mean"]


@pytest.mark.slow
def test_starts_in_two_modes_fail_though_k_is_small(infer):
    result = infer(of_program(two_modes), "laplace", starts=16, draws=1000)
    summary = summarise(result)
    assert put(ParetoK(0.7), result, summary).status == "passed"
    assert put(AGREE, result, summary).status == "failed"


def test_a_flat_direction_is_never_passed(infer):
    result = infer(of_program(ridge), "laplace", draws=500)
    summary = summarise(result)
    assert put(ParetoK(0.7), result, summary).status == "not checked"
    assert put(Hessian(1e-6), result, summary).status == "failed"
    assert put(Mcse(0.1), result, summary).status == "not checked"


def test_an_improper_prior_has_no_evidence_and_a_sentence_says_so(infer):
    result = infer(Problem(Gaussian({"loc": priors.flat("real")}, 1.0, (0.0, 1.0)), rows(Y)), "laplace", draws=500)
    numbers = collect(result, summarise(result))
    assert not {"log_evidence", "log_evidence_error", "log_evidence_laplace"} & set(numbers)
    assert "improper" in result.missing["log_evidence"]


def test_other_numbers_do_not_compile_again(infer):
    data = rows([1] * 7 + [0] * 3)
    infer(Problem(Bernoulli({"p": dist.Beta(1.5, 1.5)}), data), "laplace", draws=50)
    before = laplace._some._cache_size()
    infer(Problem(Bernoulli({"p": dist.Beta(2.5, 3.5)}), data), "laplace", draws=1200, seed=3)
    assert laplace._some._cache_size() == before
