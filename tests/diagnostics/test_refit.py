"""Leave-one-out by moment matching and by refits, against exact answers."""

from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import norm
from scipy.stats import t as student

from credo.diagnostics.base import put
from credo.diagnostics.loo import Loo, add_leave_one_out, leave_one_out, loo_metrics
from credo.diagnostics.moment_matching import Affine, matched, smoothed
from credo.diagnostics.refit import Left, Whole
from credo.diagnostics.summary import summarise
from credo.errors import ConfigError
from credo.inference.evaluate import evaluate
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.models.bernoulli import Bernoulli
from credo.models.normal_inverse_gamma import NormalInverseGamma
from credo.models.problem import Problem

A, B, KAPPA = 2.0, 1.0, 1.0
Y = np.append(np.random.default_rng(0).normal(size=14), 8.0)
"""The last one is an outlier."""


def posterior(y):
    """Kappa, mean, a and b of the normal-inverse-gamma posterior."""
    n, mean = len(y), y.mean()
    b = B + ((y - mean) ** 2).sum() / 2 + KAPPA * n * mean**2 / (2 * (KAPPA + n))
    return KAPPA + n, y.sum() / (KAPPA + n), A + n / 2, b


def exact(i):
    kappa, mean, a, b = posterior(np.delete(Y, i))
    return student.logpdf(Y[i], 2 * a, mean, np.sqrt(b * (kappa + 1) / (a * kappa)))


@pytest.mark.parametrize("outlier", [6.0, 10.0, 20.0])
def test_moment_matching_finds_the_exact_density_of_an_outlier(outlier):
    """Where reweighting errs by more than a nat."""
    y, random = np.append(Y[:-1], outlier), np.random.default_rng(1)
    kappa, mean, a, b = posterior(y)
    s2 = b / random.gamma(a, size=4000)
    z = np.stack([random.normal(mean, np.sqrt(s2 / kappa)), np.log(s2)], axis=1)

    def log_joint(z):
        mu, s2 = z[:, 0], np.exp(z[:, 1])
        prior = norm.logpdf(mu, 0, np.sqrt(s2 / KAPPA)) - (A + 1) * np.log(s2) - B / s2 + z[:, 1]
        return norm.logpdf(y, mu[:, None], np.sqrt(s2)[:, None]).sum(axis=1) + prior

    def of_one(z):
        return norm.logpdf(outlier, z[:, 0], np.exp(z[:, 1] / 2))

    kappa, mean, a, b = posterior(y[:-1])
    truth = student.logpdf(outlier, 2 * a, mean, np.sqrt(b * (kappa + 1) / (a * kappa)))
    plain, k = smoothed(-of_one(z), 1.0)
    found = matched(z, log_joint, of_one, 1.0)
    assert k > 0.7
    assert abs(logsumexp(plain + of_one(z)) - truth) > 1
    assert found.elpd == pytest.approx(truth, abs=0.25)
    assert found.pareto_k < 0.75


def test_a_move_back_is_the_inverse_of_a_move():
    random = np.random.default_rng(0)
    move = Affine(random.normal(size=3), random.normal(size=3), random.normal(size=(3, 3)))
    z = random.normal(size=(10, 3))
    np.testing.assert_allclose(move.back(move(z)), z)


@pytest.fixture(scope="module")
def problem():
    model = NormalInverseGamma({"sigma2": dist.InverseGamma(A, B)}, 0.0, KAPPA)
    return Problem(model, xr.Dataset({"y": ("obs", Y)}))


@pytest.fixture(scope="module")
def chosen(method: Callable):
    return method("nuts", chains=2, warmup=500, draws=2000)


@pytest.fixture(scope="module")
def result(problem):
    """Draws of the posterior itself."""
    random, (kappa, mean, a, b) = np.random.default_rng(1), posterior(Y)
    s2 = b / random.gamma(a, size=(2, 2000))
    draws = {"sigma2": np.log(s2), "mu": random.normal(mean, np.sqrt(s2 / kappa))}
    tree = evaluate(problem, draws, {}, jax.random.PRNGKey(0))
    made = Result(tree, Status.DONE, Cost({}), "nuts", Kind.CHAINS, ("sigma2", "mu"), ("y",))
    return add_leave_one_out(made)


def fresh(result):
    return replace(result, tree=result.tree.copy())


def test_the_check_says_what_was_done_and_the_score_is_exact(problem, chosen, result):
    check = Loo(0.7, refit=True, refit_max=5)
    assert put(check, result, summarise(result)).status == "note"
    better = check.derived(problem, chosen, fresh(result), jax.random.PRNGKey(1))
    answer = put(check, better, summarise(better))
    assert answer.status == "passed"
    assert answer.advice.endswith("without trouble; 1 row: 1 by moment matching.")
    truth = sum(exact(i) for i in range(len(Y)))
    assert loo_metrics(better)["elpd_loo"] == pytest.approx(truth, abs=0.2)
    assert abs(loo_metrics(result)["elpd_loo"] - truth) > 1
    rows = leave_one_out(better)
    assert rows["by"].tolist() == [""] * 14 + ["moment matching"]
    np.testing.assert_allclose(rows["elpd"] + rows["p"], leave_one_out(result)["elpd"] + leave_one_out(result)["p"])


@pytest.mark.slow
def test_a_refit_is_the_posterior_without_the_row_and_another_row_compiles_nothing(problem, chosen, result):
    whole = Whole(problem, chosen, result)
    first, _ = whole.refitted(Left("y", 3), jax.random.PRNGKey(2))
    second, cost = whole.refitted(Left("y", 14), jax.random.PRNGKey(2))
    assert cost.programs == 0
    for found, i in ((first, 3), (second, 14)):
        assert found.by == "refit"
        assert found.elpd == pytest.approx(exact(i), abs=0.25)


def test_rows_beyond_the_most_refits_stay_as_they_are_and_are_said_to(problem, chosen, result, monkeypatch):
    monkeypatch.setattr(Whole, "matched", lambda *_: {})
    check = Loo(0.7, refit=True, refit_max=0)
    better = check.derived(problem, chosen, fresh(result), jax.random.PRNGKey(1))
    answer = put(check, better, summarise(better))
    assert answer.status == "note"
    assert "They were not answered by a refit (refit_max=0)." in answer.advice
    assert leave_one_out(better)["elpd"].tolist() == leave_one_out(result)["elpd"].tolist()


def test_what_has_no_rows_or_no_chains_is_refused(problem, chosen, method):
    check = Loo(0.7, refit=True)
    check.require(problem, chosen)
    one = Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), xr.Dataset({"y": ("flip", [1])}))
    with pytest.raises(ConfigError, match=r"^refit: the model has 1 observation, and leaves none out"):
        check.require(one, chosen)
    with pytest.raises(ConfigError, match=r"^refit: leave-one-out takes the draws of Markov chains"):
        check.require(problem, method("map"))
    Loo(0.7).require(one, method("map"))
