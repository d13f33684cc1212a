from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from credo.data.dataset import split
from credo.data.uci import Uci
from credo.errors import ConfigError

SETS = Path(__file__).parents[3] / "shared" / "reference" / "uci"
FILES = {
    "data.txt": "1 10\t7 100\n2 20\t7 200 \n 3 30\t7 300\n4 50\t7 400\n\n",
    "index_features.txt": "0\n1.0\n",
    "index_target.txt": "3\n",
    "index_test_0.txt": "2\n",
    "index_test_1.txt": "0.000e+00\n3.000e+00\n",
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., xr.Dataset]:
    """Load a tiny folder: `load(split=1)`, or with other files, `load({"index_target.txt": None})`; None is no file."""

    def _load(changes: dict[str, str | None] | None = None, **keys: object) -> xr.Dataset:
        folder = tmp_path / "tiny"
        folder.mkdir(exist_ok=True)
        for name, content in (FILES | (changes or {})).items():
            if content is not None:
                (folder / name).write_text(content)
        options = {"path": str(folder), "split": 0, "standardise": False, "standardise_target": False}
        return Uci(**(options | keys)).load(None, 0)

    return _load


def test_columns_are_named_by_their_numbers(load):
    dataset = load()
    assert dataset["y"].dims == ("obs",)
    assert dataset["x"].dims == ("obs", "feature")
    assert list(dataset["feature"].values) == ["feature_0", "feature_1"]
    np.testing.assert_array_equal(dataset["x"], [[1, 10], [2, 20], [3, 30], [4, 50]])
    np.testing.assert_array_equal(dataset["y"], [100, 200, 300, 400])
    assert "left_out" not in dataset.attrs


def test_the_features_keep_the_order_of_their_file(load):
    dataset = load({"index_features.txt": "1\n0\n"})
    assert list(dataset["feature"].values) == ["feature_1", "feature_0"]
    np.testing.assert_array_equal(dataset["x"][0], [10, 1])


def test_several_targets(load):
    dataset = load({"index_target.txt": "3\n2\n"})
    assert list(dataset["target"].values) == ["target_3", "target_2"]
    np.testing.assert_array_equal(dataset["y"][0], [100, 7])


@pytest.mark.parametrize(("number", "held_out"), [(0, [2]), (1, [0, 3])])
def test_a_split_holds_its_rows_out(load, number, held_out):
    train, test = split(load(split=number))
    assert list(test["obs"].values) == held_out
    assert list(train["obs"].values) == [row for row in range(4) if row not in held_out]


def test_standardising_uses_the_training_rows_only(load):
    train, test = split(load(split=1, standardise=True, standardise_target=True))
    np.testing.assert_allclose(train["x"], [[-1, -1], [1, 1]])
    np.testing.assert_allclose(train["y"], [-1, 1])
    np.testing.assert_allclose(test["x"], [[-3, -3], [3, 5]])
    np.testing.assert_allclose(test["y"], [-3, 3])


def test_paths_start_in_the_working_folder(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(path="tiny").sizes["obs"] == 4


@pytest.mark.parametrize(
    ("changes", "keys", "sentence"),
    [
        ({}, {"split": 2}, "data.split: there is no split 2 in {folder}; expected one of 0, 1"),
        ({}, {"split": -1}, "data.split: there is no split -1 in {folder}; expected one of 0, 1"),
        (
            {"index_test_0.txt": None, "index_test_1.txt": None},
            {},
            "data.split: there is no split 0 in {folder}; expected files index_test_0.txt, ...; add them",
        ),
        ({"index_target.txt": None}, {}, "data.path: the file {folder}/index_target.txt does not exist; in {folder}, "),
        ({"data.txt": None}, {}, "data.path: the file {folder}/data.txt does not exist; in {folder}, expected one of"),
        ({}, {"path": "{folder}x"}, "data.path: the file {folder}x/data.txt does not exist; in {parent}, did you mean"),
        ({}, {"path": "{folder}/data.txt"}, "data.path: expected a folder, but {folder}/data.txt is a file; name the "),
        (
            {"data.txt": " \n"},
            {},
            "data.path: expected a whitespace-separated file, but {folder}/data.txt cannot be rea",
        ),
        ({"data.txt": "1 2\n3\n"}, {}, "data.path: expected a whitespace-separated file, but {folder}/data.txt cannot"),
        ({"data.txt": "1 a\n"}, {}, "data.path: expected a whitespace-separated file, but {folder}/data.txt cannot be"),
        (
            {"data.txt": FILES["data.txt"].replace("20\t", "nan\t")},
            {},
            "data: column 'feature_1' has 1 missing value, first in row 2; remove or fill it",
        ),
        (
            {"index_target.txt": "1"},
            {},
            "data.path: column 1 is listed in index_features.txt and in index_target.txt of {folder}, but expected in",
        ),
        (
            {"index_test_0.txt": "0 1 2"},
            {},
            "data.split: split 0 of {folder} holds out 3 of 4 rows, but expected at least 2 for training; choose",
        ),
        (
            {"index_features.txt": "0\n2\n"},
            {"standardise": True},
            "data.standardise: the feature 'feature_2' is constant on the 3 training rows",
        ),
    ],
)
def test_refuses(load, tmp_path, changes, keys, sentence):
    places = {"folder": tmp_path / "tiny", "parent": tmp_path}
    keys = {key: value.format(**places) if isinstance(value, str) else value for key, value in keys.items()}
    with pytest.raises(ConfigError) as error:
        load(changes, **keys)
    assert str(error.value).startswith(sentence.format(**places))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("4", "4"),
        ("-1", "-1"),
        ("1.5", "1.5"),
        ("nan", "nan"),
        ("0 one", "one"),
        ("1\n1.0", "1.0 twice"),
        ("\n", "nothing"),
    ],
)
@pytest.mark.parametrize(("file", "what"), [("index_features.txt", "columns"), ("index_test_0.txt", "rows")])
def test_refuses_a_bad_index(load, tmp_path, file, what, words, said):
    with pytest.raises(ConfigError) as error:
        load({file: words})
    assert str(error.value) == (
        f"data.path: expected {tmp_path}/tiny/{file} to list distinct {what} from 0 to 3, but it lists {said}; "
        "correct the file"
    )


@pytest.mark.skipif(not SETS.is_dir(), reason=f"the sets are not at {SETS}")
@pytest.mark.parametrize(
    ("name", "rows", "features"),
    [
        ("bostonHousing", 506, 13),
        ("concrete", 1030, 8),
        ("energy", 768, 8),
        ("power-plant", 9568, 4),
        ("yacht", 308, 6),
    ],
)
def test_the_customary_sets_have_their_sizes_and_splits(name, rows, features):
    for number in range(10):
        dataset = Uci(str(SETS / name), number, standardise=True, standardise_target=True).load(None, 0)
        assert dataset["x"].shape == (rows, features)
        train, _ = split(dataset)
        customary = np.loadtxt(SETS / name / f"index_train_{number}.txt").astype(int)
        assert set(train["obs"].values) == set(customary.tolist())
