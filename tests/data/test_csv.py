import json
import shlex
from dataclasses import replace

import numpy as np
import pytest

from credo.data.csv import Csv
from credo.data.dataset import fingerprint, split
from credo.data.json import Json
from credo.errors import ConfigError
from credo.models.base import Model
from tables import TABLE, TEXT

SCHOOLS = (
    "name,income,age,score,se,area\nA,1.5,30,2,1,north\nB,2.5,40,3,2,south\nC,3.5,20,5,1,north\nD,0.5,50,1,2,east\n"
)


def test_all_other_numeric_columns_are_features(load):
    dataset = load(Csv, SCHOOLS, target="score")
    assert list(dataset["feature"].values) == ["income", "age", "se"]
    assert dataset["x"].dims == ("obs", "feature")
    np.testing.assert_array_equal(dataset["y"], [2, 3, 5, 1])
    np.testing.assert_array_equal(dataset["x"][1], [2.5, 40, 2])
    assert json.loads(dataset.attrs["left_out"]) == {"name": "text", "area": "text"}


def test_every_role(load):
    dataset = load(Csv, SCHOOLS, target="score", features=["age"], group="area", sigma="se")
    assert list(dataset["feature"].values) == ["age"]
    assert list(dataset["group_name"].values) == ["east", "north", "south"]
    np.testing.assert_array_equal(dataset["group"], [1, 2, 1, 0])
    np.testing.assert_array_equal(dataset["sigma"], [1.0, 2.0, 1.0, 2.0])
    assert dataset["y"].dtype == np.int64


@pytest.mark.parametrize(
    ("cells", "advice"),
    [
        (
            "no yes yes no",
            "use a formula, which takes classes in words: model.family=bernoulli model.formula='won[yes] ~",
        ),
        (
            "a b c a b c",
            "use a formula, which takes classes in words: model.family=categorical model.formula='won ~ ...'",
        ),
        ("a b c d", "correct the value or use other columns"),
        ("1 2 ? 1", "correct the value or use other columns"),
    ],
)
def test_a_target_in_words_is_refused_with_the_formula_to_type(load, cells, advice):
    rows = [f"{i},{cell}" for i, cell in enumerate(cells.split())]
    with pytest.raises(ConfigError, match=r"data\.target: column 'won' holds .* expected a number") as refused:
        load(Csv, "\n".join(["age,won", *rows, ""]), target="won")
    assert advice in str(refused.value)


def test_a_list_of_targets_gives_a_target_dim(load):
    dataset = load(Csv, SCHOOLS, target=["score", "income"], features=["age"])
    assert dataset["y"].dims == ("obs", "target")
    assert list(dataset["target"].values) == ["score", "income"]
    np.testing.assert_array_equal(dataset["y"], [[2, 1.5], [3, 2.5], [5, 3.5], [1, 0.5]])
    one = load(Csv, target=["score"])
    assert one["y"].shape == (4, 1)
    assert one["y"].dtype == np.int64
    assert "score" not in one["feature"]


def test_a_target_may_be_named_by_a_number(load):
    dataset = load(Csv, "2025,2026\n1,2\n3,4\n", target=2026)
    np.testing.assert_array_equal(dataset["y"], [2, 4])


def test_context_is_not_among_the_features(load):
    dataset = load(Csv, SCHOOLS, target="score", context=["se", "age"])
    assert dataset["context"].dims == ("obs", "context_feature")
    assert list(dataset["context_feature"].values) == ["se", "age"]
    np.testing.assert_array_equal(dataset["context"], [[1, 30], [2, 40], [1, 20], [2, 50]])
    assert dataset["context"].dtype == np.float64
    assert list(dataset["feature"].values) == ["income"]
    assert json.loads(dataset.attrs["left_out"]) == {"name": "text", "area": "text"}
    assert fingerprint(load(Csv, target="score", context=[])) == fingerprint(load(Csv, target="score"))


def test_numeric_group_labels_are_sorted_as_numbers(load):
    dataset = load(Csv, "y,g\n1,10\n2,9\n3,10\n", group="g")
    assert list(dataset["group_name"].values) == ["9", "10"]
    assert "x" not in dataset


def test_blank_lines_and_a_byte_order_mark_do_not_matter(load):
    assert fingerprint(load(Csv, "\ufeff\ny,x\n\n1,2\n3,4\n")) == fingerprint(load(Csv, "y,x\n1,2\n3,4\n"))


def test_another_separator(load):
    dataset = load(Csv, "y;x\n1;2\n3;4\n", separator=";")
    np.testing.assert_array_equal(dataset["x"][:, 0], [2, 4])


def test_numbers_are_read_exactly(load):
    values = np.random.default_rng(0).normal(size=200) * 10.0 ** np.arange(-100, 100)
    dataset = load(Csv, "y\n" + "".join(f"{value!r}\n" for value in values.tolist()))
    np.testing.assert_array_equal(dataset["y"], values)


def test_null_target_gives_every_column_its_own_name(load):
    dataset = load(Csv, "dose,died\n0.5,1\n1.5,3\n", target=None)
    assert set(dataset.data_vars) == {"dose", "died"}
    assert dataset["died"].dims == ("obs",)


def test_the_file_gives_the_same_hash_every_time(load):
    assert fingerprint(load(Csv, SCHOOLS, target="score")) == fingerprint(load(Csv, target="score"))


def test_paths_start_in_the_working_folder(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(Csv, "y\n1\n2\n", path="file").sizes["obs"] == 2


ROLES = {"target": "score"}


@pytest.mark.parametrize(
    ("content", "keys", "sentence"),
    [
        (SCHOOLS, {"target": "scores"}, "data.target: the data has no column 'scores'; did you mean 'score'?"),
        (SCHOOLS, {**ROLES, "features": ["age", "incom"]}, "data.features[1]: the data has no column 'incom'; did you"),
        (
            SCHOOLS,
            {**ROLES, "group": "zone"},
            "data.group: the data has no column 'zone'; expected one of 'name', 'inc",
        ),
        (
            SCHOOLS,
            {**ROLES, "features": ["score"]},
            "data.features[0]: the column 'score' is already used as data.target",
        ),
        (
            SCHOOLS,
            {**ROLES, "features": ["age", "age"]},
            "data.features[1]: the column 'age' is already used as data.fea",
        ),
        (SCHOOLS, {**ROLES, "sigma": "score"}, "data.sigma: the column 'score' is already used as data.target"),
        (SCHOOLS, {"target": "area"}, "data.target: column 'area' holds 'north' in row 1, but expected a number"),
        (
            SCHOOLS,
            {**ROLES, "features": ["name"]},
            "data.features: column 'name' holds 'A' in row 1, but expected a numb",
        ),
        (SCHOOLS, {"target": ["score", "incom"]}, "data.target[1]: the data has no column 'incom'; did you mean 'inc"),
        (SCHOOLS, {"target": ["age", "age"]}, "data.target[1]: the column 'age' is already used as data.target[0]"),
        (SCHOOLS, {"target": ["age", "area"]}, "data.target: column 'area' holds 'north' in row 1, but expected a num"),
        (SCHOOLS, {"target": []}, "data.target: expected a column or a list of columns, but got []; write"),
        (SCHOOLS, {"target": [["age"]]}, "data.target: expected a column or a list of columns, but got [['age']]; wri"),
        (SCHOOLS, {"target": {"y": "age"}}, "data.target: expected a column or a list of columns, but got {'y': 'age'"),
        (
            SCHOOLS,
            {"target": ["score", "age"], "sigma": "se"},
            "data.sigma: column 'se' holds the standard errors of one target, but data.target is a list; name one",
        ),
        (
            SCHOOLS,
            {**ROLES, "context": ["agee"]},
            "data.context[0]: the data has no column 'agee'; did you mean 'age'?",
        ),
        (
            SCHOOLS,
            {**ROLES, "context": ["score"]},
            "data.context[0]: the column 'score' is already used as data.target",
        ),
        (
            SCHOOLS,
            {**ROLES, "context": ["age"], "features": ["age"]},
            "data.features[0]: the column 'age' is already used as data.context[0]; name it once",
        ),
        (SCHOOLS, {**ROLES, "context": ["area"]}, "data.context: column 'area' holds 'north' in row 1, but expected a"),
        ("y,x\n1,2\n2,3\n3,4k\n", {}, "data.features: column 'x' holds '4k' in row 3, but expected a number"),
        ("y,x\n1,2\n2,\n3,\n", {}, "data: column 'x' has 2 missing values, first in row 2; remove or fill them"),
        ("y,x\n1,2\n2,inf\n", {}, "data: column 'x' has 1 infinite value, first in row 2; remove or replace it"),
        ("y,x\n1,2\nNA,2\n", {}, "data: column 'y' has 1 missing value, first in row 2; remove or fill it"),
        ("y,g\n1,a\n2,\n", {"group": "g"}, "data: column 'g' has 1 missing value, first in row 2; remove or fill it"),
        (
            "y,s\n1,1\n2,0\n",
            {"sigma": "s"},
            "data.sigma: column 's' holds 0 in row 2, but expected a standard error above",
        ),
        ("y,x\n1,2\n", {}, "data: the table has 1 row, but expected at least 2; check the file"),
        ("y,x\n", {}, "data: the table has no rows, but expected at least 2; check the file"),
        ("", {}, "data.path: "),
        (b"\xff\xfey\n\x00", {}, "data.path: expected a CSV file, but "),
        ("y,y\n1,2\n3,4\n", {}, "data.path: there are two columns 'y' in "),
        (",y\n1,2\n2,4\n", {}, "data.features: column 1 of the file has no name (row numbers?)"),
        ("y,x\n1,2,3\n3,4,5\n", {}, "data.path: the first row of "),
        ("y,x\n1,2\n3,4\n", {"separator": ", "}, "data.separator: expected one character, but got ', '"),
        (
            "y,x\n1,2\n3,2\n",
            {"standardise": True},
            "data.standardise: the feature 'x' is constant on the 2 training rows",
        ),
        (
            "y\n1\n2\n",
            {"standardise": True},
            "data.standardise: expected features to standardise, but the data has none",
        ),
        (
            "y,x\n1,2\n1,3\n",
            {"standardise_target": True},
            "data.standardise_target: the target is constant on the 2 trai",
        ),
        (
            "y,z\n1,2\n2,2\n",
            {"target": ["y", "z"], "standardise_target": True},
            "data.standardise_target: the target 'z' is constant on the 2 training rows",
        ),
        (
            "y,x,c\n1,2,3\n2,3,3\n",
            {"context": ["c"], "standardise": True},
            "data.standardise: the context 'c' is constant on the 2 training rows",
        ),
        ("y\n1\n2\n", {"target": None, "context": ["y"]}, "data.context: ['y'] needs a target, but data.target is nu"),
        (
            "y,x\n1,2\n1,3\n",
            {"test_fraction": 0.5},
            "data.test_fraction: 0.5 of 2 rows leaves 1 for training, but expecte",
        ),
        (
            "y,x\n1,2\n1,3\n",
            {"test_fraction": 0.1},
            "data.test_fraction: 0.1 of 2 rows holds out none; use a larger fra",
        ),
        (
            "y,x\n1,2\n1,3\n",
            {"test_fraction": 1.0},
            "data.test_fraction: expected a number of at least 0 and below 1, but",
        ),
        ("y\n1\n2\n", {"target": None, "sigma": "y"}, "data.sigma: y needs a target, but data.target is null"),
        (
            "y\n1\n2\n",
            {"target": None, "test_fraction": 0.5},
            "data.test_fraction: 0.5 needs a target, but data.target i",
        ),
        (
            "a b\n1\n2\n",
            {"target": None},
            "data.target: null gives every name in the file to the model, but 'a b' cannot",
        ),
        (
            "y,n\n1,a\n2,b\n",
            {"target": None},
            "data.path: 'n' holds 'a', but expected numbers; remove it, or code it as",
        ),
    ],
)
def test_refuses(load, content, keys, sentence):
    with pytest.raises(ConfigError) as error:
        load(Csv, content, **keys)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_dates_are_not_numbers(load):
    dataset = load(Csv, "y,day\n1,2026-01-01\n2,2026-01-02\n")
    assert "x" not in dataset
    assert json.loads(dataset.attrs["left_out"]) == {"day": "text"}


def test_a_missing_file_is_named_with_its_neighbours(load, tmp_path):
    (tmp_path / "income.csv").write_text("y\n1\n")
    with pytest.raises(ConfigError) as error:
        load(Csv, path=str(tmp_path / "incomes.csv"))
    assert str(error.value) == (
        f"data.path: the file {tmp_path}/incomes.csv does not exist; in {tmp_path}, did you mean 'income.csv'?"
    )


def test_a_missing_folder_is_named(load, tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(ConfigError, match=r"datas/x\.csv does not exist; in .*, did you mean 'data'\?"):
        load(Csv, path=str(tmp_path / "datas" / "x.csv"))


def test_a_folder_is_no_file(load, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.path: expected a file, but .* is a folder"):
        load(Csv, path=str(tmp_path))


def numbers(rows: int) -> str:
    rng = np.random.default_rng(0)
    return "y,x,g\n" + "".join(f"{a},{b},{i % 3}\n" for i, (a, b) in enumerate(rng.normal(size=(rows, 2))))


def test_the_split_is_reproducible_and_follows_its_seed(load):
    one, two, other = (load(Csv, numbers(40), test_fraction=0.25, split_seed=seed) for seed in (1, 1, 2))
    assert fingerprint(one) == fingerprint(two) != fingerprint(other)
    train, test = split(one)
    assert (train.sizes["obs"], test.sizes["obs"]) == (30, 10)
    assert set(train["obs"].values) | set(test["obs"].values) == set(range(40))


def test_standardising_uses_the_training_rows_only(load):
    plain = load(Csv, numbers(40), test_fraction=0.5)
    scaled = load(Csv, test_fraction=0.5, standardise=True, standardise_target=True, features=["x"])
    train, test = split(scaled)
    raw, raw_test = split(plain)
    mean, sd = raw["x"][:, 0].values.mean(), raw["x"][:, 0].values.std()
    np.testing.assert_allclose(train["x"].mean(), 0, atol=1e-12)
    np.testing.assert_allclose(train["x"].std(), 1, rtol=1e-12)
    np.testing.assert_allclose(test["x"][:, 0], (raw_test["x"][:, 0] - mean) / sd, rtol=1e-12)
    np.testing.assert_allclose(train["y"].std(), 1, rtol=1e-12)
    assert abs(float(test["x"].mean())) > 1e-3  # not 0: its mean played no part

    scaler = json.loads(scaled.attrs["scaler"])
    assert scaler["x"] == {"feature": ["x"], "mean": [mean], "sd": [sd]}
    back = test["y"] * scaler["y"]["sd"] + scaler["y"]["mean"]
    np.testing.assert_allclose(back, raw_test["y"], rtol=1e-12)


def test_every_target_and_the_context_are_standardised_by_column(load):
    keys = {"target": ["y", "x"], "context": ["g"], "test_fraction": 0.25}
    train, test = split(load(Csv, numbers(40), **keys))
    scaled = load(Csv, standardise=True, standardise_target=True, **keys)
    scaler = json.loads(scaled.attrs["scaler"])
    assert scaler.keys() == {"context", "y"}  # there are no features
    assert scaler["y"]["target"] == ["y", "x"]
    assert scaler["context"]["context_feature"] == ["g"]
    for name in ("y", "context"):
        mean, sd = train[name].values.mean(0), train[name].values.std(0)
        np.testing.assert_allclose(split(scaled)[1][name], (test[name] - mean) / sd, rtol=1e-12)
        np.testing.assert_array_equal(scaler[name]["mean"], mean)
        np.testing.assert_array_equal(scaler[name]["sd"], sd)
    assert load(Csv, standardise=True, **keys)["y"].identical(load(Csv, **keys)["y"])


def test_a_feature_constant_on_the_training_rows_alone_is_refused(load):
    held_out = split(load(Csv, numbers(10), test_fraction=0.1))[1]["obs"].item()
    content = "y,x\n" + "".join(f"{i},{int(i == held_out)}\n" for i in range(10))
    with pytest.raises(ConfigError, match="feature 'x' is constant on the 9 training rows"):
        load(Csv, content, test_fraction=0.1, standardise=True)


def test_known_errors_are_scaled_with_the_target(load):
    dataset = load(Csv, "y,s\n0,1\n2,3\n", sigma="s", standardise_target=True)
    np.testing.assert_allclose(dataset["sigma"], [1, 3])
    dataset = load(Csv, "y,s\n0,1\n20,3\n", sigma="s", standardise_target=True)
    np.testing.assert_allclose(dataset["sigma"], [0.1, 0.3])


def test_every_group_keeps_a_training_row(load):
    content = "y,g\n" + "".join(f"{i},{i // 2}\n" for i in range(20))
    train, test = split(load(Csv, content, group="g", test_fraction=0.5))
    assert set(train["group"].values) == set(range(10))
    assert test.sizes["obs"] == 10
    with pytest.raises(ConfigError, match="leaves 8 for training, but expected at least one row per group"):
        load(Csv, group="g", test_fraction=0.6)


def test_features_that_are_listed_leave_nothing_out_unsaid(load):
    assert "left_out" not in load(Csv, SCHOOLS, target="score", features=["age"]).attrs


ELSEWHERE = [
    ("y;x\n1;1,5\n2;2,25\n", {"separator": ";"}, """'data.decimal=","' if it is 1.5"""),
    ("y;x\n1;1.234,5\n2;2,25\n", {"separator": ";"}, """'data.decimal=","' 'data.thousands="."' if it is 1234.5"""),
    ('y,x\n1,"1,234.5"\n2,"2,250"\n', {}, """'data.thousands=","' if it is 1234.5"""),
    ("y,x\n1,1 234\n2,20\n", {}, """'data.thousands=" "' if it is 1234"""),
    ("y,x\n1,1'234.5\n2,2'000\n", {}, """'data.thousands="'"'"'"' if it is 1234.5"""),
    (
        'y,x\n1,"1,234"\n2,"5,804"\n',
        {},
        """'data.decimal=","' if it is 1.234 or type 'data.thousands=","' if it is 1234""",
    ),
]


@pytest.mark.parametrize("role", [{"target": "y"}, {"target": "x"}, {"target": ["y", "x"]}, {"target": None}])
@pytest.mark.parametrize(("content", "keys", "advice"), ELSEWHERE)
def test_numbers_that_are_written_elsewhere_are_refused_with_what_to_type(load, content, keys, advice, role):
    with pytest.raises(ConfigError) as error:
        load(Csv, content, **keys, **role)
    assert f"type {advice}" in str(error.value)


@pytest.mark.parametrize(("content", "keys", "advice"), ELSEWHERE)
def test_what_is_advised_reads_them(load, content, keys, advice):
    with pytest.raises(ConfigError) as error:
        load(Csv, content, **keys)
    said = str(error.value).split("; type ")[1].split(" if it is ")
    typed = dict(word.removeprefix("data.").split("=", 1) for word in shlex.split(said[0]))
    read = load(Csv, content, **keys, **{key: json.loads(mark) for key, mark in typed.items()})
    assert float(read["x"][0, 0]) == float(said[1].split()[0].rstrip(","))


@pytest.mark.parametrize("mark", [";", "\t", "|", " "])
def test_another_separator_is_named(load, mark):
    content = f"y{mark}x\n1{mark}1.5\n2{mark}3\n"
    with pytest.raises(
        ConfigError, match=r"^data\.separator: .* has only one column between ',', but 2 between"
    ) as error:
        load(Csv, content)
    (typed,) = shlex.split(str(error.value).split("; type ")[1])
    value = typed.removeprefix("data.separator=").strip('"')
    np.testing.assert_array_equal(load(Csv, content, separator=value)["x"][:, 0], [1.5, 3.0])


def test_a_number_with_other_groups_is_none(load):
    with pytest.raises(ConfigError, match=r"^data\.thousands: column 'x' holds '2,5', which is no number with ','"):
        load(Csv, 'y,x\n1,"1,234"\n2,"2,5"\n', thousands=",")


def test_marks_are_single_characters_and_differ(load):
    with pytest.raises(ConfigError, match=r"^data\.thousands: '\.' is data\.decimal, too"):
        load(Csv, "y\n1\n", thousands=".")
    with pytest.raises(ConfigError, match=r"^data\.decimal: expected one character, but got ',,'"):
        load(Csv, "y\n1\n", decimal=",,")


def test_labels_may_look_like_numbers(load):
    assert list(load(Csv, 'y,g\n1,"1,234"\n2,"5,804"\n', group="g")["group_name"].values) == ["1,234", "5,804"]
    assert "x" not in load(Csv, "y,code\n1,A-1\n2,12%\n")


def test_other_files_hold_numbers_as_numbers(load):
    with pytest.raises(
        ConfigError, match=r"'x' holds '1,5' as text; write numbers in the file as numbers, such as 1234\.5"
    ):
        load(Json, json.dumps({"y": [1, 2], "x": ["1,5", "2,5"]}))


class OneRow(Model):
    """A model that takes a single row, as an energy of a lattice does."""

    takes_one_row = True

    def __call__(self, y):
        """It is not run."""


def test_one_row_is_enough_where_the_model_can_use_it(tmp_path):
    (tmp_path / "lattice.csv").write_text("a,b\n1,-1\n")
    keys = TABLE | {"target": ["a", "b"], **TEXT}
    source = Csv(**keys, path=str(tmp_path / "lattice.csv"))
    np.testing.assert_array_equal(source.load(OneRow({}), 0)["y"], [[1, -1]])
    with pytest.raises(ConfigError, match=r"^data: the table has 1 row, but expected at least 2; check the file"):
        source.load(None, 0)
    with pytest.raises(ConfigError, match=r"^data\.test_fraction: 0\.9 of 1 rows leaves 0 for training, .* one row;"):
        replace(source, test_fraction=0.9).load(OneRow({}), 0)


class Classes(OneRow):
    """A model whose target is one of several classes."""

    takes_one_row = False
    takes_classes = True


@pytest.mark.parametrize(
    ("column", "levels", "codes"),
    [
        ("name", ["A", "B", "C", "D"], [0, 1, 2, 3]),
        ("area", ["east", "north", "south"], [1, 2, 1, 0]),
        ("age", ["20", "30", "40", "50"], [1, 2, 0, 3]),
        ("se", ["1", "2"], [0, 1, 0, 1]),
    ],
)
def test_a_target_of_classes_is_the_places_of_its_levels(load, column, levels, codes):
    dataset = load(Csv, SCHOOLS, target=column, features=["income"], model=Classes({}))
    assert list(dataset["class"].values) == levels
    np.testing.assert_array_equal(dataset["y"], codes)
    assert dataset["y"].dims == ("obs",)


def test_a_number_that_is_not_whole_is_no_class(load):
    with pytest.raises(ConfigError, match=r"data\.target: column 'income' holds 1\.5 in row 1, .* whole numbers; use"):
        load(Csv, SCHOOLS, target="income", model=Classes({}))


def test_a_missing_class_is_told(load):
    with pytest.raises(ConfigError, match=r"column 'kind' has 1 missing value, first in row 2; .* data\.missing=drop"):
        load(Csv, "kind,x\na,1\n,2\nb,3\n", target="kind", model=Classes({}))
