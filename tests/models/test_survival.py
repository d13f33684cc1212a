"""Survival curves of censored regressions: published fits, sums by hand, and Kaplan and Meier's estimate."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from credo.data.leukaemia import Leukaemia, table
from credo.experiment.parts import build
from credo.inference.result import Result
from credo.models.families import FAMILIES
from credo.models.problem import Problem
from credo.models.survival import FAMILIES_WITH_IT, survival
from registry import compose

DRAWS = {
    "intercept_at_mean": np.array([2.8, 3.0]),
    "beta": np.array([[-1.2], [-1.4]]),
    "shape": np.array([1.2, 1.5]),
}


@pytest.fixture(scope="module")
def remission() -> Problem:
    return build(compose("experiment=remission")).problem(0)[0]


def test_the_likelihood_is_that_of_survreg(remission: Problem) -> None:
    """R 4: survreg(Surv(time, cens) ~ treat, MASS::gehan) has scale 0.732, 3.516, -1.267, and log likelihood -106.6."""
    shape = 1 / 0.732
    log_scale = np.where(table()["treatment"] == "placebo", 3.516 - 1.267, 3.516)
    weeks, seen = table()["weeks"], table()["status"] == "none"
    law = stats.weibull_min(shape, scale=np.exp(log_scale))
    by_hand = np.where(seen, law.logpdf(weeks), law.logsf(weeks)).sum()
    assert by_hand == pytest.approx(-106.6, abs=0.05)
    mean = 3.516 - 1.267 / 2 + gammaln(1 + 0.732)
    values = {"intercept_at_mean": mean, "beta": np.array([-1.267]), "shape": shape}
    site = remission.bound.at(values)["y"]
    assert float(site["fn"].log_prob(site["value"]).sum()) == pytest.approx(by_hand, rel=1e-6)


def test_a_curve_is_the_mean_over_the_draws(remission: Problem) -> None:
    arrays = {"x": remission.data["x"].to_numpy()[[0, 21]]}  # 6-MP, placebo
    times = np.array([0.0, 5.0, 20.0])
    found = survival(remission.model, DRAWS, arrays, times, (0.0, 1.0), jax.random.PRNGKey(0))
    exact = np.empty((2, 2, 3))
    for draw in range(2):
        for row, at in enumerate((-0.5, 0.5)):
            shape = DRAWS["shape"][draw]
            mean = np.exp(DRAWS["intercept_at_mean"][draw] + at * DRAWS["beta"][draw, 0])
            law = stats.weibull_min(shape, scale=mean / stats.weibull_min(shape).mean())
            exact[draw, row] = law.sf(times)
    np.testing.assert_allclose(found[..., 0], exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found[..., 1:], np.stack([exact.min(0), exact.max(0)], -1), rtol=1e-6)
    assert np.all(found[:, 0] == 1.0)


def test_families_have_a_curve_where_they_may_be_censored() -> None:
    assert set(FAMILIES_WITH_IT) == {name for name, one in FAMILIES.items() if one.log_survival is not None}
    assert {"weibull", "exponential", "lognormal", "gamma"} <= set(FAMILIES_WITH_IT)


def test_without_a_formula_the_drug_is_a_column() -> None:
    data = Leukaemia().load(None, 0)
    assert data["x"].to_numpy().sum() == 21
    assert data["y"].to_numpy().sum() == 359 + 182  # weeks in all, as Cox 1972 counts them


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")  # after the last event
@pytest.mark.parametrize("family", ["weibull", "lognormal"])
def test_a_posterior_curve_is_within_the_interval_of_kaplan_and_meier(
    family: str, infer: Callable[..., Result]
) -> None:
    """SciPy's 95 % intervals, from the first event of each group to before its last."""
    problem = build(compose("experiment=remission", f"model.family={family}")).problem(0)[0]
    posterior = infer(problem, "nuts", draws=500).tree["posterior"]
    latents = {site.name: posterior[site.name].to_numpy() for site in problem.latents}
    draws = {name: values.reshape(-1, *values.shape[2:]) for name, values in latents.items()}
    known, times = table(), np.array([7.0, 10.0, 13.0, 16.0, 20.0])
    for first, name in ((0, "6-MP"), (21, "placebo")):
        rows = known[known["treatment"] == name]
        seen = stats.CensoredData.right_censored(rows["weeks"], (rows["status"] == "right").to_numpy())
        low, high = (one.evaluate(times) for one in stats.ecdf(seen).sf.confidence_interval(0.95))
        arrays = {"x": problem.data["x"].to_numpy()[[first]]}
        curve = survival(problem.model, draws, arrays, times, (0.5,), jax.random.PRNGKey(0))[0, :, 0]
        assert np.all((low < curve) & (curve < high)), (name, low, curve, high)
