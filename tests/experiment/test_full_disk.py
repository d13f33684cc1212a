"""A disk that takes no more: what could not be written is named, and what is complete counts."""

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
import xarray as xr

from console import PYTHON, QUIET, credo
from credo import writing
from registry import few

SCHOOLS = ("data=eight_schools", "model=hierarchical", "inference=mh", *few("mh"), *QUIET)
REPORT = ("report=html", "report.plots=[trace]")
RESULTS = ("posterior.nc", "summary.csv", "verdict.json", "metrics.json", "provenance.json")


@contextmanager
def full(*names: str) -> Iterator[None]:
    """A disk on which there is no room for files of these names."""
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if Path(target).name in names:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(self, target)

    with mock.patch.object(Path, "replace", replace):
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    """The answer of a run that had room."""
    here = tmp_path_factory.mktemp("whole")
    assert credo(*SCHOOLS, "hydra.run.dir=run", cwd=here).code == 0
    with xr.open_datatree(here / "run" / "posterior.nc", engine="netcdf4") as tree:
        return tree.load()


def draws(run: Path) -> xr.DataTree:
    with xr.open_datatree(run / "posterior.nc", engine="netcdf4") as tree:
        return tree.load()


@pytest.mark.parametrize("name", ["config.yaml", "hydra.yaml", "overrides.yaml"])
def test_no_room_to_begin(name: str, tmp_path: Path) -> None:
    with full(name):
        said = credo(*SCHOOLS, "hydra.run.dir=new/run", cwd=tmp_path)
    assert said.code == 2
    assert said.err == (
        "credo: hydra.run.dir=new/run: this folder cannot be made, since no space left on device; name another\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [*RESULTS[:2], *(pytest.param(one, marks=pytest.mark.slow) for one in RESULTS[2:])])
def test_no_room_for_a_result(name: str, tmp_path: Path, whole: xr.DataTree) -> None:
    """The draws are kept as a checkpoint, from which the run goes on when there is room."""
    run = tmp_path / "run"
    with full(name):
        said = credo(*SCHOOLS, "hydra.run.dir=run", "inference.checkpoint.every=null", cwd=tmp_path)
    assert said.code == 1
    assert said.err.splitlines()[-1] == (
        f"credo: {name} could not be written to {run} (No space left on device); what was inferred is in its "
        f"checkpoint: make room, then credo resume {run}"
    )
    assert not (run / name).exists()
    assert not list(run.rglob("*.part"))
    assert credo("resume", "run", cwd=tmp_path).code == 0
    assert draws(run).identical(whole)
    assert all((run / other).exists() for other in RESULTS)


def test_no_room_to_go_on(tmp_path: Path) -> None:
    """The run is as it was."""
    assert credo(*SCHOOLS, "hydra.run.dir=run", cwd=tmp_path).code == 0
    with full("config.yaml"):
        said = credo("extend", "run", "--draws", "10", cwd=tmp_path)
    assert (said.code, said.err) == (
        2,
        f"credo: {tmp_path}/run: the run cannot write to its folder (no space left on device); mend this first\n",
    )
    assert credo("extend", "run", "--draws", "10", cwd=tmp_path).code == 0
    assert draws(tmp_path / "run")["posterior"].sizes["draw"] == 20


def test_no_room_for_the_draws_anywhere(tmp_path: Path) -> None:
    with full("posterior.nc", "state.npz"):
        said = credo(*SCHOOLS, "hydra.run.dir=run", cwd=tmp_path)
    assert said.code == 1
    assert said.err.splitlines()[-1].endswith(
        "(No space left on device); there was no room for a checkpoint either: make room, and run it again in another "
        "folder"
    )


def test_no_room_for_the_last_checkpoint(tmp_path: Path) -> None:
    """All results are complete, and the run is finished."""
    with full("state.npz"):
        said = credo(*SCHOOLS, "hydra.run.dir=run", cwd=tmp_path)
    assert said.code == 0, said.err
    assert "not done The run is complete, but credo extend cannot add draws to it: the checkpoint could not" in said.out
    assert all((tmp_path / "run" / name).exists() for name in RESULTS)


@pytest.mark.parametrize(
    ("name", "part"),
    [("report.html", "report"), pytest.param("trace.png", "report", marks=pytest.mark.slow), ("loo.csv", "loo.csv")],
)
def test_no_room_for_what_is_not_needed(name: str, part: str, tmp_path: Path) -> None:
    """The verdict says that it is not there; nor is one of an earlier, shorter run."""
    run = tmp_path / "run"
    assert credo(*SCHOOLS, *REPORT, "hydra.run.dir=run", cwd=tmp_path).code == 0
    with full(name):
        said = credo("extend", "run", "--draws", "10", cwd=tmp_path)
    assert said.code == 0, said.err
    checks = {check["name"]: check for check in json.loads((run / "verdict.json").read_text())["checks"]}
    assert checks[part]["status"] == "not checked"
    assert f"{name} could not be written (No space left on device)" in checks[part]["advice"]
    assert not (run / ("report.html" if part == "report" else name)).exists()


@pytest.mark.slow
def test_no_room_for_the_account_of_a_sweep(tmp_path: Path) -> None:
    point = ("data=coin_flips", "model=bernoulli", "inference=map", *QUIET)
    with full("sweep.csv"):
        said = credo("-m", *point, "seed=1,2", "sweep.compare=false", "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert said.code == 1
    assert said.err.splitlines()[-1] == (
        f"credo: {tmp_path}/sweep/sweep.csv could not be written (No space left on device); the jobs have their "
        f"answers: make room, then credo -m sweep.resume={tmp_path}/sweep"
    )
    again = credo("-m", *point, "seed=1,2", "sweep.compare=false", f"sweep.resume={tmp_path}/sweep", cwd=tmp_path)
    assert again.code == 0, again.err
    assert (tmp_path / "sweep" / "sweep.csv").exists()


LIMITED = """
import resource, signal, sys
from pathlib import Path
import numpy as np, xarray as xr
from credo.runs import netcdf
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": (("chain", "draw"), np.arange(2e4).reshape(4, -1))})})
try:
    netcdf.write(tree, Path(sys.argv[1]))
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [0, 5_000, 100_000, 160_000])
def test_netcdf_does_not_fit(limit: int, tmp_path: Path) -> None:
    """What netCDF calls an HDF error, or finds in closing the file, is what the system said."""
    file = tmp_path / "posterior.nc"
    file.write_text("the one before")
    words = [PYTHON, "-c", LIMITED, file, str(limit)]
    said = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603
    assert said.stdout == f"[Errno {errno.EFBIG}] File too large: '{file}'\n", said
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "the one before"


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    writing.write(file, "one", 0o600)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("one", 0o600)
    with pytest.raises(OSError, match=r"a\.txt"), writing.replacing(file) as scratch:
        scratch.with_name("nowhere").joinpath("half").write_text("tw")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "one")]
