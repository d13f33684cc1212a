"""Valid data files of the four formats, broken at random: each loads as finite numbers, or is refused in one sentence.

`make fuzz` sets CREDO_FUZZ to the number of files; the count of what came of them is printed with `-s`.
"""

import io
import json
import os
import sys
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from promise import files, require_kept

from console import QUIET, credo
from credo.data.csv import Csv
from credo.data.file import TableFile
from credo.data.json import Json
from credo.data.npz import Npz
from credo.data.parquet import Parquet
from credo.errors import ConfigError
from registry import few
from tables import TABLE, TEXT

CASES = int(os.environ.get("CREDO_FUZZ", "200"))
COMMANDS = max(CASES // 100, 6)
"""Files that go through the whole command; the others are loaded as it loads them."""

FUZZ = partial(settings, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))

SOURCES: dict[str, type[TableFile]] = {"csv": Csv, "json": Json, "npz": Npz, "parquet": Parquet}
DEFAULTS = TABLE | {"max_gb": 0.01}

ODD: list[Any] = [
    *(
        None,
        True,
        "",
        " ",
        "a",
        "1,5",
        "1e400",
        "-1e308",
        "NaN",
        "inf",
        "0x10",
        "\x00",
        "\x1b[31m",
        "\ud800",
        "名",
        "_",
    ),
    *(0, -1, 2**31, 2**53 + 1, 2**63, 10**30, 1e308, -1e-320, float("nan"), float("inf"), 1.0, 1e39),
    *([], [1], [[1, 2], [3]], {}, {"a": 1}, [[[[[[1]]]]]]),
]
NAMES = [
    "y",
    "x",
    "g",
    "",
    " ",
    "y.1",
    "Unnamed: 0",
    "class",
    "obs",
    "feature",
    "a b",
    "\x1b[31m",
    "\x00",
    "\ud800",
    "é",
]
MARKS = [b"\x00", b'"', b"\n", b",", b"[", b"{", b"\xff\xfe", b"PK"]
ROLES: list[dict[str, Any]] = [
    {"target": "y"},
    {"target": "y", "standardise": True, "standardise_target": True},
    {"target": "y", "features": ["x"], "group": "g"},
    {"target": ["y", "x"], "test_fraction": 0.3},
    {"target": "y", "sigma": "x"},
    {"target": None},
]

Columns = list[tuple[str, list[Any]]]
VALID: Columns = [("y", [1.5, -2.0, 0.25, 3.0]), ("x", [1, 2, 3, 5]), ("g", ["a", "b", "a", "b"])]


@st.composite
def tables(draw: st.DrawFn) -> Columns:
    """The valid table, with some values, names, rows or types that are others."""
    table = [(name, list(values)) for name, values in VALID]
    for _ in range(draw(st.integers(0, 3))):
        column = draw(st.integers(0, len(table) - 1))
        name, values = table[column]
        match draw(st.sampled_from(["value", "column", "name", "drop", "again", "short", "none"])):
            case "value" if values:
                values[draw(st.integers(0, len(values) - 1))] = draw(st.sampled_from(ODD))
            case "column":
                table[column] = (name, [draw(st.sampled_from(ODD))] * len(values))
            case "name":
                table[column] = (draw(st.sampled_from(NAMES)), values)
            case "drop" if len(table) > 1:
                del table[column]
            case "again":
                table.append((draw(st.sampled_from(NAMES)), list(values)))
            case "short":
                table[column] = (name, values[: draw(st.integers(0, len(values)))])
            case "none":
                table = [(one, []) for one, _ in table]
    return table


def csv(table: Columns) -> bytes:
    rows = [[name for name, _ in table], *map(list, zip(*(values for _, values in table), strict=False))]
    return "\n".join(",".join(map(str, row)) for row in rows).encode("utf-8", "surrogatepass")


def as_json(table: Columns) -> bytes:
    return ("{" + ",".join(f"{json.dumps(name)}:{json.dumps(values)}" for name, values in table) + "}").encode()


def npz(table: Columns) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings(action="ignore"):
        for name, values in table:
            try:
                array = np.asarray(values)
            except ValueError:
                array = np.asarray([str(value) for value in values])
            if array.dtype.kind == "O":
                array = np.asarray([repr(value) for value in values])
            with archive.open(f"{name}.npy".encode("utf-8", "replace").decode(), "w") as member:
                np.lib.format.write_array(member, array)
    return file.getvalue()


def parquet(table: Columns) -> bytes:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    file = io.BytesIO()
    length = min(len(values) for _, values in table)
    columns = []
    for _, values in table:
        try:
            column = pa.array(values[:length])
            write_table(pa.table([column], names=["y"]), io.BytesIO())  # which refuses structures without fields
            columns.append(column)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            columns.append(pa.array([ascii(value) for value in values[:length]]))
    names = [name.encode("utf-8", "replace").decode() for name, _ in table]
    write_table(pa.table(columns, names=names), file)
    return file.getvalue()


WRITERS: dict[str, Callable[[Columns], bytes]] = {"csv": csv, "json": as_json, "npz": npz, "parquet": parquet}


@st.composite
def contents(draw: st.DrawFn, form: str) -> bytes:
    """A file of the format, perhaps broken: bytes replaced, cut off, or given twice, or lines of it dropped."""
    content = bytearray(WRITERS[form](draw(tables())))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 5]))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        end = place + draw(st.integers(0, 30))
        match draw(st.sampled_from(["flip", "cut", "drop", "twice", "insert", "start"])):
            case "flip" if content:
                content[place] = draw(st.integers(0, 255))
            case "cut":
                del content[place:]
            case "drop":
                del content[place:end]
            case "twice":
                content[place:place] = content[place:end]
            case "insert":
                content[place:place] = draw(
                    st.sampled_from([b"\x00", b'"', b"\n", b",", b"[", b"{", b"\xff\xfe", b"PK"])
                )
            case "start":
                content[:0] = draw(st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"[" * 3000, b"\n\n", b"\x93NUMPY"]))
    return bytes(content)


def loaded(source: TableFile) -> xr.Dataset | None:
    """The data, which is finite; `None` where it was refused in a sentence."""
    said = ""
    try:
        data = source.load(None, 0)  # type: ignore[arg-type]
    except ConfigError as error:
        said = str(error)
    if said:
        assert said.startswith("data"), said
        assert len(said) < 1200, said
        return None
    assert all(np.isfinite(variable).all() for variable in data.data_vars.values())
    return data


@pytest.mark.parametrize("form", SOURCES)
def test_loads_numbers_or_says_why_not(form: str, tmp_path: Path) -> None:
    path, counts = tmp_path / "file", Counter[str]()

    @FUZZ(max_examples=CASES // len(SOURCES))
    @given(contents(form), st.sampled_from(ROLES))
    def loads(content: bytes, roles: dict[str, Any]) -> None:
        path.write_bytes(content)
        source = SOURCES[form](**DEFAULTS | roles | (TEXT if form == "csv" else {}), path=str(path))
        data = loaded(source)
        counts["refused" if data is None else "loaded"] += 1

    loads()
    sys.stdout.write(f"{form}: {dict(counts)}\n")
    assert min(counts["refused"], counts["loaded"]) > 0.05 * counts.total()


def test_the_command_keeps_its_promise(tmp_path: Path) -> None:
    counts = Counter[int]()

    @FUZZ(max_examples=COMMANDS)
    @given(st.data(), st.sampled_from(list(SOURCES)), st.sampled_from(ROLES[:3]))
    def keeps(data: st.DataObject, form: str, roles: dict[str, Any]) -> None:
        path = tmp_path / "file"
        path.write_bytes(data.draw(contents(form)))
        words = [f"data.{key}={json.dumps(value)}".replace('"', "") for key, value in roles.items()]
        before = files(tmp_path)
        run = f"hydra.run.dir=runs/{sum(counts.values())}"
        short = (*few("map"), "diagnostics=none", "model=regression", "inference=map", *QUIET)
        said = credo(f"data={form}", f"data.path={path}", *words, *short, run, cwd=tmp_path)
        counts[said.code] += 1
        require_kept(said, tmp_path, before)

    keeps()
    sys.stdout.write(f"commands, by exit code: {dict(counts)}\n")
    assert min(counts[0], counts[2]) > 0
