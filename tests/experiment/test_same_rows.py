"""Rows that an earlier data set and this one share are counted, unless they may be equal by chance."""

import numpy as np
import pytest
import xarray as xr

from credo.experiment.same_rows import again

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(40, 2)), RANDOM.normal(size=40)


def rows(x: np.ndarray, y: np.ndarray) -> xr.Dataset:
    return xr.Dataset({"x": (("obs", "feature"), x), "y": ("obs", y)})


def test_rows_in_another_order_and_among_new_ones_are_found():
    order = RANDOM.permutation(50)
    x, y = (np.concatenate([a[:30], RANDOM.normal(size=(20, *a.shape[1:]))])[order] for a in (X, Y))
    assert again(rows(X, Y), rows(x, y)) == 30


def test_a_column_that_only_one_of_them_has_does_not_count():
    assert again(rows(X, Y), xr.Dataset({"y": ("obs", Y)})) == 40


@pytest.mark.parametrize(
    ("earlier", "now"),
    [
        (rows(X, Y), rows(X, RANDOM.normal(size=40))),
        (rows(X, Y), rows(np.concatenate([X[:5], RANDOM.normal(size=(35, 2))]), Y)),
        (xr.Dataset({"y": ("flip", [0, 1] * 20)}), xr.Dataset({"y": ("flip", [1, 0] * 30)})),
        (rows(X[:4], Y[:4]), rows(X[:4], Y[:4])),
        (rows(X, Y), xr.Dataset({"other": ("obs", Y)})),
        (xr.Dataset({"n": 3}), rows(X, Y)),
    ],
    ids=["other targets", "few", "coins", "too few to say", "other names", "no rows"],
)
def test_of_rows_that_may_be_equal_by_chance_nothing_is_said(earlier: xr.Dataset, now: xr.Dataset):
    assert again(earlier, now) == 0


def test_samples_of_one_rounded_source_raise_no_alarm():
    """50 seeds; two samples of 100 numbers with three decimals share rows by chance only."""
    for seed in range(50):
        one, two = np.random.default_rng(seed).normal(size=(2, 100)).round(3)
        assert again(xr.Dataset({"y": ("obs", one)}), xr.Dataset({"y": ("obs", two)})) == 0
