"""Of very many observations some are left out; what is said of all agrees with leaving out every one."""

from dataclasses import replace

import arviz_stats
import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.completed import LogMeans, completed, log_means
from credo.diagnostics.loo import Loo, leave_one_out, loo_metrics
from credo.diagnostics.posterior_predictive import PosteriorPredictive
from credo.diagnostics.prior_sensitivity import PriorSensitivity, sensitivity
from credo.diagnostics.summary import summarise
from credo.inference import pointwise
from credo.inference.evaluate import Evaluation, evaluate
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.models.bernoulli import Bernoulli
from credo.models.observations import Observation
from credo.models.problem import Problem
from credo.models.sites import Site
from credo.models.subsample import SIZE, subsamples

ROWS = 5000
FLIPS = np.random.default_rng(0).integers(0, 2, ROWS)


def problem(rows_max, flips=FLIPS):
    data = xr.Dataset({"y": ("flip", flips)}, {"flip": [f"flip {i}" for i in range(len(flips))]})
    return Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), data, rows_max=rows_max)


def result(rows_max, chains=4, draws=200):
    """Independent draws of the exact posterior."""
    p = np.random.default_rng(1).beta(1 + FLIPS.sum(), 1 + (1 - FLIPS).sum(), (chains, draws))
    asked = problem(rows_max)
    tree = evaluate(asked, {"p": np.log(p) - np.log1p(-p)}, {}, jax.random.PRNGKey(0))
    return Result(tree, Status.DONE, Cost({}), "nuts", Kind.CHAINS, ("p",), ("y",))


@pytest.fixture(scope="module")
def both():
    return result(None), result(3000)


def test_the_rows_follow_from_what_was_observed():
    rows = problem(3000).kept_rows["y"]
    assert len(rows) == SIZE
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, problem(4000).kept_rows["y"])
    assert not np.array_equal(rows, problem(3000, 1 - FLIPS).kept_rows["y"])
    assert problem(ROWS).kept_rows == problem(None).kept_rows == {}


def test_what_is_kept_is_that_of_all_rows(both):
    whole, some = (one.tree for one in both)
    rows = pointwise.places(some["log_likelihood"]["y"])
    assert np.array_equal(rows, problem(3000).kept_rows["y"])
    assert some["log_likelihood"]["y"].coords["y_flip"].values.tolist() == [f"flip {i}" for i in rows]
    for group in ("log_likelihood", "posterior_predictive"):
        np.testing.assert_allclose(some[group]["y"].values, whole[group]["y"].values[..., rows], rtol=1e-12)
    each = whole["log_likelihood"]["y"].values
    np.testing.assert_allclose(pointwise.total(some), each.sum(axis=2), rtol=1e-12)
    np.testing.assert_allclose(pointwise.total(whole), each.sum(axis=2), rtol=1e-12)
    log_mean, mean, variance, draws = some["pointwise"]["y"].values
    assert (draws == 800).all()
    np.testing.assert_allclose(log_mean, np.log(np.exp(each).mean(axis=(0, 1))), rtol=1e-12)
    np.testing.assert_allclose(mean, each.mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(variance, each.var(axis=(0, 1)), rtol=1e-8)


def test_the_estimate_of_all_is_within_its_error_and_that_of_arviz(both):
    whole, some = map(loo_metrics, both)
    # Four standard errors of a normal number: a false alarm in 6 of 100,000; the seeds are fixed.
    assert abs(some["elpd_loo"] - whole["elpd_loo"]) < 4 * some["elpd_loo_subsampling_se"]
    assert some["elpd_loo_subsampling_se"] < 0.1
    assert some["elpd_loo_se"] == pytest.approx(whole["elpd_loo_se"], rel=0.05)
    assert "elpd_loo_subsampling_se" not in whole
    tree = both[1].tree
    known = log_means(tree)["y"]
    rows = leave_one_out(both[1])
    theirs = arviz_stats.base.array_stats._diff_srs_estimator(
        rows["elpd"].to_numpy(), known.every[known.drawn], known.every, ROWS
    )
    assert some["elpd_loo"] == pytest.approx(theirs[0], rel=1e-12)
    assert some["elpd_loo_subsampling_se"] == pytest.approx(theirs[1], rel=1e-10)
    assert some["elpd_loo_se"] ** 2 == pytest.approx(theirs[2] ** 2 * ROWS / (ROWS - 1) + theirs[1] ** 2, rel=1e-3)


def test_the_error_by_the_drawing_is_right():
    """Over 400 drawings the estimates spread as their stated error says, within four of its own errors of 3.5 %."""
    rng = np.random.default_rng(2)
    every = rng.normal(-1, 1, 4000)
    elpd = every - rng.exponential(0.01, 4000)
    found = []
    for _ in range(400):
        drawn = np.sort(rng.choice(4000, 500, replace=False))
        rows = leave_one_out(both_rows(elpd[drawn]))
        found.append(completed(rows, {"y": LogMeans(every, 0 * every, drawn)}))
    off = np.array([one.elpd.sum() - elpd.sum() for one in found])
    stated = np.sqrt(np.mean([one.error**2 for one in found]))
    assert abs(off.mean()) < 4 * stated / 20
    assert off.std() == pytest.approx(stated, rel=0.15)


def both_rows(elpd):
    """A result whose observations have been left out."""
    loo = xr.Dataset(
        {"site": ("observation", ["y"] * len(elpd)), "elpd": ("observation", elpd), "p": ("observation", 0.0 * elpd),
         "pareto_k": ("observation", 0.0 * elpd)},
        {"observation": np.arange(len(elpd))},
    )  # fmt: skip
    tree = xr.DataTree.from_dict({"loo": loo})
    return Result(tree, Status.DONE, Cost({}), "nuts", Kind.CHAINS, ("p",), ("y",))


def test_checks_say_what_was_looked_at(both):
    _, some = both
    answer = put(Loo(0.7), some, summarise(some))
    assert answer.status == "passed"
    assert "2,000 of 5,000 observations, drawn by the hash of the data" in answer.advice
    fits = put(PosteriorPredictive(0.01), some, summarise(some))
    assert fits.status == "passed"
    assert "2,000 of 5,000 rows of y were looked at" in fits.advice


def test_others_that_vary_much_are_noted(both):
    some = both[1]
    tree = some.tree.copy(deep=True)
    others = np.setdiff1d(np.arange(ROWS), problem(3000).kept_rows["y"])[:3]
    tree["pointwise"]["y"].values[2, others] = 1.0
    answer = put(Loo(0.7), Result(tree, Status.DONE, Cost({}), "nuts", Kind.CHAINS, ("p",), ("y",)), summarise(some))
    assert answer.status == "note"
    assert "of 3 others varies so much" in answer.advice


def test_sensitivity_is_that_of_all_rows(both):
    found = [sensitivity(one, pointwise.total(one.tree)) for one in both]
    assert found[1]["p"] == pytest.approx(found[0]["p"], rel=1e-6)
    assert put(PriorSensitivity(0.05), both[1], summarise(both[1])).status == "passed"


def test_blocks_make_the_moments_of_all():
    asked, z = problem(3000), np.random.default_rng(3).normal(size=(2, 30))
    whole = Evaluation(asked, jax.random.PRNGKey(0), most=60)({"p": z})["pointwise"]["y"]
    parts = Evaluation(asked, jax.random.PRNGKey(0), most=7)  # the last batch is filled up
    of_blocks = [parts({"p": z[:, :20]})["pointwise"]["y"], parts({"p": z[:, 20:]}, first=20)["pointwise"]["y"]]
    np.testing.assert_allclose(pointwise.joined([one[0, 0] for one in of_blocks]), whole[0, 0], rtol=1e-10)


def test_moments_of_groups_of_chains_are_merged(both):
    tree = both[1].tree
    asked, p = problem(3000), tree["posterior"]["p"].values
    z = np.log(p) - np.log1p(-p)
    halves = [evaluate(asked, {"p": part}, {}, jax.random.PRNGKey(0))["pointwise"] for part in (z[:2], z[2:])]
    found = pointwise.merged([one.to_dataset() for one in halves])
    xr.testing.assert_allclose(found, tree["pointwise"].to_dataset(), rtol=1e-9)


def test_without_the_others_nothing_is_said_of_all(both):
    children = {name: group.to_dataset() for name, group in both[1].tree.children.items() if name != "pointwise"}
    bare = replace(both[1], tree=xr.DataTree.from_dict(children))
    assert leave_one_out(bare).empty
    assert loo_metrics(bare) == {}
    assert put(Loo(0.7), bare, summarise(bare)).status == "not checked"


def test_rows_that_do_not_count_are_not_drawn():
    seen = np.arange(ROWS) >= 2500
    site = Site("y", "observed", (ROWS,), ("obs",))
    rows = subsamples([site], {"y": Observation(FLIPS, seen)}, 2400)["y"]
    assert len(rows) == SIZE
    assert rows.min() >= 2500
    assert subsamples([site], {"y": Observation(FLIPS, seen)}, 2500) == {}


def test_a_value_of_several_axes_is_one_row():
    values = np.zeros((ROWS, 3))
    of_vectors = Site("y", "observed", values.shape, ("obs", "axis"), event_dims=1)
    assert len(subsamples([of_vectors], {"y": Observation(values, None)}, 3000)["y"]) == SIZE
    assert subsamples([replace(of_vectors, event_dims=0)], {"y": Observation(values, None)}, 3000) == {}
