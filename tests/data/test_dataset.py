import numpy as np
import pytest
import xarray as xr

from credo.data.dataset import TRUTH, arrays, fingerprint, make, split
from credo.errors import ConfigError


def example() -> xr.Dataset:
    x = np.arange(6.0).reshape(3, 2)
    return make({"y": (["obs"], [1, 0, 1]), "x": (["obs", "feature"], x)}, {"feature": ["a", "b"]}, {"b": 1, "a": 2})


def test_make_names_every_axis_and_counts_rows():
    dataset = example()
    assert dataset["x"].dims == ("obs", "feature")
    assert list(dataset["feature"].values) == ["a", "b"]
    assert list(dataset["obs"].values) == [0, 1, 2]


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.array([True, False]), "int64"),
        (np.array([1, 2], "uint8"), "int64"),
        (np.array([1, 2], ">f4"), "float64"),
        (3, "int64"),
        (3.0, "float64"),
    ],
)
def test_numbers_are_float64_or_int64_and_scalars_stay_scalars(given, dtype):
    dims = ["obs"] if np.ndim(given) else []
    out = arrays(make({"v": (dims, given)}))["v"]
    assert out.dtype == dtype
    assert out.shape == np.shape(given)
    np.testing.assert_array_equal(out, given)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([1, np.nan, np.nan], "data: variable 'v' has 2 missing values, first in row 2; remove or fill them"),
        ([[1, 2], [3, np.inf]], "data: variable 'v' has 1 infinite value, first in row 2; remove or replace it"),
        (np.nan, "data: variable 'v' has 1 missing value; remove or fill it"),
        ([], "data: variable 'v' is empty; expected at least one value"),
        (["a", "b"], "data: variable 'v' holds <U1 values, e.g. a, but expected real numbers"),
        ([1 + 2j], "data: variable 'v' holds complex128 values"),
        (np.array([2**63], "uint64"), "data: variable 'v' holds uint64 values"),
    ],
)
def test_make_refuses_what_is_not_a_finite_number(values, sentence):
    with pytest.raises(ConfigError) as error:
        make({"v": (["obs", "k"][: np.ndim(values)], values)})
    assert str(error.value).startswith(sentence)


def test_make_refuses_a_variable_named_like_a_dimension():
    with pytest.raises(ConfigError, match="'obs' is taken by a dimension"):
        make({"obs": (["obs"], [1, 2])})


def test_fingerprint_is_a_known_value():
    """A change of the hash's definition would make old runs look as if their data had changed."""
    dataset = make({"y": (["obs"], [1, 0])}, {"name": ("obs", ["a", "b"])})
    assert fingerprint(dataset) == "172ee4cf8ab7e1e0d4e4806a9e51a1f915bec82ed86e474c86fde92fb1e4b34f"


def test_fingerprint_ignores_order_attributes_memory_layout_and_byte_order():
    dataset = example()
    same = xr.Dataset(
        {
            "x": (("obs", "feature"), np.asfortranarray(dataset["x"].values).astype(">f8"), {"note": "other"}),
            "y": dataset["y"].variable,
        },
        {"obs": [0, 1, 2], "feature": np.array(["a", "b"], "<U9")},
        {"a": 2, "b": 1},
    )
    assert fingerprint(same) == fingerprint(dataset)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.assign(y=d["y"] + 1),
        lambda d: d.assign(y=d["y"].astype(float)),
        lambda d: d.rename(y="z"),
        lambda d: d.rename(obs="row"),
        lambda d: d.isel(obs=[1, 0, 2]),
        lambda d: d.isel(obs=slice(2)),
        lambda d: d.assign_coords(feature=["a", "c"]),
        lambda d: d.assign_coords(split=("obs", ["train", "train", "test"])),
        lambda d: d.assign(truth_mu=3.0),
        lambda d: d.assign(y=d["y"].assign_attrs(role=TRUTH)),
        lambda d: d.set_coords("y"),
    ],
    ids=["value", "dtype", "name", "dim", "order", "rows", "label", "split", "truth", "role", "coord"],
)
def test_fingerprint_sees(change):
    assert fingerprint(change(example())) != fingerprint(example())


def test_split_by_the_coordinate():
    dataset = example().assign_coords(split=("obs", ["train", "test", "train"])).assign(n=7)
    train, test = split(dataset)
    assert list(train["obs"].values) == [0, 2]
    assert list(test["obs"].values) == [1]
    assert int(train["n"]) == int(test["n"]) == 7
    assert "split" not in train.coords


def test_without_held_out_rows_there_is_no_test_set():
    assert split(example())[1] is None
    train, test = split(example().assign_coords(split=("obs", ["train"] * 3)))
    assert test is None
    assert train.sizes["obs"] == 3


def test_arrays_leave_out_the_truth():
    dataset = example().assign(truth_mu=3.0)
    dataset["truth_mu"].attrs["role"] = TRUTH
    assert set(arrays(dataset)) == {"x", "y"}
