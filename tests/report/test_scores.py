"""The scores as people read them."""

import numpy as np
import pytest
import xarray as xr
from fake_results import DRAWS, make, predictive

from credo.diagnostics.scores import scores
from credo.inference.kind import Kind
from credo.report.drawing.numbers import number
from credo.report.run.scores import rows, title


def predicted(y, kind="test", measure="density"):
    return make(
        {
            "posterior": xr.Dataset({"mu": (DRAWS, np.zeros((1, 2)))}),
            "observed_data": xr.Dataset({"y": ("obs", np.asarray(y))}),
            "predictive": predictive(kind=kind).assign_attrs(measure=measure),
        },
        kind=Kind.TRAINED,
    )


MANY = np.arange(1000) / 7


def test_all_scores_with_their_words():
    result = predicted(MANY)
    found = rows(result)
    assert [name for name, _, _ in found] == [
        "NLL",
        "CRPS",
        "RMSE",
        "coverage of 50 %",
        "coverage of 90 %",
        "width of 90 %",
    ]
    known = scores(result)
    assert found[0] == ("NLL", number(known["nll_test"], 4), "nats per row")
    assert found[1] == ("CRPS", number(known["crps_test"], 4), "in the target's units")
    assert found[5][1] == "3.29"
    assert known["nll_test"] == pytest.approx(0.5 * np.log(2 * np.pi * np.e), abs=0.1)
    assert known["crps_test"] == pytest.approx(np.pi**-0.5, abs=0.05)


@pytest.mark.parametrize(
    ("y", "measure", "first"),
    [
        (np.arange(1000) % 99 / 7, "density", "CRPS"),
        (np.arange(1000) % 100 / 7, "density", "NLL"),
        (np.arange(1000) % 6, "density", "CRPS"),
        (np.arange(1000) % 6, "mass", "NLL"),  # which is at most one
    ],
)
def test_crps_comes_first_where_a_density_can_be_gamed(y, measure, first):
    found = rows(predicted(y, measure=measure))
    assert found[0][0] == first
    assert sorted(found) == sorted(rows(predicted(MANY)))
    assert [name for name, _, _ in found if name != "CRPS"] == [n for n, _, _ in rows(predicted(MANY)) if n != "CRPS"]


def test_training_rows_have_none():
    assert rows(predicted(MANY, kind="train")) == []


def test_the_title_counts_the_rows():
    assert title(predicted(MANY)) == "Predictions of 1,000 held-out rows"
