import json

import numpy as np
import pytest

from credo.data.dataset import arrays, fingerprint
from credo.data.json import Json
from credo.errors import ConfigError


def test_columns_and_records_are_the_same_table(load):
    columns = load(Json, '{"y": [1, 2], "x": [0.5, 1.5], "n": 2}')
    records = load(Json, '[{"y": 1, "x": 0.5}, {"y": 2, "x": 1.5}]')
    assert fingerprint(columns) == fingerprint(records)
    assert list(columns["feature"].values) == ["x"]


def test_a_matrix_gives_a_feature_per_column(load):
    dataset = load(Json, '{"x": [[1, 2], [3, 4], [5, 6]], "y": [1, 2, 3]}')
    assert list(dataset["feature"].values) == ["x_0", "x_1"]
    np.testing.assert_array_equal(dataset["x"], [[1, 2], [3, 4], [5, 6]])


def test_without_target_every_key_is_an_argument(load):
    content = {"J": 3, "t": 0.5, "flag": True, "alpha": [1, 1], "y": [1.0, 2, 3], "X": [[1, 2], [3, 4], [5, 6]]}
    dataset = load(Json, json.dumps(content), target=None)
    given = arrays(dataset)
    assert set(given) == set(content)
    assert given["J"].shape == ()
    assert (given["J"].dtype, given["t"].dtype, given["flag"].dtype) == (np.int64, np.float64, np.int64)
    assert dataset["y"].dims == ("obs",)
    assert dataset["X"].dims == ("obs", "X_dim_1")
    assert dataset["alpha"].dims == ("alpha_dim_0",)
    for name, value in content.items():
        np.testing.assert_array_equal(given[name], value)


def test_variables_with_rows_come_first(load):
    dataset = load(Json, '{"alpha": [1, 1], "a": [1, 2, 3], "b": [1, 2, 3]}', target=None)
    assert list(dataset.data_vars) == ["a", "b", "alpha"]


def test_a_key_may_be_called_obs(load):
    dataset = load(Json, '{"obs": [1, 2, 3], "n": 3}', target=None)
    assert set(arrays(dataset)) == {"obs", "n"}


@pytest.mark.parametrize(
    ("content", "keys", "sentence"),
    [
        ("{", {}, "data.path: expected a JSON file, but "),
        ("3", {}, "data.path: expected "),
        ("[]", {}, "data.path: expected "),
        ("[1, 2]", {}, "data.path: expected "),
        (
            '{"y": [1, 2], "x": [1, 2, 3]}',
            {},
            "data.path: expected columns of one length, but 'y' has 2 values and 'x' h",
        ),
        (
            '{"y": [1, 2], "y_0": [1, 2], "z": [[[1]], [[2]]]}',
            {},
            "data.path: 'z' has 3 dimensions, but a table takes at",
        ),
        ('{"y": [[1], [2]], "y_0": [1, 2]}', {}, "data.path: there are two columns 'y_0' in the file; rename one"),
        ('{"y": [1, null]}', {}, "data: column 'y' has 1 missing value, first in row 2"),
        ('[{"y": 1, "x": 1}, {"y": 2}]', {}, "data: column 'x' has 1 missing value, first in row 2"),
        ('{"y": [1, "two", 3]}', {}, "data.target: column 'y' holds 'two' in row 2, but expected a number"),
        ('{"y": [[1], [2, 3]]}', {}, "data.path: 'y' holds lists of unequal lengths, but expected a rectangular array"),
        ('{"n": 3}', {"target": "n"}, "data.target: the data has no column 'n'; there is none"),
        (
            '{"y": [[1], [2, 3]]}',
            {"target": None},
            "data.path: 'y' holds lists of unequal lengths, but expected a recta",
        ),
        ('{"y": [1, null]}', {"target": None}, "data: variable 'y' has 1 missing value, first in row 2"),
        ('{"y": null}', {"target": None}, "data: variable 'y' has 1 missing value; remove or fill it"),
        ('{"y": [1, NaN]}', {"target": None}, "data: variable 'y' has 1 missing value, first in row 2"),
        ('{"y": [1, "two"]}', {"target": None}, "data.path: 'y' holds 'two', but expected numbers"),
        ('{"y": "text"}', {"target": None}, "data.path: 'y' holds 'text', but expected numbers"),
        ('{"y": {"a": 1}}', {"target": None}, "data.path: 'y' holds {'a': 1}, but expected numbers"),
        ('{"y": []}', {"target": None}, "data: variable 'y' is empty; expected at least one value"),
        (
            '{"y-1": [1]}',
            {"target": None},
            "data.target: null gives every name in the file to the model, but 'y-1' cann",
        ),
        (
            '{"lambda": 1}',
            {"target": None},
            "data.target: null gives every name in the file to the model, but 'lambda' c",
        ),
        (
            '{"y": [1, 2]}',
            {"target": None, "standardise": True},
            "data.standardise: True needs a target, but data.target",
        ),
    ],
)
def test_refuses(load, content, keys, sentence):
    with pytest.raises(ConfigError) as error:
        load(Json, content, **keys)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)
