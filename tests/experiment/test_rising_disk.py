"""A disk with room for a little more each time: whatever does not fit, the run says so and its record is true."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

from console import Said, credo
from credo.runs import snapshot

pytestmark = pytest.mark.slow

STEP = 8 * 1024
WORDS = (
    *("data=eight_schools", "model=hierarchical", "inference=mh", "inference.chains=2", "inference.warmup=20"),
    *("inference.draws=60", "inference.block=20", "inference.checkpoint.every=0.000001"),
    *("report.plots=[trace]", "device.compilation_cache=null"),
)
RESULTS = ("posterior.nc", "summary.csv", "verdict.json", "metrics.json", "provenance.json")


def mount(disk: Path, *options: str) -> None:
    subprocess.run(["mount", *options, str(disk)], check=True, capture_output=True)  # noqa: S603, S607


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 200 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        mount(place, "-t", "tmpfs", "-o", "size=200m", "tmpfs")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S603, S607


def used(disk: Path) -> int:
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def answer(run: Path) -> xr.DataTree:
    with xr.open_datatree(run / "posterior.nc", engine="netcdf4") as tree:
        return tree.load()


def statuses(disk: Path, run: Path) -> list[str]:
    """Of MLflow's runs with this folder."""
    with closing(sqlite3.connect(disk / "mlflow.db")) as store:
        mine = "FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = 'folder' AND tags.value = ?"
        return [status for (status,) in store.execute(f"SELECT status {mine}", [str(run)])]


def require_true(said: Said, disk: Path, run: Path, whole: xr.DataTree) -> str:
    """Hold what is there against what was said of it; returns how it ended."""
    assert "Traceback" not in said.out + said.err, said
    assert not [*run.rglob("*.part")], said
    for name in ("verdict.json", "metrics.json", "provenance.json"):
        if (run / name).exists():
            json.loads((run / name).read_text())
    if (run / "posterior.nc").exists():
        assert answer(run).identical(whole)
    recorded = statuses(disk, run)
    if said.code == 2:
        assert (run.exists(), recorded) == (False, []), said
        assert said.err.startswith("credo: hydra.run.dir=") or said.err.startswith("credo: tracking.uri="), said
        return "refused"
    if said.code == 1:
        assert said.err.splitlines()[-1].startswith("credo: "), said
        assert "FINISHED" not in recorded, said
        return "failed"
    assert said.code == 0, said
    assert all((run / name).exists() for name in RESULTS), said
    assert len(pd.read_csv(run / "summary.csv")) == 18
    checks = json.loads((run / "verdict.json").read_text())["checks"]
    missing = {check["name"] for check in checks if "could not be" in check["advice"]}
    assert ("report" in missing) is not (run / "report.html").exists(), said
    assert ("loo.csv" in missing) is not (run / "loo.csv").exists(), said
    if (run / "report.html").exists():
        assert (run / "report.html").read_text().rstrip().endswith("</html>")
    if recorded == ["FINISHED"] and not missing and "not done" not in said.out and "not there yet" not in said.out:
        return "complete"
    return "finished"


def test_whatever_does_not_fit(disk: Path) -> None:
    assert credo(*WORDS, "hydra.run.dir=whole", cwd=disk).code == 0
    whole, run = answer(disk / "whole"), disk / "run"
    ended: Counter[str] = Counter()
    room = 0
    while "complete" not in ended:
        mount(disk, "-o", f"remount,size={used(disk) + room}")
        said = credo(*WORDS, "hydra.run.dir=run", cwd=disk)
        mount(disk, "-o", "remount,size=200m")
        how = require_true(said, disk, run, whole)
        if how == "failed" and snapshot.is_open(run):
            assert credo("resume", "run", cwd=disk).code == 0
            assert answer(run).identical(whole)
            assert set(statuses(disk, run)) <= {"FINISHED"}
            how = "failed and resumed"
        if (run / "tracking.jsonl").exists():
            assert credo("sync", "run", cwd=disk).code == 0
            assert statuses(disk, run) == ["FAILED" if said.code else "FINISHED"]
        ended[how] += 1
        print(room, how, said.err.splitlines()[-1:])  # noqa: T201 - shown with pytest -s
        shutil.rmtree(run, ignore_errors=True)
        with closing(sqlite3.connect(disk / "mlflow.db")) as store:
            store.execute("UPDATE tags SET value = 'gone' WHERE key = 'folder' AND value = ?", [str(run)])
            store.commit()
        room += STEP if ended["finished"] < 8 else 4 * STEP  # the run's own files are written, and MLflow has a copy
    print(dict(ended))  # noqa: T201
    assert {"refused", "failed and resumed", "complete"} <= set(ended)
