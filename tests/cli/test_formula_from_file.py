"""A regression with a formula from a file to its predictions, as a user types it."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from console import QUIET, credo
from registry import few

FIT = ("model=regression", "model.formula=y ~ age + sex", "inference=mh", *few("mh"), *QUIET)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age, sex = rng.uniform(1000, 4000, 80), np.where(np.arange(80) % 2, "m", "f")
    return pd.DataFrame({"y": 3 + 0.002 * age - (sex == "m") + 0.01 * rng.normal(size=80), "age": age, "sex": sex})


def answers(folder: Path, *words: str) -> pd.DataFrame:
    said = credo("predict", "run", *words, cwd=folder)
    assert said.code == 0, said.err
    return pd.read_csv(io.StringIO(said.out))


def means(folder: Path, rows: pd.DataFrame) -> np.ndarray:
    """The means of the posterior's draws, by hand."""
    with xr.open_datatree(folder / "run" / "posterior.nc") as tree:
        draws = tree["posterior"].load()
    x = xr.DataArray([rows["age"], rows["sex"] == "m"], dims=("feature", "row"))
    each = draws["intercept"] + (draws["beta"].drop_vars("feature") * x).sum("feature")
    return each.mean(("chain", "draw")).to_numpy()


def test_parquet_runs_and_predicts_rows_of_parquet(table, tmp_path):
    table.assign(sex=table["sex"].astype("category")).to_parquet(tmp_path / "t.parquet")
    said = credo("data=parquet", "data.path=t.parquet", *FIT, "hydra.run.dir=run", cwd=tmp_path)
    assert said.code == 0, said.err
    table.head(2).drop(columns="y").to_parquet(tmp_path / "new.parquet")
    np.testing.assert_allclose(answers(tmp_path, "new.parquet")["y_mean"], means(tmp_path, table.head(2)), rtol=1e-4)


def test_the_classes_of_a_target_are_told_by_their_words(table, tmp_path):
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ("data=csv", "data.path=t.csv", "model=regression", "model.family=bernoulli", "model.formula=sex ~ age")
    said = credo(*words, "inference=map", "inference.starts=2", "inference.steps=20", *QUIET, cwd=tmp_path)
    assert said.code == 0, said.err
    assert "\nthe target: m is 1, f is 0\n" in said.out


def test_numbers_with_decimal_commas_and_thousands_are_read_and_predicted(table, tmp_path):
    def written(one: pd.DataFrame, place: Path) -> None:
        swapped = str.maketrans(",.", ".,")
        text = one.assign(**{name: one[name].map(lambda x: f"{x:,.3f}".translate(swapped)) for name in ("y", "age")})
        text.to_csv(place, sep=";", index=False)

    written(table, tmp_path / "t.csv")
    words = ("data=csv", "data.path=t.csv", "data.separator=';'", "data.decimal=','", "data.thousands=.")
    said = credo(*words, *FIT, "hydra.run.dir=run", cwd=tmp_path)
    assert said.code == 0, said.err
    written(table.head(2), tmp_path / "new.csv")
    np.testing.assert_allclose(answers(tmp_path, "new.csv")["y_mean"], means(tmp_path, table.head(2)), rtol=1e-4)


def test_a_new_file_is_named_where_something_in_it_is_wrong(table, tmp_path):
    table.to_csv(tmp_path / "t.csv", index=False)
    assert credo("data=csv", "data.path=t.csv", *FIT, "hydra.run.dir=run", cwd=tmp_path).code == 0
    (tmp_path / "new.csv").write_text("age,sex\n1000,x\n")
    said = credo("predict", "run", "new.csv", cwd=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "credo: predict: new.csv: column 'sex' has the level 'x' in row 1, which the model has not seen; expected "
        "one of 'f', 'm'\n"
    )
