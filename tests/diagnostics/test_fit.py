"""Model states against held-out rows: what differs fails, what is alike passes, and so does a slight difference."""

import numpy as np
import pytest
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.fit import Fit, compared
from credo.diagnostics.summary import summarise
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status

from .conftest import dataset, good_draws

FIT = Fit(0.005, 0.01)


def modes(seed, rows=600, second=0.1, apart=6.0, shift=0.0):
    """Two modes of unit width in the plane, with this share of the second, in units of the data's deviations."""
    random = np.random.default_rng(seed)
    place = np.where(random.random(rows) < second, apart, 0.0) + shift
    return np.column_stack([place + random.normal(size=rows), random.normal(size=rows)]) / [2.0, 1.0]


def result(observed, replicated, kind=Kind.TRAINED, rows="test", sampler="exact draws", adjusted=1, paired=0):
    both = {"observed": (("row", "number"), observed), "replicated": (("state", "number"), replicated)}
    attrs = {"rows": rows, "sampler": sampler, "adjusted": adjusted, "paired": paired}
    groups = {"posterior": dataset({"e": np.zeros((1, 1))}), "replicates": xr.Dataset(both, attrs=attrs)}
    return Result(xr.DataTree.from_dict(groups), Status.DONE, Cost({}), "mle", kind, ("e",))


def ask(of):
    return put(FIT, of, summarise(of))


@pytest.mark.parametrize(("second", "status"), [(0.1, "passed"), (0.00013, "failed"), (0.3, "failed")])
def test_the_mass_of_a_mode_is_judged(second, status):
    """A mode that holds 10 % of the rows; the model gives it as much, 0.013 % or three times as much."""
    answer = ask(result(modes(1), modes(2, second=second)))
    assert (answer.name, answer.status, answer.threshold) == ("fit", status, 0.005)
    if status == "failed":
        assert answer.value > 0.01
        assert answer.advice.startswith("600 held-out rows and 600 states by exact draws differ (p = 0.001): ")


def test_false_alarms_are_rare():
    """At most one in a hundred is beyond the level, and the share then rarely: in 20 seeds, more than 2 in 0.1 %."""
    found = [compared(modes(seed, 150), modes(100 + seed, 150), paired=False) for seed in range(20)]
    assert sum(p <= 0.01 for _, p in found) <= 2
    assert 0.2 < np.mean([p for _, p in found]) < 0.8  # uniform: within 5 standard errors of 1/2


def test_a_difference_that_only_many_rows_show_passes():
    """A shift by a tenth of a deviation, of which p knows."""
    x, y = modes(1, 1500, apart=0.0), modes(2, 1500, apart=0.0, shift=0.2)
    share, p = compared(x, y, paired=False)
    assert p <= 0.01
    assert 0 < share < 0.005
    assert ask(result(x, y)).status == "passed"


def test_the_share_is_the_squared_energy_distance():
    """Of points 0 and 0 against 1 and 1 it is the most; of equal samples it is none. Both without bias."""
    assert compared(np.zeros((5, 1)), np.ones((5, 1)), paired=False)[0] == 1
    x = modes(1, 300)
    assert compared(x, x.copy(), paired=False)[0] == 0
    many = [compared(modes(seed, 200), modes(seed + 50, 200), paired=False)[0] for seed in range(10)]
    assert np.mean(many) < 0.003


def conditional(seed, noise, rows=300):
    """x and y, and y again given the same x."""
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    return [np.column_stack([x, x + sd * random.normal(size=rows)]) for sd in (0.5, noise)]


@pytest.mark.parametrize(("noise", "status"), [(0.5, "passed"), (2.0, "failed")])
def test_rows_of_one_condition_are_exchanged_only_with_each_other(noise, status):
    assert ask(result(*conditional(3, noise), paired=1)).status == status


def test_pairs_have_few_false_alarms():
    found = [compared(*conditional(seed, 0.5, 100), paired=True) for seed in range(20)]
    assert sum(p <= 0.01 for _, p in found) <= 2
    assert 0.2 < np.mean([p for _, p in found]) < 0.8


def test_an_unadjusted_sampler_proves_nothing():
    """Its states may be like the rows and unlike the energy."""
    alike = ask(result(modes(1), modes(2), sampler="langevin", adjusted=0))
    assert alike.status == "not checked"
    assert "sampler=mala" in alike.advice
    assert ask(result(modes(1), modes(2, second=0.0), sampler="langevin", adjusted=0)).status == "failed"


def test_training_rows_are_named():
    assert "600 training rows, as none are held out," in ask(result(modes(1), modes(2), rows="train")).advice


def test_states_that_are_not_finite_are_no_pass():
    broken = modes(2)
    broken[3, 1] = np.nan
    assert ask(result(modes(1), broken)).status == "not checked"


def test_what_is_no_trained_energy_is_not_asked():
    assert ask(good_draws()) is None
    assert ask(result(modes(1), modes(2), kind=Kind.POINT)) is None
