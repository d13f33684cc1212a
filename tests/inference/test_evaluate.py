"""From draws to the tree: densities by hand, names and labels, batches, predictive draws, recovered indicators."""

import sys
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import stats

from credo.inference import evaluate as module
from credo.inference.evaluate import evaluate
from credo.models.gaussian import Gaussian
from credo.models.hierarchical import Hierarchical
from credo.models.problem import Problem
from credo.models.program import Program
from credo.models.regression import Regression

RANDOM = np.random.default_rng(4)
DRAWS = {"loc": RANDOM.normal(size=(2, 50)), "sigma": RANDOM.normal(size=(2, 50))}
LOC, SIGMA = DRAWS["loc"], np.exp(DRAWS["sigma"])
STATS = {"lp": np.zeros((2, 50))}


def rows(y: list[float], labels: str) -> xr.Dataset:
    truth = ((), 0.5, {"role": "truth", "site": "loc"})
    return xr.Dataset({"y": ("day", y), "w": ("day", y), "truth_loc": truth}, {"day": list(labels)})


TRAIN, TEST = rows([1.0, -0.5, 2.0], "abc"), rows([0.3, 4.0], "de")


@pytest.fixture(scope="module")
def problem() -> Problem:
    prior = {"loc": dist.Normal(1.0, 2.0), "sigma": dist.HalfNormal(3.0)}
    return Problem(Gaussian(prior, None, (0, 1)), TRAIN, TEST)


@pytest.fixture(scope="module")
def tree(problem: Problem) -> xr.DataTree:
    return evaluate(problem, DRAWS, STATS, jax.random.PRNGKey(0))


def test_draws_are_constrained(tree: xr.DataTree) -> None:
    assert np.allclose(tree["posterior"]["loc"], LOC, rtol=1e-14)
    assert np.allclose(tree["posterior"]["sigma"], SIGMA, rtol=1e-14)


@pytest.mark.parametrize(("group", "data"), [("log_likelihood", TRAIN), ("log_likelihood_test", TEST)])
def test_log_likelihood(group: str, data: xr.Dataset, tree: xr.DataTree) -> None:
    found = tree[group]["y"]
    exact = stats.norm(LOC[..., None], SIGMA[..., None]).logpdf(data["y"].to_numpy())
    assert found.dims == ("chain", "draw", "day")
    assert found["day"].to_numpy().tolist() == data["day"].to_numpy().tolist()
    assert np.allclose(found, exact, rtol=1e-12)


def test_log_prior(tree: xr.DataTree) -> None:
    """In the latents' own space, without a Jacobian."""
    assert np.allclose(tree["log_prior"]["loc"], stats.norm(1.0, 2.0).logpdf(LOC), rtol=1e-12)
    assert np.allclose(tree["log_prior"]["sigma"], stats.halfnorm(scale=3.0).logpdf(SIGMA), rtol=1e-12)


def test_groups(tree: xr.DataTree) -> None:
    contents = {group: [str(name) for name in node.data_vars] for group, node in tree.children.items()}
    assert contents == {
        "posterior": ["loc", "sigma"],
        "log_prior": ["loc", "sigma"],
        "log_likelihood": ["y"],
        "log_likelihood_test": ["y"],
        "posterior_predictive": ["y"],
        "sample_stats": ["lp"],
        "observed_data": ["y"],
        "constant_data": ["w"],
        "truth": ["truth_loc"],
    }
    assert tree["observed_data"]["y"].to_numpy().tolist() == [1.0, -0.5, 2.0]


def test_predictive_draws(tree: xr.DataTree) -> None:
    """300 independent standard normals once location and scale are taken out."""
    y = tree["posterior_predictive"]["y"]
    assert y.dims == ("chain", "draw", "day")
    standard = (y.to_numpy() - LOC[..., None]) / SIGMA[..., None]
    assert stats.kstest(standard.ravel(), "norm").pvalue > 1e-4


def assert_same(one: xr.DataTree, other: xr.DataTree) -> None:
    assert one.children.keys() == other.children.keys()
    for group in one.children:
        xr.testing.assert_identical(one[group].to_dataset(), other[group].to_dataset())


@pytest.mark.parametrize("least", [30, 50, 99])
def test_batches_change_nothing(
    least: int, problem: Problem, tree: xr.DataTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred draws by 30 (the last batch is filled up), by 50 (even), and by 99 (one draw is left)."""
    monkeypatch.setattr(module, "_BATCH_SCALARS", 1)
    monkeypatch.setattr(module, "_LEAST_BATCH", least)
    seen = []
    compiled = module.batch
    monkeypatch.setattr(module, "batch", lambda *args: seen.append(len(args[-1])) or compiled(*args))
    assert_same(evaluate(problem, DRAWS, STATS, jax.random.PRNGKey(0)), tree)
    assert seen == [least] * -(-100 // least)


def test_the_key_decides_what_is_predicted_and_nothing_else(problem: Problem, tree: xr.DataTree) -> None:
    other = evaluate(problem, DRAWS, STATS, jax.random.PRNGKey(1))
    assert np.all(other["posterior_predictive"]["y"] != tree["posterior_predictive"]["y"])
    for group in ("posterior", "log_likelihood", "log_prior"):
        xr.testing.assert_identical(other[group].to_dataset(), tree[group].to_dataset())


def test_effects_of_groups_are_no_prior() -> None:
    """The log prior is what a prior sensitivity check scales: hyperparameters, not the structure below them."""
    prior = {"mu": dist.Normal(0.0, 1.0), "tau": dist.HalfNormal(1.0)}
    data = xr.Dataset({"y": ("school", [1.0, 2.0]), "sigma": ("school", [1.0, 1.0])}, {"school": ["a", "b"]})
    draws = {"mu": np.zeros((1, 3)), "tau": np.zeros((1, 3)), "z": np.ones((1, 3, 2))}
    found = evaluate(Problem(Hierarchical(prior, False), data), draws, {}, jax.random.PRNGKey(0))
    assert [*found["log_prior"].data_vars] == ["mu", "tau"]
    assert [*found["posterior"].data_vars] == ["mu", "tau", "z", "theta"]
    assert np.all(found["posterior"]["theta"] == 1.0)  # mu + tau z with tau = exp(0)
    assert found["posterior"]["theta"]["school"].to_numpy().tolist() == ["a", "b"]
    assert [*found["constant_data"].data_vars] == ["sigma"]
    assert "sample_stats" not in found.children


class Indicators:
    """A spike-and-slab regression at fixed coefficients, and the probabilities of its four sets of indicators."""

    x = RANDOM.normal(size=(6, 2))
    y = RANDOM.normal(size=6)
    sets = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    beta = np.array([0.4, -0.3])

    @property
    def problem(self) -> Problem:
        prior = dict.fromkeys(["intercept", "beta"], dist.Normal(0.0, 1.0))
        prior |= {"sigma": dist.HalfNormal(1.0), "inclusion": dist.BernoulliProbs(0.4)}
        data = xr.Dataset({"y": ("obs", self.y), "x": (("obs", "feature"), self.x)})
        return Problem(Regression(prior, "gaussian"), data)

    def evaluate(self, count: int, **more: Any) -> xr.DataTree:
        draws = {
            "intercept": np.full((1, count), 0.1),
            "beta": np.tile(self.beta, (1, count, 1)),
            "sigma": np.zeros((1, count)),
        }
        return evaluate(self.problem, draws | more.pop("given", {}), {}, jax.random.PRNGKey(0), **more)

    def probabilities(self) -> np.ndarray:
        log = [stats.norm(0.1 + self.x @ (self.beta * s), 1.0).logpdf(self.y).sum() for s in self.sets]
        weights = np.exp(log) * np.prod(np.where(self.sets == 1, 0.4, 0.6), axis=1)
        return weights / weights.sum()


def test_indicators_are_recovered_by_their_probabilities() -> None:
    """4000 independent draws against four known probabilities."""
    found = Indicators().evaluate(4000)["posterior"]["inclusion"].to_numpy()[0]
    counts = [int(np.sum(np.all(found == s, axis=1))) for s in Indicators.sets]
    expected = 4000 * Indicators().probabilities()
    assert expected.min() > 20
    assert stats.chisquare(counts, expected).pvalue > 1e-4


def test_indicators_are_recovered_at_their_mode() -> None:
    found = Indicators().evaluate(3, temperature=0)["posterior"]["inclusion"].to_numpy()[0]
    assert found.tolist() == [Indicators.sets[np.argmax(Indicators().probabilities())].tolist()] * 3


def test_given_indicators_are_kept() -> None:
    """The log likelihood is that of the given values."""
    given = {"inclusion_0": np.array([[0, 1]]), "inclusion_1": np.array([[1, 1]])}
    found = Indicators().evaluate(2, given=given)
    assert found["posterior"]["inclusion"].to_numpy()[0].tolist() == [[0, 1], [1, 1]]
    means = 0.1 + (Indicators.beta * np.array([[0, 1], [1, 1]])) @ Indicators.x.T
    assert np.allclose(found["log_likelihood"]["y"][0], stats.norm(means, 1.0).logpdf(Indicators.y), rtol=1e-12)
    assert [*found["log_prior"].data_vars] == ["intercept", "beta", "inclusion_0", "inclusion_1", "sigma"]


def vectors(y):
    loc = numpyro.sample("loc", dist.Normal(0.0, 1.0))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(jnp.full(2, loc), 1.0).to_event(1), obs=y)


def test_an_observation_with_several_dims_has_those_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log likelihood has those outside of the event only."""
    package = ModuleType("vectors")
    package.model = vectors  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vectors", package)
    data = xr.Dataset({"y": (("day", "side"), np.ones((3, 2)))}, {"day": list("abc")})
    found = evaluate(Problem(Program("vectors:model", {}), data), {"loc": DRAWS["loc"]}, {}, jax.random.PRNGKey(0))
    assert found["posterior_predictive"]["y"].dims == ("chain", "draw", "day", "side")
    assert found["log_likelihood"]["y"].dims == ("chain", "draw", "day")
    assert found["log_likelihood"]["day"].to_numpy().tolist() == list("abc")
