import io

import numpy as np
import pandas as pd
import pytest

from credo.data.csv import Csv
from credo.data.dataset import arrays, fingerprint
from credo.data.npz import Npz
from credo.data.parquet import Parquet
from credo.errors import ConfigError


def npz(**values) -> bytes:
    file = io.BytesIO()
    np.savez(file, **values)
    return file.getvalue()


def parquet(table: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    table.to_parquet(file)
    return file.getvalue()


def test_all_formats_give_the_same_data(load):
    y, x = np.array([1, 2, 3]), np.array([0.1, 0.2, 0.3])
    text = load(Csv, "y,x\n1,0.1\n2,0.2\n3,0.3\n")
    assert fingerprint(load(Npz, npz(y=y, x=x))) == fingerprint(text)
    assert fingerprint(load(Parquet, parquet(pd.DataFrame({"y": y, "x": x})))) == fingerprint(text)


def test_npz_without_target_keeps_every_array(load):
    dataset = load(Npz, npz(n=4, y=np.arange(4, dtype=">i2"), m=np.ones((2, 4))), target=None)
    given = arrays(dataset)
    assert given["n"].shape == ()
    assert dataset["m"].dims == ("m_dim_0", "m_dim_1")
    np.testing.assert_array_equal(given["y"], [0, 1, 2, 3])


def test_npz_matrix_and_foreign_byte_order(load):
    dataset = load(Npz, npz(X=np.ones((3, 2), ">f4"), y=np.arange(3)))
    assert list(dataset["feature"].values) == ["X_0", "X_1"]


def test_npz_refuses_pickles(load):
    with pytest.raises(ConfigError, match=r"data\.path: expected a npz file, but .*allow_pickle=False"):
        load(Npz, npz(y=np.array([{}, {}], dtype=object)))


@pytest.mark.parametrize(("source", "form"), [(Npz, "npz"), (Parquet, "Parquet")])
@pytest.mark.parametrize("content", [b"no such format", b"PK\x03\x04broken"])
def test_refuses_other_files(load, source, form, content):
    with pytest.raises(ConfigError, match=rf"data\.path: expected a {form} file, but"):
        load(source, content)


def test_npz_refuses_a_single_array(load, tmp_path):
    file = io.BytesIO()
    np.save(file, np.arange(3))
    with pytest.raises(ConfigError, match=r"data\.path: expected a npz file, but"):
        load(Npz, file.getvalue())


def test_parquet_types(load):
    table = pd.DataFrame(
        {
            "y": pd.array([1, 0, 1], dtype="Int64"),
            "flag": pd.array([True, False, True], dtype="boolean"),
            "small": np.array([1, 2, 3], "float32"),
            "day": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"]),
            "area": pd.Categorical(["b", "a", "b"]),
        },
        index=pd.Index([5.0, 6.0, 7.0], name="time"),
    )
    dataset = load(Parquet, parquet(table), group="area")
    assert dataset["y"].dtype == np.int64
    assert list(dataset["feature"].values) == ["time", "flag", "small"]
    np.testing.assert_array_equal(dataset["x"], [[5, 1, 1], [6, 0, 2], [7, 1, 3]])
    assert list(dataset["group_name"].values) == ["a", "b"]
    np.testing.assert_array_equal(dataset["group"], [1, 0, 1])


def test_parquet_missing_values_and_dates(load):
    table = pd.DataFrame({"y": pd.array([1, None, 1], dtype="Int64"), "day": pd.to_datetime(["2026-01-01"] * 3)})
    with pytest.raises(ConfigError, match="column 'y' has 1 missing value, first in row 2"):
        load(Parquet, parquet(table))
    with pytest.raises(ConfigError, match=r"data\.target: column 'day' holds '2026-01-01 00:00:00' in row 1"):
        load(Parquet, target="day")
