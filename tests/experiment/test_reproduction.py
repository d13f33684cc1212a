"""`credo reproduce`: the same answer to the bit, or what is not as it was."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from console import QUIET, credo
from credo.runs import netcdf
from registry import few

RUN = ("data=eight_schools", "model=hierarchical", "inference=nuts", *few("nuts"), *QUIET, "hydra.run.dir=first")


def changed(folder: Path, **parts: object) -> None:
    file = folder / "first" / "provenance.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | parts))


def test_a_run_is_reproduced_to_the_bit(tmp_path: Path) -> None:
    assert credo(*RUN, cwd=tmp_path).code == 0
    said = credo("reproduce", "first", cwd=tmp_path)
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1] == "SAME All draws are equal to the bit."
    (again,) = (tmp_path / "reproductions").iterdir()
    one, other = (xr.open_datatree(place / "posterior.nc", engine="netcdf4") for place in (tmp_path / "first", again))
    with one, other:
        np.testing.assert_array_equal(one["posterior/theta"].values, other["posterior/theta"].values)


def test_what_differs_is_said(tmp_path: Path) -> None:
    assert credo(*RUN, cwd=tmp_path).code == 0
    known = json.loads((tmp_path / "first" / "provenance.json").read_text())
    changed(
        tmp_path,
        draws_hash="0",
        versions=known["versions"] | {"jax": "0.1"},
        device=known["device"] | {"devices": 7},
        data_hash="1",
    )
    said = credo("reproduce", "first", cwd=tmp_path)
    assert said.code == 1
    lines = said.out.splitlines()
    assert "DIFFERENT The draws are not those of the first run." in lines
    assert any(line.startswith("  versions: versions.jax was 0.1 and is ") for line in lines)
    assert "  device: device.devices was 7 and is 1" in lines
    assert any(line.startswith("  data: data_hash was 1 and is ") for line in lines)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "reproduce: expected one run, by its folder or its MLflow id"),
        (("nowhere",), "/nowhere; give the folder of a run, or its MLflow id"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    said = credo("reproduce", *words, cwd=tmp_path)
    assert said.code == 2
    assert sentence in said.err
    assert not (tmp_path / "reproductions").exists()


def test_the_hash_is_that_of_all_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees every draw, and the name and type of the variable, however the draws are cut for reading."""
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2, 50, 3))

    def tree(x: np.ndarray, name: str = "x") -> xr.DataTree:
        return xr.DataTree.from_dict({"posterior": xr.Dataset({name: (("chain", "draw", "dim"), x)})})

    first = netcdf.draws_hash(tree(draws))
    assert first == netcdf.draws_hash(tree(draws.copy()))
    other = draws.copy()
    other[1, 49, 2] = np.nextafter(other[1, 49, 2], np.inf)
    assert len({first, *map(netcdf.draws_hash, (tree(other), tree(draws, "y"), tree(draws.astype("f4"))))}) == 4
    monkeypatch.setattr(netcdf, "MOST_BYTES", 500)
    cut = netcdf.draws_hash(tree(other))
    assert cut != netcdf.draws_hash(tree(draws))


def test_a_reproduction_has_a_folder_of_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from credo.experiment import reproduce

    assert credo(*RUN, cwd=tmp_path).code == 0
    monkeypatch.chdir(tmp_path)
    plan = reproduce.plan(tmp_path / "first", "first", datetime(2026, 1, 31, 12))
    assert plan.run.folder == tmp_path / "reproductions" / "2026-01-31_12-00-00_first"
    assert plan.before["seed"] == 0
