"""Rows are held out by groups, by time, or as one of several folds; what cannot be is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from credo.data.csv import Csv
from credo.data.dataset import split
from credo.data.formula.arranged import arranged, of_rows
from credo.data.npz import Npz
from credo.data.splits import Split
from credo.errors import ConfigError
from credo.models.base import Model, Rows
from tables import TABLE

ROWS = 40
DAYS = pd.date_range("2019-12-01", periods=ROWS).strftime("%Y-%m-%d")
TEXT = "\n".join(
    ["y,x,hospital,ward,day", *(f"{i},{i % 7},{i % 8},w{i % 4},{day}" for i, day in enumerate(DAYS))],
)


def held(dataset: Any) -> np.ndarray:
    """The y [row] of the rows that are held out, which are their numbers."""
    return np.sort(dataset["y"].values[dataset["split"].values == "test"])


def test_whole_groups_are_held_out(load: Any) -> None:
    """A quarter of eight hospitals, whose column is no feature."""
    dataset = load(Csv, TEXT, split="by:hospital", test_fraction=0.25)
    assert dataset["feature"].values.tolist() == ["x"]
    out = set(held(dataset) % 8)
    assert len(out) == 2
    assert set(held(dataset)) == {i for i in range(ROWS) if i % 8 in out}
    others = load(Csv, split="by:hospital", test_fraction=0.25, split_seed=3)
    assert set(held(others) % 8) != out


def test_a_feature_that_is_named_may_decide(load: Any) -> None:
    dataset = load(Csv, TEXT, split="by:hospital", test_fraction=0.25, features=["x", "hospital"])
    assert dataset["feature"].values.tolist() == ["x", "hospital"]


@pytest.mark.parametrize("rule", ["after:2020-01-01", "after:day:2020-01-01"])
def test_rows_after_a_date_are_held_out(rule: str, load: Any) -> None:
    dataset = load(Csv, TEXT, split=rule, dates={"day": "weeks"})
    assert held(dataset).tolist() == [i for i, day in enumerate(DAYS) if day > "2020-01-01"]


def test_rows_after_a_number_are_held_out(load: Any) -> None:
    train, test = split(load(Csv, TEXT, split="after:x:4.5"))
    assert test is not None
    assert set(test["y"].values % 7) == {5, 6}
    assert set(train["y"].values % 7) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("rule", [None, "by:ward"])
def test_folds_are_all_rows_once(rule: str | None, load: Any) -> None:
    parts = [held(load(Csv, TEXT, split=rule, fold=i, folds=4)) for i in range(4)]
    assert sorted(np.concatenate(parts)) == list(range(ROWS))
    assert [len(part) for part in parts] == [10] * 4
    if rule:
        assert all(len(set(part % 4)) == 1 for part in parts)


def test_rows_that_are_dropped_count_for_neither_side(load: Any) -> None:
    text = "y,x,g\n1,1,a\n2,,a\n3,3,b\n4,4,b\n5,5,c\n6,6,\n7,7,c\n"
    parts = [held(load(Csv, text, split="by:g", fold=i, folds=3, missing="drop")) for i in range(3)]
    assert sorted(map(tuple, parts)) == [(1,), (3, 4), (5, 7)]


ROWS_OF = Rows("y ~ x", "model.family=gaussian")


def test_a_formula_holds_out_groups_and_makes_the_same_design_of_new_rows() -> None:
    """The column that decides is kept beside those of the formula."""
    table = pd.DataFrame({"y": np.arange(20.0), "x": np.arange(20.0) ** 2, "g": np.repeat(list("abcd"), 5)})
    rule = Split(fold=1, folds=4, split="by:g")
    made = arranged(table, ROWS_OF, split=rule)
    assert len(set(table["g"][made["split"].values == "test"])) == 1
    kept = made.attrs["columns"]
    assert list(kept.columns) == ["y", "x", "g"]
    _, again = of_rows(kept, table[["x"]], ROWS_OF, rule, new_levels=False)
    np.testing.assert_array_equal(again["x"], made["x"])


def test_images_in_an_archive_are_held_out(tmp_path: Path) -> None:
    """Arrays under their own names, for a model that predicts y given x."""
    np.savez(tmp_path / "images.npz", x=np.ones((12, 4, 4, 1)), y=np.arange(12))
    source = Npz(**TABLE | {"target": None, "test_fraction": 0.25}, path=str(tmp_path / "images.npz"))
    dataset = source.load(Given({}), 0)
    assert dataset["x"].shape == (12, 4, 4, 1)
    assert len(held(dataset)) == 3
    grouped = replace(source, split="by:y", test_fraction=0.5).load(Given({}), 0)
    assert len(held(grouped)) == 6


class Given(Model):
    """A model that predicts y given x."""

    predicts: ClassVar[bool] = True

    def __call__(self, x: Any, y: Any) -> None:  # type: ignore[override]
        """It is not run."""


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "word": ({"split": "random"}, r"^data\.split: expected by:COLUMN, after:VALUE or after:COLUMN:VALUE, but got 'ran"),
    "column": ({"split": "by:hospitl", "fold": 0}, r"^data\.split=by:hospitl: .* did you mean 'hospital'\?$"),
    "no share": ({"split": "by:ward"}, r"^data\.split=by:ward: .* set data\.test_fraction=0\.2, or data\.fold=0"),
    "two shares": ({"fold": 0, "test_fraction": 0.2}, r"^data\.test_fraction: 0\.2 of the rows beside data\.fold=0"),
    "after and a share": ({"split": "after:x:3", "test_fraction": 0.2}, r"^data\.test_fraction: data\.split=after:x:3"),
    "after and a fold": ({"split": "after:x:3", "fold": 0}, r"^data\.fold: data\.split=after:x:3 says itself"),
    "fold": ({"fold": 5}, r"^data\.fold: expected a number from 0 to 4 \(data\.folds\), but got 5$"),
    "few groups": (
        {"split": "by:ward", "fold": 0},
        r"^data\.folds: expected at most the 4 groups of 'ward', but got 5",
    ),
    "no dates": ({"split": "after:day:2020-01-01"}, r"^data\.split=.*: column 'day' holds dates; make them numbers by"),
    "no column": ({"split": "after:2020-01-01"}, r"^data\.split=.*: data\.dates names no single column of times"),
    "no date": (
        {"split": "after:soon", "dates": {"day": "days"}},
        r"expected a date such as 2026-03-01 .* got 'soon'$",
    ),
    "no number": ({"split": "after:x:late"}, r"expected a number after which rows are held out, but got 'late'$"),
    "text": ({"split": "after:ward:3"}, r"^data\.split=after:ward:3: column 'ward' has no number in row 1"),
    "nothing": (
        {"split": "after:x:6"},
        r"^data\.split=after:x:6: it holds out 0 of 40 rows, but expected at least one",
    ),
    "no target": ({"target": None, "fold": 0}, r"^data\.fold: "),
}


@pytest.mark.parametrize(("settings", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_held_out_is_refused(settings: dict[str, Any], sentence: str, load: Any) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load(Csv, TEXT, **settings)
