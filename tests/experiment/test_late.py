"""What comes after the inference may fail by itself: the draws and the verdict on them are there."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import xarray as xr

from console import QUIET, credo
from credo.errors import Interrupted
from credo.report.run.none import NoReport
from credo.runs import exported
from registry import few

ASKED = ("data=eight_schools", "model=hierarchical", "inference=nuts", *few("nuts"), *QUIET)


def broken(*_: Any, **__: Any) -> None:
    raise MemoryError("no room")


def test_a_part_that_fails_is_told(tmp_path: Path) -> None:
    with mock.patch.object(exported, "save", broken), mock.patch.object(NoReport, "write", broken):
        said = credo(*ASKED, cwd=tmp_path)
    assert said.code == 0, said.err
    assert "not done The model could not be made: MemoryError: no room" in said.out
    assert "not done The report could not be made: MemoryError: no room" in said.out
    folder = next(tmp_path.glob("outputs/*/*"))
    with xr.open_datatree(folder / "posterior.nc", engine="netcdf4") as tree:
        assert tree["posterior"].sizes["draw"] == 10
    checks = {check["name"]: check["status"] for check in json.loads((folder / "verdict.json").read_text())["checks"]}
    assert (checks["model"], checks["report"]) == ("not checked", "not checked")
    assert (folder / "metrics.json").exists()


def test_the_draws_are_there_before_anything_else(tmp_path: Path) -> None:
    def stopped(*_: Any) -> None:
        raise Interrupted("stopped")

    from credo.experiment import steps

    with mock.patch.object(steps, "summarise", stopped):
        credo(*ASKED, cwd=tmp_path)
    assert [*tmp_path.glob("outputs/*/*/posterior.nc")]


@pytest.mark.parametrize("program", ["with_subsample", "with_mutable"])
def test_a_program_that_is_refused_leaves_nothing(program: str, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"y": [1.0, 2.0, 2.5, 4.0]}')
    words = ("data=json", "data.path=data.json", "model=program", f"model.function=programs:{program}")
    said = credo(*words, "inference=nuts", *QUIET, cwd=tmp_path)
    assert said.code == 2
    assert "Traceback" not in said.err
    assert not (tmp_path / "outputs").exists()
