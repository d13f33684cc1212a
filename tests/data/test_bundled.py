import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from credo.data.breast_cancer import BreastCancer
from credo.data.dataset import split
from credo.data.diabetes import Diabetes
from credo.data.eight_schools import EightSchools
from credo.data.inline import Inline
from credo.errors import ConfigError

PLAIN = {"features": None, "standardise": False, "test_fraction": 0.0, "split_seed": 0}


def test_breast_cancer_equals_scikit_learn():
    dataset, expected = BreastCancer(**PLAIN).load(None, 0), load_breast_cancer()
    np.testing.assert_array_equal(dataset["x"], expected.data)
    np.testing.assert_array_equal(dataset["y"], expected.target)
    assert list(dataset["feature"].values) == list(expected.feature_names)
    assert expected.target_names[1] == "benign"


def test_diabetes_equals_scikit_learn():
    dataset, expected = Diabetes(**PLAIN, standardise_target=False).load(None, 0), load_diabetes(scaled=False)
    np.testing.assert_array_equal(dataset["x"], expected.data)
    np.testing.assert_array_equal(dataset["y"], expected.target)
    assert list(dataset["feature"].values) == expected.feature_names


def test_diabetes_standardised_is_scikit_learns_scaling_up_to_the_number_of_rows():
    dataset = Diabetes(None, True, True, 0.0, 0).load(None, 0)
    np.testing.assert_allclose(dataset["x"] / np.sqrt(442), load_diabetes().data, atol=1e-12)
    np.testing.assert_allclose([dataset["y"].mean(), dataset["y"].std()], [0, 1], atol=1e-12)


def test_features_and_split_of_breast_cancer():
    dataset = BreastCancer(["worst area", "mean radius"], True, 0.2, 3).load(None, 0)
    train, test = split(dataset)
    assert list(dataset["feature"].values) == ["worst area", "mean radius"]
    assert (train.sizes["obs"], test.sizes["obs"]) == (455, 114)
    np.testing.assert_allclose(train["x"].std("obs"), 1, rtol=1e-12)


def test_a_misspelt_feature():
    with pytest.raises(
        ConfigError, match=r"data\.features\[0\]: the data has no column 'mean radus'; did you mean 'mean r"
    ):
        BreastCancer(["mean radus"], True, 0.2, 3).load(None, 0)


def test_reading_does_not_import_scikit_learn():
    code = (
        "import sys; from credo.data.diabetes import Diabetes; Diabetes(None, True, True, 0.2, 0).load(None, 0);"
        "sys.exit('sklearn' in sys.modules or 'jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own code


def test_eight_schools():
    dataset = EightSchools().load(None, 0)
    assert dataset["y"].dims == dataset["sigma"].dims == ("school",)
    assert dataset["y"].sel(school="St. Paul's") == 18
    assert dataset["sigma"].sel(school="Mt. Hermon") == 18
    np.testing.assert_array_equal(dataset["y"], [28, 8, -3, 7, -1, 1, 18, 12])
    np.testing.assert_array_equal(dataset["sigma"], [15, 10, 16, 11, 9, 11, 10, 18])


def test_inline():
    dataset = Inline([1, 0, 1]).load(None, 0)
    assert dataset["y"].dims == ("obs",)
    assert dataset["y"].dtype == np.int64


@pytest.mark.parametrize(
    ("values", "got"), [([], "none"), ([1, "a"], "'a'"), ([[1, 2]], r"\[1, 2\]"), ([None], "None")]
)
def test_inline_refuses(values, got):
    with pytest.raises(ConfigError, match=rf"data\.values: expected a list of numbers, but got {got}; write data"):
        Inline(values).load(None, 0)
