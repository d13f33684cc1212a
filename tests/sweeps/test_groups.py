"""Chains in groups, each a job on a worker of its own, and one answer of all."""

import contextlib
import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from console import QUIET, Said, credo, credo_process, start

SCHOOLS = (
    "-m", "data=eight_schools", "model=hierarchical", "inference=nuts", "inference.warmup=60", "inference.draws=60",
    "inference.chains=4", "report=none",
)  # fmt: skip
GROUPS = (*SCHOOLS, "inference.groups=2")


def draws(job: Path) -> dict[str, np.ndarray]:
    with xr.open_datatree(job / "posterior.nc", engine="netcdf4") as tree:
        return {str(name): array.to_numpy() for name, array in tree["posterior"].data_vars.items()}


def assert_same(one: Path, other: Path) -> None:
    expected, found = draws(one), draws(other)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name])


def test_groups_become_one_answer_whoever_runs_them(tmp_path: Path) -> None:
    assert credo(*GROUPS, "hydra.sweep.dir=s", cwd=tmp_path).code == 0
    found = draws(tmp_path / "s" / "0")
    for group in range(2):
        part = draws(tmp_path / "s" / "0" / "groups" / str(group))
        for name, values in part.items():
            np.testing.assert_array_equal(values, found[name][2 * group : 2 * group + 2])
    assert not np.array_equal(found["mu"][:2], found["mu"][2:])
    verdict = json.loads((tmp_path / "s" / "0" / "verdict.json").read_text())
    assert {"r_hat", "divergences", "chains"} <= {check["name"] for check in verdict["checks"]}
    provenance = json.loads((tmp_path / "s" / "0" / "provenance.json").read_text())
    assert len(provenance["groups"]) == 2
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        assert store.execute("SELECT count(*) FROM runs").fetchone() == (2,), "the sweep, and its one job"
    again = credo(*GROUPS, "hydra/launcher=compiled", "tracking=none", "hydra.sweep.dir=c", cwd=tmp_path)
    assert again.code == 0, again.err
    assert_same(tmp_path / "s" / "0", tmp_path / "c" / "0")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*GROUPS[1:], *QUIET), "inference.groups: the jobs of a sweep run the groups; add -m"),
        (
            (*SCHOOLS, "inference.group=0,1", *QUIET),
            "inference.group: it is filled in for the jobs of inference.groups",
        ),
        ((*SCHOOLS, "inference.groups=3", *QUIET), "inference.groups: 4 chains cannot be divided into 3 equal groups"),
        (
            ("-m", "data=coin_flips", "model=bernoulli", "inference=map", "inference.groups=2", *QUIET),
            "inference.groups: inference=map has no chains to divide",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused(words: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    said: Said = credo(*words, "hydra.run.dir=r" if words[0] != "-m" else "hydra.sweep.dir=s", cwd=tmp_path)
    assert said.code != 0
    assert sentence in said.err


@pytest.mark.slow
def test_one_two_and_four_workers_give_the_same_draws(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = (*SCHOOLS, "inference.groups=4", "tracking=none")
    for workers in (1, 2, 4):
        by = ("hydra/launcher=joblib", f"hydra.launcher.n_jobs={workers}", f"hydra.sweep.dir=s{workers}")
        said = credo_process(*words, *by, cwd=tmp_path)
        assert said.code == 0, said.err
    for workers in (2, 4):
        assert_same(tmp_path / "s1" / "0", tmp_path / f"s{workers}" / "0")


@pytest.mark.slow
def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    """All processes of the sweep are killed while groups run, and it is taken up by `sweep.resume`."""
    words = (*SCHOOLS, "inference.groups=4", "inference.draws=20000", "inference.block=20", "tracking=none")
    words = (*words, "inference.checkpoint.every=0.1", "diagnostics=none")
    assert credo_process(*words, "hydra.sweep.dir=whole", cwd=tmp_path).code == 0
    kills, ended = 0, None
    while ended is None:
        asked = (*words, "sweep.resume=cut" if (tmp_path / "cut" / "sweep.json").exists() else "hydra.sweep.dir=cut")
        before = _latest(tmp_path / "cut")
        with start(*asked, cwd=tmp_path) as process:
            while kills < 20 and process.poll() is None and _latest(tmp_path / "cut") == before:
                time.sleep(0.05)
            if kills < 20 and process.poll() is None:
                process.kill()
                kills += 1
            else:
                ended = process.communicate(timeout=600)
    assert process.returncode == 0, ended
    assert kills == 20
    assert_same(tmp_path / "whole" / "0", tmp_path / "cut" / "0")


@pytest.mark.slow
def test_the_group_of_a_worker_that_is_killed_is_run_by_another(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = (*SCHOOLS, "inference.groups=4", "inference.draws=20000", "inference.block=20", "tracking=none")
    words = (*words, "inference.checkpoint.every=0.1", "diagnostics=none")
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert credo_process(*words, "hydra.sweep.dir=whole", cwd=tmp_path).code == 0
    with start(*words, *joblib, "hydra.sweep.dir=cut", cwd=tmp_path) as process:
        while process.poll() is None and not _latest(tmp_path / "cut"):
            time.sleep(0.05)
        os.kill(max(_workers(process.pid), key=_cpu), signal.SIGKILL)
        ended = process.communicate(timeout=600)
    assert process.returncode == 0, ended
    assert_same(tmp_path / "whole" / "0", tmp_path / "cut" / "0")


def _workers(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _cpu(pid: int) -> int:
    """The time of the processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _latest(sweep: Path) -> float:
    """When the last checkpoint was written."""
    files = sweep.glob("0/groups/*/checkpoint/state.npz")
    return max((file.stat().st_mtime for file in files), default=0.0)
