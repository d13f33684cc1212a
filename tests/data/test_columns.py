"""What becomes of a real table's columns: names, dates, factors, missing cells, weights."""

import numpy as np
import pytest

from credo.data.csv import Csv
from credo.errors import ConfigError
from credo.models.program import Program

MESSY = (
    "Dose (mg),sex,day,y,w\n1,m,2026-01-01,2,1\n,f,2026-01-02,3,2\n3,m,2026-01-05,,1\n4,f,2026-01-05,5,2\n5,m,,6,1\n"
)


def test_rows_with_missing_cells_in_the_columns_used_are_left_out_and_counted(load):
    dataset = load(Csv, MESSY, features=["Dose (mg)"], missing="drop")
    np.testing.assert_array_equal(dataset["y"], [2, 5, 6])
    assert dataset.attrs["dropped"] == "2 of 5 rows with missing cells (y 1, Dose (mg) 1)"


def test_a_missing_cell_is_refused_with_what_leads_to_running(load):
    with pytest.raises(ConfigError, match=r"column 'y' has 1 missing value, first in row 3; .*type data.missing=drop"):
        load(Csv, MESSY)


def test_a_table_without_a_complete_row_is_refused(load):
    with pytest.raises(ConfigError, match=r"data\.missing=drop: all 2 rows have missing cells \(y 1, x 1\)"):
        load(Csv, "y,x\n1,\n,2\n", missing="drop")


def test_a_row_keeps_its_number_where_others_are_left_out(load):
    with pytest.raises(ConfigError, match="holds 'two' in row 3"):
        load(Csv, "y,x\n,1\n1,1\n2,two\n3,3\n", features=["x"], missing="drop")


def test_columns_are_renamed_before_anything_names_them(load):
    dataset = load(Csv, MESSY, rename={"Dose (mg)": "dose"}, features=["dose"], missing="drop")
    assert dataset["feature"].values.tolist() == ["dose"]
    with pytest.raises(ConfigError, match=r"data\.rename: the data has no column 'Dose'; did you mean"):
        load(Csv, MESSY, rename={"Dose": "dose"})
    with pytest.raises(ConfigError, match=r"data\.rename: two columns would be called 'sex'"):
        load(Csv, MESSY, rename={"day": "sex"})


def test_dates_become_numbers_of_the_unit_named(load):
    dataset = load(Csv, MESSY, features=["day"], dates={"day": "days"}, missing="drop")
    np.testing.assert_array_equal(np.diff(dataset["x"][:, 0]), [1, 3])
    assert dataset["x"][0, 0] == 20454
    with pytest.raises(ConfigError, match=r"data\.dates\.day: expected one of seconds, .*, but got 'moons'"):
        load(Csv, MESSY, dates={"day": "moons"})
    with pytest.raises(ConfigError, match=r"data\.dates\.sex: column 'sex' holds 'm' in row 1, but expected a date"):
        load(Csv, MESSY, dates={"sex": "days"})


def test_weights_are_a_role_and_no_feature(load):
    dataset = load(Csv, MESSY, features=["Dose (mg)"], weights="w", missing="drop")
    np.testing.assert_array_equal(dataset["weights"], [1, 2, 1])
    with pytest.raises(ConfigError, match=r"data\.weights: column 'w' holds 0 in row 2, but expected a weight above 0"):
        load(Csv, "y,x,w\n1,2,1\n1,2,0\n", weights="w")


def test_text_that_a_program_is_given_by_name_becomes_codes_of_recorded_levels(load):
    dataset = load(Csv, "y,sex,note\n1,m,a\n2,f,b\n3,m,c\n", target=None, columns=["y", "sex"])
    assert set(dataset.data_vars) == {"y", "sex"}
    np.testing.assert_array_equal(dataset["sex"], [1, 0, 1])
    assert dataset["sex_level"].values.tolist() == ["f", "m"]
    with pytest.raises(ConfigError, match=r"data\.columns: column 'day' holds dates; make them numbers by"):
        load(Csv, MESSY, target=None, columns=["day"])
    with pytest.raises(ConfigError, match=r"data\.columns: it chooses what a program takes by name"):
        load(Csv, MESSY, columns=["y"])


def test_a_program_takes_the_columns_of_a_csv_by_their_names(load, tmp_path, monkeypatch):
    """Without data.target=null."""
    load(Csv, "dose,died\n0.5,1\n1.5,3\n", target=None)
    (tmp_path / "by_columns.py").write_text("def model(dose, died):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    dataset = Csv(path=str(tmp_path / "file"), **_presets()).load(Program("by_columns:model", {}), 0)
    assert set(dataset.data_vars) == {"dose", "died"}


def test_a_model_that_predicts_asks_for_its_target(tmp_path):
    import numpyro.distributions as dist

    from credo.models.regression import Regression

    (tmp_path / "file").write_text("dose,died\n0.5,1\n1.5,3\n")
    model = Regression({"beta": dist.Normal(), "intercept": dist.Normal(), "sigma": dist.HalfNormal()}, "gaussian")
    with pytest.raises(ConfigError, match=r"data\.target: model=regression predicts a column .*'dose', 'died'"):
        Csv(path=str(tmp_path / "file"), **_presets()).load(model, 0)


def _presets():
    from credo.config import paths

    return {name: value for name, value in paths.settings("data", "csv").items() if name not in ("_target_", "path")}


@pytest.mark.parametrize("word", ["keep", "imputed"])
def test_another_word_for_missing_cells_is_refused_early(tmp_path, word):
    with pytest.raises(ConfigError, match=rf"data\.missing: expected one of refuse, drop, impute, but got '{word}'"):
        Csv(path=str(tmp_path / "file"), **_presets() | {"missing": word}).precheck()


def test_words_that_are_no_mapping_are_refused_early(tmp_path):
    for key, form in (("rename", "{old: new}"), ("dates", "{column: days}")):
        with pytest.raises(ConfigError, match=rf"data\.{key}: expected names and words, as in 'data\.{key}={form}'"):
            Csv(path=str(tmp_path / "file"), **_presets() | {key: "age"}).precheck()
