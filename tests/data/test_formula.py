"""Design matrices of formulas: those of formulae itself, and what is refused before anything is evaluated."""

import json

import numpy as np
import pandas as pd
import pytest
from formulae import design_matrices

from credo.data.csv import Csv
from credo.data.formula.arranged import arranged
from credo.data.formula.design import fit
from credo.data.formula.language import parsed
from credo.data.splits import Split
from credo.data.table import Reading
from credo.errors import ConfigError
from credo.models.base import Rows


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = 60
    return pd.DataFrame(
        {
            "y": rng.normal(size=rows),
            "age": rng.normal(50, 10, rows),
            "dose": rng.uniform(1, 9, rows),
            "sex": np.where(np.arange(rows) % 2, "m", "f"),
            "area": np.array(["north", "east", "süd"])[np.arange(rows) % 3],
            "smokes": np.arange(rows) % 5 == 0,
            "ward": np.arange(rows) % 12,
            "n": 10,
            "k": rng.integers(0, 10, rows),
            "status": np.where(np.arange(rows) % 4, "none", "right"),
            "day": [f"2026-01-{1 + i % 28:02}" for i in range(rows)],
        }
    )


def made(table, formula, classes="none", takes_trials=False, **keys):
    return arranged(table, Rows(formula, "model.family=F", classes, takes_trials), **keys)


FORMULAS = (
    "y ~ age*sex + bs(dose, df=5)",
    "y ~ 0 + area + age:area",
    "y ~ scale(age) + center(dose) + poly(dose, 2) + sex:area",
    "y ~ np.log(dose) + sqrt(age) + I(age**2 / 100) + C(ward)",
    "y ~ (age + dose + sex)**2 - age:dose",
    "y ~ S(area) + {age + dose}",
)


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_columns_are_those_of_formulae(table, formula):
    found = made(table, formula)
    common = design_matrices(formula, table, extra_namespace={"sqrt": np.sqrt}).common
    labels = [label for term in common.terms.values() for label in term.labels]
    theirs = common.as_dataframe()[[label for label in labels if label != "Intercept"]]
    assert found["feature"].values.tolist() == list(theirs.columns)
    np.testing.assert_allclose(found["x"], theirs.to_numpy(float), rtol=1e-12, atol=1e-12)
    assert json.loads(found.attrs["formula"])["intercept"] == ("Intercept" in labels)


def test_a_column_in_c_is_a_factor_whatever_it_holds(table):
    mixed = pd.Series(["a", 2, 3.0] * 20, dtype=object)
    few_words = pd.Series(["10", "9", "8", "x"] * 15)
    found = made(table.assign(mixed=mixed, grade=few_words), "y ~ C(mixed) + C(grade)")
    labels = ["C(mixed)[3]", "C(mixed)[a]", "C(grade)[8]", "C(grade)[9]", "C(grade)[x]"]
    assert found["feature"].values.tolist() == labels
    np.testing.assert_array_equal(found["x"][:, 1], mixed == "a")
    with pytest.raises(ConfigError, match="column 'grade' holds 'x' in row 4, but expected a number"):
        made(table.assign(grade=few_words), "y ~ grade")


def test_groups_have_numbers_levels_and_the_columns_of_their_effects(table):
    found = made(table, "y ~ age + (1 + age | ward) + (1 | area:sex)")
    assert found["ward"].values.tolist() == [str(i) for i in range(12)]
    np.testing.assert_array_equal(found["group[ward]"], table["ward"])
    np.testing.assert_array_equal(found["by[ward]"][:, 1], table["age"])
    assert found["ward_effect"].values.tolist() == ["Intercept", "age"]
    assert found["area:sex"].values.tolist() == ["east:f", "east:m", "north:f", "north:m", "süd:f", "süd:m"]
    assert "by[area:sex]" not in found


def test_ten_thousand_groups_take_no_dense_matrix():
    rows = 30_000
    many = pd.DataFrame({"y": np.zeros(rows), "g": np.arange(rows) % 10_000})
    found = made(many, "y ~ 1 + (1 | g)")
    assert found.sizes["g"] == 10_000
    assert "x" not in found


def test_offset_weights_trials_and_censoring_are_variables(table):
    found = made(table, "p(k, n) ~ age + offset(log(dose))", takes_trials=True, weights="dose")
    np.testing.assert_allclose(found["offset"], np.log(table["dose"]))
    np.testing.assert_array_equal(found["trials"], 10)
    np.testing.assert_array_equal(found["weights"], table["dose"])
    assert found["feature"].values.tolist() == ["age"]
    censored = made(table, "censored(dose, status) ~ age")
    np.testing.assert_array_equal(censored["status"], (table["status"] == "right").astype(int))
    assert made(table, "p(k, 12) ~ 1", takes_trials=True)["trials"].values.tolist() == [12] * 60


def test_classes_are_numbered_and_named(table):
    found = made(table, "area ~ age", "any")
    assert found["class"].values.tolist() == ["east", "north", "süd"]
    assert found["contrast"].values.tolist() == ["north", "süd"]
    assert made(table, "sex ~ age", "two")["y"].values.tolist()[:2] == [0, 1]
    assert made(table, "sex[f] ~ age", "two")["y"].values.tolist()[:2] == [1, 0]
    np.testing.assert_array_equal(made(table, "smokes ~ age", "two")["y"], table["smokes"])


def test_transforms_learn_from_the_training_rows_alone(table):
    found = made(table, "y ~ scale(age)", split=Split(test_fraction=0.3))
    train = found["x"][(found["split"] == "train").to_numpy(), 0]
    assert abs(float(train.mean())) < 1e-12
    assert abs(float(found["x"].mean())) > 1e-3


def test_rows_with_missing_cells_in_the_formulas_columns_alone_are_left_out(table):
    holes = table.assign(age=table["age"].where(table.index > 1), dose=table["dose"].where(table.index > 4))
    found = made(holes, "y ~ age", missing="drop")
    assert found.sizes["obs"] == 58
    assert found.attrs["dropped"] == "2 of 60 rows with missing cells (age 2)"
    with pytest.raises(ConfigError, match=r"column 'age' has 2 missing values, first in row 1.*data.missing=drop"):
        made(holes, "y ~ age")


def test_the_csv_source_follows_the_models_formula(tmp_path, table):
    from credo.config import paths
    from credo.models.base import Model

    class Stub(Model):
        rows = Rows("sqrt(dose) ~ age", "model.family=F")

        def __call__(self):
            pass

    table.to_csv(tmp_path / "t.csv", index=False)
    keys = {n: v for n, v in paths.settings("data", "csv").items() if n not in ("_target_", "path")}
    found = Csv(path=str(tmp_path / "t.csv"), **keys).load(Stub({}), 0)
    np.testing.assert_allclose(found["y"], np.sqrt(table["dose"]))
    with pytest.raises(ConfigError, match=r"data\.target: expected 'sqrt\(dose\)', the target of model\.formula"):
        Csv(path=str(tmp_path / "t.csv"), **keys | {"target": "y"}).load(Stub({}), 0)
    with pytest.raises(ConfigError, match=r"data\.features: \['age'\] is not for a model\.formula"):
        Csv(path=str(tmp_path / "t.csv"), **keys | {"features": ["age"]}).load(Stub({}), 0)


def test_new_rows_get_what_the_old_ones_taught(table):
    design = fit(parsed("y ~ scale(age)*sex + bs(dose, df=4) + (1 | ward)"), table, np.arange(60), Reading(True))
    every = design.arrays(table, Reading(True))
    few = design.arrays(table.iloc[:3], Reading(True))
    for name, values in few.items():
        np.testing.assert_allclose(values, every[name][:3])


def test_an_unseen_level_is_named_and_an_unseen_group_may_have_its_own_effect(table):
    design = fit(parsed("y ~ sex + (1 | ward)"), table, np.arange(60), Reading(True))
    new = table.iloc[:2].assign(sex=["f", "x"])
    with pytest.raises(
        ConfigError, match=r"'sex' has the level 'x' in row 2, which the model has not seen; .* 'f', 'm'"
    ):
        design.arrays(new, Reading(True))
    other = table.iloc[:2].assign(ward=[3, 99])
    with pytest.raises(
        ConfigError, match="column 'ward' has the level '99' in row 2, which the model has not seen; --"
    ):
        design.arrays(other, Reading(True))
    assert design.arrays(other, Reading(True), new_levels=True)["group[ward]"].tolist() == [3, 12]


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("y ~ __import__('os')", "cannot be read"),
        ("y ~ eval('1')", "there is no function 'eval' right of ~"),
        ("y ~ np.load('x.npy')", "there is no function 'np.load' right of ~; did you mean 'np.log'"),
        ("y ~ age.mean()", "there is no function 'age.mean' right of ~"),
        ("y ~ log(open('t.csv'))", "there is no function 'open'"),
        ("eval(y) ~ age", "there is no function 'eval' left of ~"),
        ("y ~ s(age)", "there is no function 's' right of ~; use bs(x, df=5)"),
        ("y | trials(n) ~ age", "'y | trials(n)' is brms's; write p(y, n)"),
        ("y | cens(status) ~ age", "'y | cens(status)' is brms's; write censored(y, status) with status none, left or"),
        ("y | weights(n) ~ age", "is brms's; write data.weights=n beside the formula"),
        ("y ~ age + (1 || ward)", "write (x | g) and set model.correlated=false"),
        ("age", "expected TARGET ~ TERMS"),
        ("y ~ age ~ sex", "cannot be read"),
        ("y ~ age) + sex", "does not belong to it"),
        ("y ~ ", "cannot be read"),
        ("y ~ `age", "cannot be read"),
        (
            "y ~ age + 'Age (years)'",
            "'Age (years)' is text; a column whose name is no single word stands in backticks, as in `Age (years)`",
        ),
        ("y ~ Age (years)", "a column whose name is no single word stands in backticks, as in `age (years)`"),
        ("y ~ Patient ID", "does not belong to it; a column whose name is no single word stands in backticks"),
        ("y ~ AGE", "the data has no column 'AGE'; did you mean 'age'?"),
        ("y ~ agee", "the data has no column 'agee'; did you mean 'age'?"),
        ("y ~ log(age - 1000)", "the term log(age - 1000) is nan in row 1"),
        ("y ~ day", "column 'day' holds dates; make them numbers by 'data.dates={day: days}'"),
        ("y ~ bs(sex, df=5)", "cannot be computed from the table"),
        ("sex ~ age", "model.family=F: the target 'sex' holds 'f', but expected numbers; use model.family=bernoulli"),
        ("p(k, y) ~ age", "but expected whole numbers, and no more successes than trials"),
        ("censored(y, sex) ~ age", "the status 'sex' is 'f' in row 1, but expected one of left, none, right"),
        ("y ~ age + (1 | log(ward))", "expected a column as the group"),
    ],
)
def test_refusals(table, formula, sentence):
    with pytest.raises(ConfigError) as refused:
        made(table, formula)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith(("model.f", "data"))


def test_a_column_may_have_the_name_of_a_coding(table):
    named = table.rename(columns={"area": "Treatment", "dose": "T", "sex": "C"})
    found = made(named, "y ~ T + Treatment + C(C, Sum)")
    labels = ["T", "Treatment[north]", "Treatment[süd]", "C(C, Sum)[f]"]
    assert found["feature"].values.tolist() == labels
    np.testing.assert_array_equal(found["x"][:, 0], table["dose"])


def test_classes_that_differ_in_case_alone_are_named(table):
    typed = table.assign(sex=["M", *table["sex"][1:]])
    with pytest.raises(
        ConfigError, match=r"'sex' has 3 \(M, f, m\); M and m differ in case alone: correct the file, or"
    ):
        made(typed, "sex ~ age", "two")


def test_two_classes_are_asked_for_where_there_are_more(table):
    with pytest.raises(ConfigError, match=r"model\.family=F has two classes, but 'area' has 3 .* write area\[LEVEL\]"):
        made(table, "area ~ age", "two")
    with pytest.raises(ConfigError, match=r"model\.formula: 'area' has no level 'west', but only east, north, süd"):
        made(table, "area[west] ~ age", "two")
    with pytest.raises(ConfigError, match=r"counts successes among trials; write p\(y, TRIALS\)"):
        made(table, "y ~ age", takes_trials=True)


@pytest.mark.parametrize("right", ["+".join(["age"] * 3000), "(" * 500 + "age" + ")" * 500])
def test_a_formula_too_long_or_too_deep_is_refused_and_not_repeated(right):
    with pytest.raises(ConfigError, match=r"^model\.formula: expected fewer terms, .*; shorten it$") as refused:
        parsed(f"y ~ {right}")
    assert len(str(refused.value)) < 150
