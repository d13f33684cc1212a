import numpy as np
import pytest

from credo.diagnostics.base import put
from credo.diagnostics.posterior_predictive import PosteriorPredictive, p_values
from credo.diagnostics.summary import summarise

from .conftest import draws_result, good_draws, good_point

RNG = np.random.default_rng(0)
REPLICATED = RNG.normal(size=(4, 250, 30))


def ask(observed, replicated=REPLICATED):
    result = draws_result(
        {"x": RNG.normal(size=(4, 250))},
        observed={"y": (("obs",), np.asarray(observed))},
        posterior_predictive={"y": (("obs",), replicated)},
    )
    return put(PosteriorPredictive(0.01), result, summarise(result))


def test_data_like_the_replications_passes():
    assert ask(np.random.default_rng(1).normal(size=30)).status == "passed"


@pytest.mark.parametrize(
    ("change", "test"),
    [(lambda y: y + 2, "mean"), (lambda y: y * 3, "sd"), (lambda y: np.where(y == y.max(), 20, y), "max")],
)
def test_a_misfit_is_noted_and_names_the_statistic(change, test):
    answer = ask(change(np.random.default_rng(1).normal(size=30)))
    assert answer.status == "note"
    assert f"{test} of y" in answer.advice


def test_p_values_by_hand():
    result = draws_result(
        {}, observed={"y": (("obs",), np.array([1.0, 3.0]))}, replicated={"y": (("obs",), np.zeros((1, 4, 2)))}
    )
    draws = result.tree["replicated"]["y"]
    draws.values[0] = [[2, 2], [0, 0], [5, 1], [4, 4]]
    # Means 2, 0, 3, 4 against 2: two above and one tie. Largest values 2, 0, 5, 4 against 3: two above.
    p = dict(p_values(result.tree["observed_data"]["y"], draws))
    assert p["mean"] == pytest.approx((2 + 0.5) / 4)
    assert p["max"] == pytest.approx(2 / 4)
    assert set(p) == {"mean", "sd", "min", "max", "distinct values"}


def test_binary_data_is_judged_by_its_mean():
    coin = (RNG.random((4, 250, 30)) < 0.5).astype(int)
    assert ask(np.arange(30) % 2, coin).status == "passed"
    answer = ask(np.ones(30, int), coin)
    assert answer.status == "note"
    assert "mean of y" in answer.advice
    assert "min" not in answer.advice


def test_spins_are_binary_too():
    spins = 2 * (RNG.random((4, 250, 30)) < 0.5).astype(int) - 1
    assert ask(spins[0, 0], spins).advice.endswith("in the mean of y.")


def test_a_density_of_binary_data_is_noticed():
    """The mean and the spread of a normal can be those of 0 and 1; its least and largest values cannot."""
    coin = np.arange(30) % 2
    answer = ask(coin, 0.5 + 0.5 * REPLICATED)
    assert answer.status == "note"
    for test in ("min", "max", "distinct values"):
        assert f"{test} of y (p = " in answer.advice
    assert "mean of y" not in answer.advice


def test_a_density_of_counts_is_noticed():
    generator = np.random.default_rng(2)
    counts = generator.poisson(9.0, 30)
    counts[:] = 3 * (counts // 3)  # so coarse that the range of a normal fits, and the number of values does not
    like = counts.mean() + counts.std() * REPLICATED
    assert "distinct values of y" in ask(counts, like).advice
    replicated = 3.0 * (generator.poisson(counts.mean(), (4, 250, 30)) // 3)
    assert ask(replicated[0, 0], replicated).status == "passed"


def test_fine_whole_numbers_are_as_good_as_continuous():
    y = np.array([28, 8, -3, 7, -1, 1, 18, 12])  # the eight schools
    answer = ask(y, y.mean() + y.std() * REPLICATED[..., :8])
    assert answer.status == "passed"
    assert "distinct" not in answer.advice


def test_its_words_name_what_was_tested():
    coin = (RNG.random((4, 250, 30)) < 0.5).astype(int)
    assert ask(np.arange(30) % 2, coin).advice == "The observed data looks like replicated data in the mean of y."
    seen = "The observed data looks like replicated data in the mean, sd, min and max of y."
    assert ask(np.random.default_rng(1).normal(size=30)).advice == seen


def test_missing_observations_are_left_out():
    y = np.random.default_rng(1).normal(size=30)
    y[3] = np.nan
    assert ask(y).status == "passed"


def test_replications_that_are_not_finite_are_not_checked():
    bad = REPLICATED.copy()
    bad[0, 0, 0] = np.nan
    assert ask(np.zeros(30), bad).status == "not checked"
    assert ask(np.full(30, np.nan)).status == "not checked"


def test_of_many_numbers_some_draws_are_looked_at():
    replicated = np.broadcast_to(np.random.default_rng(0).normal(size=(1, 1000, 1)), (4, 1000, 2000))
    p = ask(np.zeros(2000), replicated)
    # The mean of a replication is its one number, so p is near 1/2; the spread of all is 0, a tie.
    assert p.status == "passed"


def test_without_replications_it_is_not_checked_and_without_data_not_asked():
    y = {"y": (("obs",), np.zeros(3))}
    x = {"x": np.zeros((4, 10))}
    check = PosteriorPredictive(0.01)
    assert check(draws_result(x, observed=y), None).status == "not checked"
    assert put(check, draws_result(x), None) is None
    assert put(check, good_point(), None) is None


def test_good_draws_pass():
    result = good_draws()
    assert put(PosteriorPredictive(0.01), result, summarise(result)).status == "passed"


def test_bounds_are_not_compared_with_draws():
    result = draws_result(
        {"x": RNG.normal(size=(4, 250))},
        observed={"y": (("obs",), np.full(30, 9.0))},
        posterior_predictive={"y": (("obs",), REPLICATED)},
    )
    result.tree["observed_data"]["y"].attrs["censored"] = 1
    answer = put(PosteriorPredictive(0.01), result, summarise(result))
    assert (answer.status, answer.decides) == ("not checked", False)
    assert "y is censored" in answer.advice
