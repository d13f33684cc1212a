"""What sites and dims may be called: netCDF has the last word on it, and is asked before anything is inferred."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.errors import ConfigError
from credo.models.problem import Problem
from credo.models.program import Program

NAMES = {"site": "a", "plate": "rows"}


def program(y: Any) -> None:
    loc = numpyro.sample(NAMES["site"], dist.Normal(0.0, 1.0))
    with numpyro.plate(NAMES["plate"], len(y)):
        numpyro.sample("seen", dist.Normal(loc, 1.0), obs=y)


def problem(dim: str = "obs") -> Problem:
    return Problem(Program(f"{__name__}:program", {}), xr.Dataset({"y": (dim, np.arange(3.0))}))


REFUSED = ["", " ", "-x", ".", "../a", "(a)", " a", "%s", "a" * 241, "é" * 121, "a\ud800"]


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_a_name_that_netcdf_refuses_is_refused_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = re.escape(repr(name)[:40])
    monkeypatch.setitem(NAMES, "site", name)
    with pytest.raises(ConfigError, match=f"^model.function: a site has the name {said}.*; rename it$"):
        problem().check()
    monkeypatch.setitem(NAMES, "site", "a")
    monkeypatch.setitem(NAMES, "plate", name)
    with pytest.raises(ConfigError, match=f"^model.function: a plate or a dimension of seen has the name {said}"):
        problem().check()


@pytest.mark.parametrize("name", REFUSED[2:], ids=ascii)
def test_a_dimension_of_the_data_that_netcdf_refuses_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^data: a dimension has the name "):
        problem(name).check()


TAKEN = ["left/mu", "a b\n", "µ", "_x", "1", "e\u0301", "a" * 240, "中", "a%s(-)"]


@pytest.mark.parametrize("name", TAKEN, ids=ascii)
def test_a_name_that_is_taken_can_be_written_and_read(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(NAMES, "site", name)
    asked = problem(name)
    asked.check()
    variable, dim = asked.names.variable(name), asked.names.dim(name)
    xr.Dataset({variable: (dim, [1.0, 2.0])}).to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    read = xr.load_dataset(tmp_path / "a.nc", engine="netcdf4")
    assert [*read] == [variable]
    assert [*read.dims] == [dim]
