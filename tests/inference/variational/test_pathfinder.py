"""Pathfinder against exact answers, and what it does not pass."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import stats

from credo.diagnostics.base import put
from credo.diagnostics.collect import collect
from credo.diagnostics.confirmed import Confirmed
from credo.diagnostics.pareto_k import ParetoK
from credo.diagnostics.summary import summarise
from credo.errors import ConfigError, RunError
from credo.inference.kind import Kind
from credo.inference.variational import mixture
from credo.inference.variational.path import PAIRS, Curved
from credo.models.bernoulli import Bernoulli
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.program import Program

pytestmark = pytest.mark.slow  # `make proofs` runs them

Y = [1.2, 0.7, -0.3, 2.1, 1.6, 0.9, 0.1, 1.4]


def rows(y):
    return xr.Dataset({"y": ("obs", np.asarray(y))})


def two_modes(y):
    """Two modes 20 standard deviations apart, the lower one with 0.3 of the mass."""
    x = numpyro.sample("x", dist.Uniform(-100, 100))
    weights = dist.CategoricalProbs(np.array([0.7, 0.3]))
    peaks = dist.MixtureSameFamily(weights, dist.Normal(np.array([-10.0, 10.0]) + 0 * x, 1.0))
    numpyro.factor("peaks", peaks.log_prob(x))
    numpyro.sample("y", dist.Normal(0.0, 1.0), obs=y)


def ridge(y):
    """Only the sum of two latents has a say."""
    a = numpyro.sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
    b = numpyro.sample("b", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.sample("y", dist.Normal(a + b, 1.0), obs=y)


def heavy(y):
    """A posterior with tails far heavier than a normal's."""
    x = numpyro.sample("x", dist.Cauchy(0.0, 1.0))
    numpyro.sample("y", dist.Normal(0.0 * x, 1.0), obs=y)


def of_program(function, y=Y):
    return Problem(Program(f"{__name__}:{function.__name__}", {}), rows(y))


@pytest.fixture(scope="module")
def normal(infer):
    return infer(Problem(Gaussian({"loc": dist.Normal(0.0, 2.0)}, 1.0, (0.0, 1.0)), rows(Y)), "pathfinder")


def test_of_a_normal_posterior_all_is_exact(normal, reference):
    exact = reference("closed_forms.json")["normal_normal"]
    numbers = collect(normal, summarise(normal))
    row = summarise(normal).set_index("variable").loc["loc"]
    assert normal.kind is Kind.INDEPENDENT
    assert numbers["log_evidence"] == pytest.approx(exact["log_evidence"], abs=1e-8)
    assert numbers["elbo"] == pytest.approx(exact["log_evidence"], abs=1e-8)
    assert abs(row["mean"] - exact["post_mean"]) < 4 * row["mcse_mean"]
    assert put(Confirmed(0.05), normal, summarise(normal)).status == "passed"


@pytest.mark.parametrize("name", ["beta_bernoulli_a1_b1_n10_k7", "beta_bernoulli_a2_b2_n10_k7"])
def test_the_evidence_of_coin_flips_is_within_three_errors(name, infer, reference):
    exact = reference("closed_forms.json")[name]
    a, b = (one - data for one, data in zip(exact["post"], (7, 3), strict=True))
    result = infer(Problem(Bernoulli({"p": dist.Beta(a, b)}), rows([1] * 7 + [0] * 3)), "pathfinder")
    numbers = collect(result, summarise(result))
    row = summarise(result).set_index("variable").loc["p"]
    assert put(ParetoK(0.7), result, summarise(result)).status == "passed"
    assert abs(numbers["log_evidence"] - exact["log_evidence_sequence"]) < min(3 * numbers["log_evidence_error"], 0.05)
    assert abs(row["mean"] - exact["mean"]) < 4 * row["mcse_mean"]


@pytest.mark.slow
def test_modes_that_some_starts_found_have_their_own_mass(infer):
    result = infer(of_program(two_modes), "pathfinder", starts=16)
    left = float((result.tree["posterior"]["x"] < 0).mean())
    assert abs(left - 0.7) < 4 * np.sqrt(0.7 * 0.3 / result.tree["importance"].attrs["effective"])
    assert put(ParetoK(0.7), result, summarise(result)).status == "passed"
    assert put(Confirmed(0.05), result, summarise(result)).status == "passed"


@pytest.mark.slow
def test_a_mode_that_one_start_alone_found_is_not_passed(infer):
    """With two starts, in each mode one."""
    seeds = (infer(of_program(two_modes), "pathfinder", seed=seed, starts=2) for seed in range(8))
    found = next(r for r in seeds if 0.1 < float((r.tree["posterior"]["x"] < 0).mean()) < 0.9)
    assert put(Confirmed(0.05), found, summarise(found)).status == "not checked"


@pytest.mark.slow
def test_one_start_confirms_nothing(infer):
    result = infer(of_program(two_modes), "pathfinder", starts=1, draws=500)
    assert put(Confirmed(0.05), result, summarise(result)).status == "not checked"


@pytest.mark.slow
def test_a_tail_that_no_normal_distribution_has_fails(infer):
    result = infer(of_program(heavy), "pathfinder")
    assert put(ParetoK(0.7), result, summarise(result)).status == "failed"
    assert "log_evidence" not in collect(result, summarise(result))


def test_a_flat_direction_is_never_passed(infer):
    result = infer(of_program(ridge), "pathfinder", draws=500)
    answers = [put(check, result, summarise(result)).status for check in (ParetoK(0.7), Confirmed(0.05))]
    assert set(answers) != {"passed"}


def test_no_approximation_at_all_is_an_error_that_names_a_method(infer):
    with pytest.raises(RunError, match="use inference=nuts"):
        infer(of_program(two_modes), "pathfinder", steps=1, tolerance=1e9)


def test_a_network_is_refused_with_the_method_that_takes_it(method):
    problem = of_program(two_modes)
    object.__setattr__(problem, "training", object())
    with pytest.raises(ConfigError, match="use inference=map"):
        method("pathfinder").check(problem)


@pytest.mark.slow
def test_other_numbers_do_not_compile_again(infer):
    data = rows([1] * 7 + [0] * 3)
    infer(Problem(Bernoulli({"p": dist.Beta(1.5, 1.5)}), data), "pathfinder", draws=50)
    before = mixture._some._cache_size()
    infer(Problem(Bernoulli({"p": dist.Beta(2.5, 3.5)}), data), "pathfinder", draws=1200, seed=3, tolerance=1e-4)
    assert mixture._some._cache_size() == before


def test_the_normal_distribution_is_that_of_the_inverse_hessian():
    """Against the recursion of Nocedal and Wright (2006), equation 6.17, from the same diagonal."""
    random, dim = np.random.default_rng(0), 5
    root = random.normal(size=(dim, dim))
    hessian = root @ root.T + np.eye(dim)
    curved, pairs = Curved(jnp.zeros((PAIRS, dim)), jnp.zeros((PAIRS, dim)), jnp.ones(dim)), []
    for _ in range(4):
        move = random.normal(size=dim)
        pairs.append((move, hessian @ move))
        curved = curved.with_pair(jnp.asarray(move), jnp.asarray(hessian @ move))
    inverse = np.diag(np.asarray(curved.diagonal))
    for move, fall in pairs:
        left = np.eye(dim) - np.outer(move, fall) / (move @ fall)
        inverse = left @ inverse @ left.T + np.outer(move, move) / (move @ fall)
    z, gradient = random.normal(size=(2, dim))
    normal = curved.normal(jnp.asarray(z), jnp.asarray(gradient))
    drawn, log_q = normal.draw(jnp.asarray(random.normal(size=dim)))
    assert np.asarray(normal.mean) == pytest.approx(z + inverse @ gradient)
    exact = stats.multivariate_normal(z + inverse @ gradient, inverse).logpdf(np.asarray(drawn))
    assert float(log_q) == pytest.approx(exact)
    assert float(normal.log_density(drawn)) == pytest.approx(exact)
