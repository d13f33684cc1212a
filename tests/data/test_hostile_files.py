"""Files that are no data, or too much of it: one sentence each, and no waiting."""

import io
import json
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr
from pyarrow.parquet import write_table

from credo.data import places
from credo.data.csv import Csv
from credo.data.dataset import arrays, split
from credo.data.inline import Inline
from credo.data.json import Json
from credo.data.npz import Npz
from credo.data.parquet import Parquet
from credo.data.scaling import standardise
from credo.errors import ConfigError

ID, NEXT = 10**29 + 1, 10**29 + 2
"""They are one float64."""


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def shape_of(shape: str) -> bytes:
    return header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}")


def archive(*members: tuple[str, bytes], **changed: int) -> bytes:
    """A zip file, in whose headers bytes are changed: `flags` and `method`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            opened.writestr(name, content)
    content = bytearray(file.getvalue())
    central = content.find(b"PK\x01\x02")
    for name, value in changed.items():
        place = {"flags": 6, "method": 8}[name]
        content[place] = content[central + place + 2] = value
    return bytes(content)


def parquet(table: pa.Table | pd.DataFrame) -> bytes:
    file = io.BytesIO()
    write_table(table if isinstance(table, pa.Table) else pa.Table.from_pandas(table), file)
    return file.getvalue()


Y = ("y.npy", npy(np.arange(4.0)))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (archive(Y, ("note.txt", b"mine")), r"holds 'note\.txt', which is no array"),
        (archive(Y, flags=1), r"cannot be read as one \(.*encrypted"),
        (archive(Y, method=97), r"cannot be read as one \(That compression method is not supported\)"),
        (archive(("y.npy", header("{'descr': ["))), "cannot be read as one"),
        (archive(("y.npy", header("(" * 5000))), "cannot be read as one"),
        (archive(("y.npy", header("open('x', 'w')"))), "cannot be read as one"),
        (archive(("y.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff")), "cannot be read as one"),
        (archive(("y.npy", shape_of("(10**12,)"))), "cannot be read as one"),
        (archive(("y.npy", shape_of("(-1,)"))), "cannot be read as one"),
        (archive(("y.npy", shape_of("(1000000000000,)"))), r"data\.max_gb=8: the values of .* take 8,000 GB"),
        (archive(Y, ("x.npy", shape_of("(0, 1000000000000)"))), "'x' is empty"),
        (archive(), "holds no arrays"),
        (npy(np.arange(3)), "holds a single array without a name"),
    ],
)
def test_npz(load, content, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load(Npz, content)


def test_npz_has_distinct_names(load):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = archive(Y, Y)
    with pytest.raises(ConfigError, match="there are two arrays 'y'"):
        load(Npz, content)


@pytest.mark.parametrize("source", [Npz, Parquet])
def test_what_is_too_much_is_refused_before_it_is_read(load, source):
    zeros = np.zeros(3_000_000)
    bomb = archive(("y.npy", npy(zeros))) if source is Npz else parquet(pa.table({"y": zeros}))
    assert len(bomb) < 100_000
    with pytest.raises(ConfigError, match=r"data\.max_gb=0\.02: the values of .* take 0\.024 GB; raise data\.max_gb"):
        load(source, bomb, max_gb=0.02)


def test_the_limit_is_told(load):
    with pytest.raises(ConfigError, match=r"data\.max_gb=1e-06"):
        load(Csv, "y\n" + "1\n" * 1000, max_gb=1e-6)


@pytest.mark.parametrize(
    ("content", "target", "sentence"),
    [
        ("[" * 100_000, "y", "too many lists or objects inside each other"),
        ('{"y": ' + "[" * 60 + "1" + "]" * 60 + "}", None, r"'y' has 60 dimensions, but expected at most 29"),
        ('{"y": ' + "[" * 60 + "1" + "]" * 60 + "}", "y", r"'y' has 60 dimensions, but a table takes at most 2"),
        ('{"y": ' + "[" * 70 + "1" + "]" * 70 + "}", None, r"'y' holds too many lists inside each other"),
        ('{"y": [1, 2], "y": [3, 4]}', "y", "has the name 'y' twice"),
        ('[{"y": 1, "y": 2}, {"y": 3}]', "y", "has the name 'y' twice"),
        ('{"y": [1, 2], "a": {"b": 1, "b": 2}}', "y", "has the name 'b' twice"),
        (r'{"y": [1, 2], "\ud800": [1, 2]}', "y", r"has the name '\\ud800'"),
        (r'{"y": [1, 2], "a\u0000": [1, 2]}', "y", r"has the name 'a\\x00'"),
        (json.dumps({"y": [1, 2], "x" * 600: [1, 2]}), "y", "expected at most 500 characters"),
        ('{"y": [1' + "0" * 5000 + "]}", "y", r"cannot be read as one \(Exceeds the limit"),
    ],
)
def test_json(load, content, target, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load(Json, content, target=target)


@pytest.mark.parametrize(
    ("source", "content"),
    [
        (Csv, f"y,x\n{ID},1\n2,3\n"),
        (Csv, f"y,x\n{2**63 + 1},1\n2,3\n"),
        (Csv, f"y,x\n{2**53 + 1},1\n2.5,3\n"),
        (Json, json.dumps({"y": [ID, 2]})),
        (Json, json.dumps({"y": [ID, 2.5]})),
        (Json, json.dumps({"y": [2**53 + 1, None]})),
        (Json, json.dumps({"y": [1, 2], "x": [[ID, 1], [2.5, 2]]})),
        (Npz, archive(("y.npy", npy(np.array([2**64 - 1, 1], "uint64"))))),
        (Parquet, parquet(pa.table({"y": pa.array([2**63 + 1, 1], pa.uint64())}))),
        (Parquet, parquet(pa.table({"y": pa.array([2**53 + 1, 1])}))),
    ],
)
def test_whole_numbers_that_no_float_holds_are_no_measurements(load, source, content):
    with pytest.raises(ConfigError, match="a whole number that a float64 does not hold exactly"):
        load(source, content)


def test_whole_numbers_by_name_and_typed(load):
    for value in (ID, [ID, 1], [ID, 0.5]):
        with pytest.raises(ConfigError, match=f"'n' holds {ID}, a whole number too large to be exact"):
            load(Json, json.dumps({"y": [1, 2], "n": value}), target=None)
    with pytest.raises(ConfigError, match=r"data\.values"):
        Inline([ID, 2]).load(None, 0)
    exact = load(Json, json.dumps({"y": [2**53 + 1, 10**18]}), target=None)
    assert exact["y"].to_numpy().tolist() == [2**53 + 1, 10**18]


@pytest.mark.parametrize("content", [f"y,g\n1,{ID}\n2,{NEXT}\n3,{ID}\n", f"y,g\n1,{2**53}\n2,{2**53 + 1}\n3,{2**53}\n"])
def test_whole_numbers_as_labels_stay_apart(load, content):
    data = load(Csv, content, group="g")
    assert data["group"].to_numpy().tolist() == [0, 1, 0]
    assert set(data["group_name"].to_numpy()) == {row.split(",")[1] for row in content.split()[1:]}


def test_measurements_may_be_large(load):
    assert load(Csv, "y,x\n1e30,100000000000000000000\n2,3\n")["y"].to_numpy()[0] == 1e30  # 10^20 is a float64


def test_parquet_takes_an_index_for_a_column(load):
    table = pd.DataFrame({"y": [1.0, 2], "x": [3, 4]})
    for index in (pd.Index([5, 6], name="y"), pd.MultiIndex.from_arrays([[5, 6], [7, 8]], names=["z", "x"])):
        with pytest.raises(ConfigError, match="there are two columns"):
            load(Parquet, parquet(table.set_index(index)))
    with pytest.raises(ConfigError, match="there are two columns 'y'"):
        load(Parquet, parquet(pa.table([[1, 2], [3, 4]], names=["y", "y"])))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("y,é\n1,2\n".encode("latin1"), "is not written in UTF-8; save it in this encoding"),
        ("y,x\n1,2\n2,3\n".encode("utf-16"), "is not written in UTF-8; save it in this encoding"),
        (b"y,x\n" + b"1,2\n" * 50_000 + b"\xe9,3\n", "is not written in UTF-8"),
        (b"y,x\x00\n1,2\n2,3\n", r"has the name 'x\\x00'"),
        (b"y,x\n", "the table has no rows"),
        (b"y,x\n1,2\n1,2,3\n", "cannot be read as one"),
        (b"y,x\n1," + b"9" * 200_000 + b"\n2,3\n", "cannot be read as one"),
        (b"y," + b"x," * 100_000 + b"z\n1,2\n", "there are two columns 'x'"),
    ],
)
def test_csv(load, content, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load(Csv, content)


def test_csv_with_a_mark_of_its_encoding(load):
    assert load(Csv, '\ufeff"y","x"\n1,2\n2,3\n')["feature"].to_numpy().tolist() == ["x"]


def test_csv_is_what_it_holds_and_not_what_it_is_called(load, tmp_path):
    (tmp_path / "mine.csv.gz").write_text("y,x\n1,2\n2,3\n")
    assert load(Csv, path=str(tmp_path / "mine.csv.gz")).sizes["obs"] == 2


@pytest.mark.parametrize("mark", ["a", "1", '"', "\n", "é", "\0"])
def test_a_mark_is_no_letter(load, mark):
    with pytest.raises(ConfigError, match=r"data\.separator: expected a mark"):
        load(Csv, "y,x\n1,2\n2,3\n", separator=mark)


def test_many_columns_take_seconds(load):
    """Ten thousand of them; a cost per pair of columns would be minutes."""
    names = ",".join(f"x{i}" for i in range(10_000))
    began = time.monotonic()
    assert load(Csv, f"y,{names}\n" + ("1," * 10_000 + "2\n") * 3).sizes["feature"] == 10_000
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("~nouser/x.csv", "means the home of a user who is not known here"),
        ("a" * 300, r"cannot be opened \(File name too long\)"),
        ("a/" * 3000, r"cannot be opened \(File name too long\)"),
        ("a\0b", "cannot be opened"),
        ("/dev/zero", "is a pipe or a device"),
        ("/dev/stdin", "is a pipe or a device|is empty|cannot be opened"),
        ("pipe", "is a pipe or a device"),
        ("folder", "is a folder"),
        ("loop", r"cannot be opened \(Too many levels of symbolic links\)"),
        ("empty", "is empty"),
        ("empty/x", "does not exist; in .*, 'empty' is a file"),
        ("/proc/self/mem", "is empty"),
    ],
)
def test_paths(load, tmp_path, monkeypatch, path, sentence):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    Path("empty").touch()
    with pytest.raises(ConfigError, match=rf"data\.path: .*({sentence})"):
        load(Csv, path=path)


@pytest.mark.parametrize("what", ["stat", "open"])
def test_a_folder_without_permission(load, tmp_path, monkeypatch, what):
    (tmp_path / "mine.csv").write_text("y\n1\n2\n")

    def denied(self, *args, **more):
        raise PermissionError(13, os.strerror(13), str(self))

    monkeypatch.setattr(places.Path, what, denied)
    with pytest.raises(ConfigError, match=r"mine\.csv cannot be opened \(Permission denied\); let your user read it"):
        load(Csv, path=str(tmp_path / "mine.csv"))


def test_what_does_not_fit_into_memory(load, monkeypatch):
    def full(*args, **more):
        raise MemoryError

    monkeypatch.setattr(Csv, "read", full)
    with pytest.raises(ConfigError, match="do not fit into the memory of this machine"):
        load(Csv, "y\n1\n2\n")


@pytest.mark.parametrize("scale", [1.7e308, 1e200, 1.0, 1e-200, 1e-308])
def test_standardising_neither_overflows_nor_vanishes(scale):
    values = np.array([[1.0, -0.5], [-1.0, 0.25], [0.5, 1.0], [-0.25, -1.0]])
    data = xr.Dataset({"x": (("obs", "feature"), values * scale)}, {"feature": ["a", "b"]})
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        x = standardise(data, features=True, target=False)["x"].to_numpy()
    np.testing.assert_allclose(x, (values - values.mean(0)) / values.std(0), rtol=1e-12)


def test_standardising_has_the_bits_of_mean_and_deviation():
    random = np.random.default_rng(0)
    for columns in range(1, 20):
        x = random.normal(size=(37, columns)) * 10.0 ** random.integers(-6, 7, columns)
        data = xr.Dataset({"x": (("obs", "feature"), x)}, {"feature": list(map(str, range(columns)))})
        scaled = standardise(data, features=True, target=False)
        np.testing.assert_array_equal(scaled["x"], (x - x.mean(0)) / x.std(0))
        assert json.loads(scaled.attrs["scaler"])["x"]["sd"] == x.std(0).tolist()


def test_held_out_rows_that_overflow_are_refused():
    values = {"x": (("obs", "feature"), [[1e-300], [2e-300], [1e300]])}
    coords = {"feature": ["a"], "split": ("obs", ["train", "train", "test"])}
    data = xr.Dataset(values, coords)
    assert split(data)[1] is not None
    with pytest.raises(ConfigError, match=r"data\.standardise: the standardised feature has 1 infinite value"):
        standardise(data, features=True, target=False)
    assert set(arrays(data)) == {"x"}
