"""The digits are scikit-learn's, in the scale that was asked for."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from credo.data.digits import Digits
from credo.errors import ConfigError
from credo.models.base import Model

PLAIN: dict[str, Any] = {
    "scale": "unit",
    "dequantise": False,
    "digits": None,
    "rows": None,
    "test_fraction": 0.0,
    "split_seed": 0,
}


@pytest.fixture
def model() -> Model:
    return None  # type: ignore[return-value]  # it is not asked


def test_equal_to_scikit_learn(model: Model) -> None:
    data, expected = Digits(**PLAIN).load(model, 0), load_digits()
    np.testing.assert_array_equal(data["y"], expected.data / 16)
    np.testing.assert_array_equal(data["digit"], expected.target)
    assert data["pixel"].values[[0, 8, 63]].tolist() == ["p00", "p10", "p77"]


def test_binary(model: Model) -> None:
    data, expected = Digits(**PLAIN | {"scale": "binary"}).load(model, 0), load_digits()
    assert data["y"].dtype == np.int64
    np.testing.assert_array_equal(data["y"], expected.data >= 8)


def test_dequantised_shades_are_uniform_within_their_step(model: Model) -> None:
    """The mean of 115,008 uniform numbers is known to 0.00085."""
    noisy, shades = Digits(**PLAIN | {"dequantise": True}).load(model, 0)["y"] * 17, load_digits().data
    np.testing.assert_array_equal(np.floor(noisy), shades)
    rest = noisy.to_numpy() - shades
    assert abs(rest.mean() - 0.5) < 4 * 0.00085
    assert not Digits(**PLAIN | {"dequantise": True, "split_seed": 1}).load(model, 0)["y"].equals(noisy / 17)


def test_some_digits_and_rows(model: Model) -> None:
    data = Digits(**PLAIN | {"digits": [3, 8], "rows": 20, "test_fraction": 0.2}).load(model, 0)
    assert set(data["digit"].values.tolist()) == {3, 8}
    assert (data["split"] == "test").sum() == 4
    assert data["y"].shape == (20, 64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": "grey"}, r"^data\.scale: expected one of unit, binary, but got 'grey'$"),
        ({"scale": "binary", "dequantise": True}, r"^data\.dequantise: .*; set data\.scale=unit or data\.dequantise="),
        ({"digits": []}, r"^data\.digits: .* \[\]$"),
        ({"rows": 2000}, r"^data\.rows: expected at most the 1797 images there are, but got 2000$"),
    ],
)
def test_refusals(settings: dict[str, Any], message: str, model: Model) -> None:
    with pytest.raises(ConfigError, match=message):
        Digits(**PLAIN | settings).load(model, 0)


class Given:
    """A model of a target given inputs."""

    def __init__(self, takes_images: bool) -> None:
        self.takes_images = takes_images

    def arguments(self) -> tuple[frozenset[str], frozenset[str]]:
        return frozenset({"x", "y"}), frozenset()


@pytest.mark.parametrize("takes_images", [True, False])
def test_a_model_of_classes_is_given_images_or_their_pixels(takes_images: bool) -> None:
    given: Any = Given(takes_images)
    data, expected = Digits(**PLAIN | {"digits": [3, 8]}).load(given, 0), load_digits()
    kept = np.isin(expected.target, [3, 8])
    assert data["x"].dims == (("obs", "height", "width", "channel") if takes_images else ("obs", "feature"))
    np.testing.assert_array_equal(data["x"].to_numpy().reshape(-1, 64), expected.data[kept] / 16)
    np.testing.assert_array_equal(data["y"], expected.target[kept] == 8)
    assert list(data["class"].values) == ["3", "8"]
