"""Replications and their fits."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr

from credo.calibration.calibrated import metrics
from credo.calibration.fits import LOG_LIKELIHOOD, fits, judge
from credo.calibration.simulator import Simulator
from credo.diagnostics.sbc.verdict import verdict
from credo.errors import ConfigError, RunError
from credo.inference.density import log_joint
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.models.bernoulli import Bernoulli
from credo.models.priors import flat
from credo.models.problem import Problem

FLIPS = xr.Dataset({"y": ("flip", [1, 1, 0, 1, 0, 0, 0, 1, 1, 0])})


def problem(prior=None):
    return Problem(Bernoulli({"p": prior or dist.Beta(2.0, 2.0)}), FLIPS)


class Conjugate:
    """Independent draws of the exact posterior, or of one that is wrong."""

    name = "conjugate"

    def __init__(self, a=2.0, b=2.0, fails=False):
        self.a, self.b, self.fails = a, b, fails

    def kind(self, problem):
        return Kind.INDEPENDENT

    def run(self, problem, key, listener, checkpointer=None):
        listener.progress("sampling", 1, 1, {})
        y = problem.data["y"].to_numpy()
        if self.fails and y.sum() == 0:
            raise RunError("no start")
        draws = np.asarray(jax.random.beta(key, self.a + y.sum(), self.b + (1 - y).sum(), (1, 99)))
        likelihood = y.sum() * np.log(draws) + (1 - y).sum() * np.log1p(-draws)
        tree = xr.DataTree.from_dict(
            {
                "posterior": xr.Dataset({"p": (("chain", "draw"), draws)}),
                "log_likelihood": xr.Dataset({"y": (("chain", "draw", "flip"), likelihood[..., None])}),
            }
        )
        return Result(tree, Status.DONE, Cost({}), "conjugate", Kind.INDEPENDENT, ("p",))


def rows(method, numbers=range(400), prior=None):
    return pd.concat(fits(Simulator(problem(prior)), method, 0, list(numbers), lambda: None), ignore_index=True)


def test_a_replication_has_data_of_its_truth():
    simulator = Simulator(problem(dist.Beta(2000.0, 2.0)))
    one, other = simulator(jax.random.PRNGKey(0)), simulator(jax.random.PRNGKey(1))
    assert one.truth["p"] != other.truth["p"]
    assert one.problem.data["y"].to_numpy().mean() > 0.8
    assert one.problem.observations["y"].value.tolist() == one.problem.data["y"].to_numpy().tolist()
    y, p = one.problem.data["y"].to_numpy(), one.truth["p"]
    assert one.log_likelihood == pytest.approx(y.sum() * np.log(p) + (1 - y).sum() * np.log1p(-p), rel=1e-4)


def test_the_exact_posterior_is_calibrated():
    # Its rate of false alarms is 1 %, and this seed raises none.
    found = judge(rows(Conjugate()))
    assert list(found.table["scalar"]) == ["p", LOG_LIKELIHOOD]
    assert found.status == "calibrated", found.sentence


def test_a_wrong_prior_is_found_and_named():
    found = judge(rows(Conjugate(a=6.0)))
    assert found.status == "not calibrated"
    assert "p (draws" in found.sentence


def test_a_replication_is_the_same_whichever_others_are_asked_for():
    whole, part = rows(Conjugate(), range(6)), rows(Conjugate(), [4, 5])
    pd.testing.assert_frame_equal(whole[whole["replication"] >= 4].reset_index(drop=True), part)


def test_a_replication_without_an_answer_is_counted():
    found = judge(rows(Conjugate(fails=True), range(100), dist.Beta(1.0, 6.0)))
    assert found.failed > 0
    assert found.status != "calibrated"


def test_a_flat_prior_is_refused_by_its_key():
    with pytest.raises(ConfigError, match=r"model\.prior\.p: calibration draws p from its prior"):
        Simulator(problem(flat("unit_interval")))


def test_a_distribution_that_depends_on_what_was_observed_is_refused():
    class Persistent(Bernoulli):
        def __call__(self, y):
            p = numpyro.sample("p", self.prior["p"])
            with numpyro.plate("obs", len(y)):
                numpyro.sample("y", dist.Bernoulli(0.5 * p + 0.5 * jnp.roll(y, 1)), obs=y)

    with pytest.raises(ConfigError, match="its site y depends on the observed values themselves"):
        Simulator(Problem(Persistent({"p": dist.Beta(2.0, 2.0)}), FLIPS))


def test_a_censored_target_is_refused_whose_draws_are_no_bounds():
    class Censored(Bernoulli):
        def __call__(self, y):
            rate = 1.0 + numpyro.sample("p", self.prior["p"])
            with numpyro.plate("obs", len(y)):
                numpyro.sample("y", dist.RightCensoredDistribution(dist.Exponential(rate), jnp.ones(len(y))), obs=y)

    with pytest.raises(ConfigError, match="y cannot be drawn exactly"):
        Simulator(Problem(Censored({"p": dist.Beta(2.0, 2.0)}), FLIPS))


def posterior(seed=0):
    """Exact draws given the observed flips, five ones and five zeros."""
    return {"p": np.asarray(jax.random.beta(jax.random.PRNGKey(seed), 7.0, 7.0, (4000,)))}


def test_a_replication_around_data_keeps_them_beside_the_simulated():
    one = Simulator(problem(), {"p": np.full(3, 0.25)})(jax.random.PRNGKey(0))
    assert one.truth["p"] == 0.25
    y = one.problem.data["y"].to_numpy()
    ones = y.sum() + 5
    expected = ones * np.log(0.3) + (20 - ones) * np.log(0.7)
    prior = dist.Beta(2.0, 2.0).log_prob(0.3)
    assert log_joint(one.problem.bound, {"p": 0.3}) == pytest.approx(float(prior) + expected, rel=1e-4)
    ones = y.sum() + 5
    assert one.log_likelihood == pytest.approx(ones * np.log(0.25) + (20 - ones) * np.log(0.75), rel=1e-4)


@pytest.mark.slow
def test_around_data_a_method_of_all_observations_is_calibrated_and_one_that_forgets_some_is_not():
    # Its rate of false alarms is 1 %, and this seed raises none.
    def judged(method):
        simulator = Simulator(problem(), posterior())
        found = pd.concat(fits(simulator, method, 0, range(300), lambda: None), ignore_index=True)
        return judge(found[found["scalar"] == "p"])

    right = judged(Conjugate(a=7.0, b=7.0))
    assert right.status == "calibrated", right.sentence
    assert judged(Conjugate(a=7.0)).status == "not calibrated"


@pytest.mark.parametrize(("replications", "alarms"), [(50, None), (400, 0.0)])
def test_too_few_replications_do_not_count_as_no_alarm(replications: int, alarms: float | None) -> None:
    draws = np.random.default_rng(1)
    found = verdict(["a"], draws.uniform(size=(replications, 1)), draws.normal(size=(replications, 1)), 0)
    assert metrics(found).get("calibration/alarms") == alarms
