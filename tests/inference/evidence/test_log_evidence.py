"""Log p(data) by a bridge: stated errors, what is refused, and what is never passed."""

import json
import math
from dataclasses import replace

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import stats

from console import credo
from credo.diagnostics.base import put
from credo.diagnostics.evidence import Evidence
from credo.diagnostics.summary import summarise
from credo.errors import RunError
from credo.inference.evidence import bridge, table
from credo.models import priors
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.program import Program

pytestmark = pytest.mark.slow  # `make proofs` runs them

Y = [1.2, 0.7, -0.3, 2.1, 1.6, 0.9, 0.1, 1.4]


def rows(y):
    return xr.Dataset({"y": ("obs", np.asarray(y))})


def normal(y):
    """Five latents, of which the data says nothing alike: log p(data) is that of a normal distribution."""
    x = numpyro.sample("x", dist.Normal(0.0, 2.0).expand([5]).to_event(1))
    numpyro.sample("y", dist.Normal(x.sum(), 1.0), obs=y)


def skewed(y):
    """A gamma prior and Poisson counts: the posterior is a gamma again, and very skewed."""
    rate = numpyro.sample("rate", dist.Gamma(0.5, 1.0))
    numpyro.sample("y", dist.Poisson(rate), obs=y)


def mixture(y):
    """Which of two normals each observation is of is summed out."""
    mu = numpyro.sample("mu", dist.Normal(0.0, 3.0))
    with numpyro.plate("obs", len(y)):
        z = numpyro.sample("z", dist.Bernoulli(0.3), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(mu + 2 * z, 1.0), obs=y)


def of_program(function, y=Y):
    return Problem(Program(f"{__name__}:{function.__name__}", {}), rows(y))


def autocorrelated(random, mean, sd, phi, chains=4, count=500):
    """Chains with the stationary distribution N(mean, sd) and the lag-one autocorrelation phi."""
    steps = random.normal(size=(chains, count)) * math.sqrt(1 - phi**2)
    values = np.empty((chains, count))
    values[:, 0] = random.normal(size=chains)
    for i in range(1, count):
        values[:, i] = phi * values[:, i - 1] + steps[:, i]
    return mean + sd * values


def test_ninety_percent_intervals_hold_as_often_as_they_say():
    """In 80 to 98 of 100 repeats; a right interval fails this in 1 of 300."""
    random, exact = np.random.default_rng(1), stats.multivariate_normal([0] * 8, np.eye(8) + 4).logpdf(Y)
    problem = Problem(Gaussian({"loc": dist.StudentT(1e9, 0.0, 2.0)}, 1.0, (0.0, 1.0)), rows(Y))
    precision = len(Y) + 1 / 4
    z = []
    for seed in range(100):
        draws = autocorrelated(random, sum(Y) / precision, precision**-0.5, 0.7)
        value, error = bridge.log_evidence(problem, {"loc": draws}, jax.random.PRNGKey(seed))
        z.append((value - exact) / error)
    assert 80 <= np.sum(np.abs(z) < stats.norm.ppf(0.95)) <= 98
    assert abs(np.mean(z)) < 3 / np.sqrt(100)


@pytest.mark.parametrize("function", [normal, pytest.param(skewed, marks=pytest.mark.slow)])
def test_it_is_right_within_three_errors(function, infer):
    y = Y if function is normal else [0, 0, 0, 1]
    problem = of_program(function, y)
    if function is normal:
        exact = stats.multivariate_normal([0] * 8, np.eye(8) + 20).logpdf(Y)
    else:
        counts, shape, rate = np.sum(y), 0.5 + np.sum(y), 1.0 + len(y)
        exact = math.lgamma(shape) - math.lgamma(0.5) - shape * math.log(rate)
        exact -= sum(math.lgamma(one + 1) for one in y)
        assert counts == 1
    result = bridge.Bridge().derived(problem, infer(problem, "nuts", draws=1000), jax.random.PRNGKey(0))
    value, error = table.found(result.tree)["bridge"]
    assert error < 0.05
    assert abs(value - exact) < 3 * error
    assert result.cost.seconds["evidence"] > 0


def test_discrete_latents_are_summed_out(infer):
    problem = of_program(mixture)
    grid = np.linspace(-12, 12, 20001)
    each = np.log(
        0.7 * stats.norm.pdf(np.subtract.outer(Y, grid)) + 0.3 * stats.norm.pdf(np.subtract.outer(Y, grid) - 2)
    )
    joint = each.sum(axis=0) + stats.norm.logpdf(grid, 0, 3)
    exact = float(np.log(np.trapezoid(np.exp(joint - joint.max()), grid)) + joint.max())
    result = bridge.Bridge().derived(problem, infer(problem, "nuts", draws=500), jax.random.PRNGKey(0))
    value, error = table.found(result.tree)["bridge"]
    assert abs(value - exact) < max(3 * error, 1e-3)


def test_too_few_draws_are_refused_by_a_sentence():
    problem = of_program(normal)
    with pytest.raises(RunError, match="needs 100 draws of all chains, but there are 40"):
        bridge.log_evidence(problem, {"x": np.zeros((4, 10, 5))}, jax.random.PRNGKey(0))


GAUSSIAN = ("data=inline", f"data.values={Y}".replace(" ", ""), "model=gaussian")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*GAUSSIAN, "inference=map"), "credo: evidence=bridge takes the draws of Markov chains"),
        ((*GAUSSIAN, "inference=laplace"), "credo: evidence=bridge takes the draws of Markov chains"),
        ((*GAUSSIAN, "prior@model.prior.loc=flat"), "credo: evidence=bridge: the prior of loc is improper"),
        ((*GAUSSIAN, "model.sigma=null", "inference.keep=[sigma]"), "credo: inference.keep: evidence=bridge takes"),
        (("data=branches", "model=mdn", "inference=map"), "credo: evidence=bridge needs the posterior of all latents"),
    ],
)
def test_what_has_no_evidence_is_refused_at_once(words, sentence, tmp_path):
    said = credo("evidence=bridge", *words, cwd=tmp_path)
    assert said.code == 2
    assert said.err.startswith(sentence)
    assert not any(tmp_path.iterdir())


def test_where_it_cannot_be_had_the_draws_are_kept_and_the_verdict_is_no_pass(tmp_path):
    words = ("data=coin_flips", "model=bernoulli", "inference.draws=10", "inference.warmup=50", "tracking=none")
    said = credo(*words, "report=none", "evidence=bridge", "hydra.run.dir=run", cwd=tmp_path)
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    lacking = [check for check in verdict["checks"] if check["name"] == "log evidence"]
    assert said.code == 0
    assert (tmp_path / "run" / "posterior.nc").is_file()
    assert lacking[0]["status"] == "not checked"
    assert "needs 100 draws" in lacking[0]["advice"]
    assert verdict["status"] != "passed"


def test_a_run_says_its_evidence(tmp_path):
    words = ("experiment=eight_schools", "evidence=bridge", "tracking=none", "report=none", "hydra.run.dir=run")
    said = credo(*words, cwd=tmp_path)
    numbers = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "log p(data): -31.3" in said.out
    assert abs(numbers["log_evidence"] + 31.3113) < 3 * numbers["log_evidence_error"] < 0.05


def judged(infer_result, ways):
    tree = table.merged(infer_result.tree.copy(), ways)
    result = replace(infer_result, tree=tree)
    return put(Evidence(0.5), result, summarise(result))


@pytest.fixture(scope="module")
def chains(infer):
    return infer(Problem(Gaussian({"loc": priors.uniform(-2.0, 2.0)}, 1.0, (0.0, 1.0)), rows(Y)), "mh", draws=200)


@pytest.mark.parametrize(
    ("ways", "status"),
    [
        ({"bridge": (-11.0, 0.01)}, "passed"),
        ({"bridge": (-11.0, 0.01), "smc": (-11.2, 0.1)}, "passed"),
        ({"bridge": (-11.0, 0.01), "smc": (-13.0, 0.1)}, "failed"),
        ({"bridge": (-11.0, 0.9)}, "failed"),
    ],
)
def test_ways_that_disagree_or_hardly_know_fail(ways, status, chains):
    assert judged(chains, ways).status == status


@pytest.mark.slow
def test_a_factor_is_a_reason_for_care(tmp_path):
    model = """
import numpyro
import numpyro.distributions as dist


def model(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    numpyro.factor("pull", -0.5 * (mu - 1.0) ** 2)
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
"""
    (tmp_path / "mine.py").write_text(model)
    words = ("data=inline", "data.values=[1.0,0.5]", "model=program", "model.function=mine:model", "evidence=bridge")
    said = credo(*words, "tracking=none", "report=none", "inference.draws=200", cwd=tmp_path)
    assert said.code == 0
    assert "if the factors of the model (pull)" in " ".join(said.out.split())


def test_what_is_not_finite_is_no_way(chains):
    assert judged(chains, {"bridge": (math.nan, 0.1), "smc": (-3.0, math.inf)}) is None


COINS = ("data=coin_flips", "model=bernoulli", "evidence=all", "tracking=none", "report=none", "hydra.run.dir=run")


def evidence_check(folder):
    verdict = json.loads((folder / "run" / "verdict.json").read_text())
    return next(check for check in verdict["checks"] if check["name"] == "evidence")


@pytest.mark.slow
def test_all_ways_that_apply_are_compared(tmp_path):
    assert credo(*COINS, cwd=tmp_path).code == 0
    numbers = json.loads((tmp_path / "run" / "metrics.json").read_text())
    exact = -7.1853870155804165  # 7 heads and 3 tails, whose probability is uniform
    for way in ("bridge", "laplace"):
        assert abs(numbers[f"log_evidence/{way}"] - exact) < 0.01
    assert evidence_check(tmp_path)["status"] == "passed"


@pytest.mark.slow
def test_without_a_second_way_nothing_is_passed(tmp_path):
    others = ("~evidence.ways.laplace", "~evidence.ways.smc")
    assert credo(*COINS, *others, "inference.draws=200", cwd=tmp_path).code == 0
    found = evidence_check(tmp_path)
    assert found["status"] == "not checked"
    assert "no second way" in found["advice"]


def test_the_ways_are_refused_by_their_keys(tmp_path):
    said = credo(*COINS, "evidence.ways.laplace.draws=0", cwd=tmp_path)
    assert said.code == 2
    assert said.err == "credo: evidence.ways.laplace.draws: expected a whole number of at least 1, but got 0\n"
