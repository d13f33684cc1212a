"""Launchers: the same answers wherever jobs run, and what becomes of jobs whose process dies."""

import contextlib
import csv
import json
import re
import shutil
import sqlite3
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf

from console import QUIET, credo, credo_process
from credo.config import messages
from credo.sweeps.launch import threads
from registry import few

ROOT = Path(__file__).parents[2]

SCHOOLS = ("data=eight_schools", "model=hierarchical", "inference=nuts", *few("nuts"), *QUIET)
COINS = (
    "data=coin_flips",
    "model=bernoulli",
    "inference=map",
    "inference.starts=2",
    "inference.steps=20",
    "report=none",
)
ALIAS = """\
# credo -m hydra/launcher=mine seed=1,2
_target_: hydra_plugins.hydra_credo.compiled.CompiledLauncher
together: 1
threads_per_job: 3
"""
DEADLY = """
import os, signal
import numpyro, numpyro.distributions as dist


def model(y, deadly):
    if deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    p = numpyro.sample("p", dist.Beta(1, 1))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Bernoulli(p), obs=y)
"""


def rows(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def draws(folder: Path) -> dict[str, np.ndarray]:
    with xr.open_datatree(folder / "posterior.nc", engine="netcdf4") as tree:
        return {str(name): array.values for name, array in tree["posterior"].data_vars.items()}


def statuses(folder: Path) -> list[tuple[str, str, str | None]]:
    """Status, parent and error of every run but the first, which is the sweep's."""
    query = """SELECT status, p.value, e.value FROM runs
        LEFT JOIN tags p ON p.run_uuid = runs.run_uuid AND p.key = 'mlflow.parentRunId'
        LEFT JOIN tags e ON e.run_uuid = runs.run_uuid AND e.key = 'error' ORDER BY start_time"""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return store.execute(query).fetchall()


def test_compiled_jobs_have_the_draws_that_they_have_alone(tmp_path: Path) -> None:
    words = ("model.prior.mu.scale=2,7", "seed=0,1")
    said = credo("-m", "hydra/launcher=compiled", *SCHOOLS, *words, "hydra.sweep.dir=s", cwd=tmp_path)
    assert said.code == 0, said.err
    assert "Launching 4 jobs in this process" in said.err
    for number, (scale, seed) in enumerate([(2, 0), (2, 1), (7, 0), (7, 1)]):
        place = f"hydra.run.dir=alone{number}"
        assert credo(*SCHOOLS, f"model.prior.mu.scale={scale}", f"seed={seed}", place, cwd=tmp_path).code == 0
        alone, job = draws(tmp_path / f"alone{number}"), draws(tmp_path / "s" / str(number))
        for name, values in alone.items():
            np.testing.assert_array_equal(values, job[name])
    programs = [json.loads((tmp_path / "s" / str(n) / "metrics.json").read_text())["programs"] for n in range(4)]
    assert programs[1:] == [0, 0, 0]


@pytest.mark.slow
def test_compiled_jobs_of_the_same_options_follow_each_other(tmp_path: Path) -> None:
    said = credo(
        "-m", "hydra/launcher=compiled", *COINS[:2], *QUIET, "model.prior.p.concentration1=1,2", "inference=map,mle",
        "hydra.sweep.dir=s", cwd=tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    order = [line.split()[0] for line in said.err.splitlines() if line.startswith("\t#")]
    assert order == ["#0", "#2", "#1", "#3"]
    assert [row["inference"] for row in rows(tmp_path / "s")] == ["map", "mle", "map", "mle"]


@pytest.mark.parametrize(
    ("launcher", "expected"),
    [
        ({"_target_": "x.JoblibLauncher", "n_jobs": 4}, "2"),
        ({"_target_": "x.JoblibLauncher", "n_jobs": -1}, "1"),
        ({"_target_": "x.JoblibLauncher", "n_jobs": 16}, "1"),
        ({"_target_": "x.LocalLauncher"}, "1"),
        ({"_target_": "x.BasicLauncher"}, None),
        ({"_target_": "x.SlurmLauncher"}, None),
        ({"_target_": "x.SlurmLauncher", "threads_per_job": 4}, "4"),
        ({"_target_": "x.JoblibLauncher", "n_jobs": 4, "threads_per_job": None}, None),
    ],
)
def test_threads_do_not_oversubscribe(launcher: dict[str, Any], expected: str | None, monkeypatch: Any) -> None:
    for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    found = threads(OmegaConf.create(launcher), cores=8)
    assert set(found.values()) == ({expected} if expected else set())
    monkeypatch.setenv("NPROC", "3")
    assert "NPROC" not in threads(OmegaConf.create(launcher), cores=8)


def test_a_launcher_of_a_users_own_is_one_file(tmp_path: Path) -> None:
    place = tmp_path / "conf" / "hydra" / "launcher"
    place.mkdir(parents=True)
    (place / "mine.yaml").write_text(ALIAS)
    said = credo("-m", "hydra/launcher=mine", *COINS, *QUIET, "seed=0,1", "hydra.sweep.dir=s", cwd=tmp_path)
    assert said.code == 0, said.err
    assert "Launching 2 jobs in this process" in said.err
    environment = OmegaConf.load(tmp_path / "s" / "1" / ".hydra" / "hydra.yaml").hydra.job.env_set
    assert environment.OMP_NUM_THREADS == "3"
    said = credo("-m", "hydra/launcher=mine", "hydra.launcher.together=0", *COINS, *QUIET, "seed=0,1", cwd=tmp_path)
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("credo: hydra.launcher.together: expected at least 1, but got 0")


def planted(folder: Path) -> tuple[str, ...]:
    """A sweep of which one job kills its process."""
    (folder / "deadly.py").write_text(DEADLY)
    (folder / "fine.json").write_text(json.dumps({"y": [1, 0, 1], "deadly": 0}))
    (folder / "deadly.json").write_text(json.dumps({"y": [1, 0, 1], "deadly": 1}))
    return (
        "data=json", "data.path=fine.json,deadly.json", "seed=0,1", "model=program", "model.function=deadly:model",
        "inference=map", "inference.starts=2", "inference.steps=20", "report=none", "hydra.sweep.dir=s",
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher", [("joblib", "hydra.launcher.n_jobs=2"), ("submitit_local",), ("ray", "hydra.launcher.n_jobs=2")]
)
def test_only_the_job_is_lost_whose_process_dies(launcher: tuple[str, ...], tmp_path: Path) -> None:
    plugin = launcher[0].split("_")[0]
    pytest.importorskip("ray" if plugin == "ray" else f"hydra_plugins.hydra_{plugin}_launcher")
    said = credo_process("-m", f"hydra/launcher={launcher[0]}", *launcher[1:], *planted(tmp_path), cwd=tmp_path)
    assert said.code == 2, said.err
    assert [row["state"] for row in rows(tmp_path / "s")] == ["FINISHED", "FINISHED", "FAILED", "FAILED"]
    parent, *children = statuses(tmp_path)
    assert parent[0] == "FINISHED"
    assert sorted(child[0] for child in children) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert len({child[1] for child in children}) == 1
    errors = [child[2] for child in children if child[2]]
    assert len(errors) == 2
    assert all(error.startswith("the process ended without a word (killed, or out of memory)") for error in errors)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [("inference=mh", "inference.warmup=100", "inference.draws=100"), ("inference=map", "inference.optimiser=adam")],
)
def test_jobs_in_step_are_recorded_as_if_each_had_run_alone(method: tuple[str, ...], tmp_path: Path) -> None:
    swept = "model.prior.p.concentration1=1,3,8"
    words = (*COINS[:2], *method, "report=none", swept, "sweep.compare=false")
    said = credo("-m", "hydra/launcher=compiled", *words, "hydra.sweep.dir=together", cwd=tmp_path)
    assert said.code == 0, said.err
    assert "3 jobs have run by one program" in said.err
    assert credo("-m", *words, "hydra.sweep.dir=alone", cwd=tmp_path).code == 0
    for number in range(3):
        one, other = (draws(tmp_path / sweep / str(number)) for sweep in ("alone", "together"))
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name])
        provenance = json.loads((tmp_path / "together" / str(number) / "provenance.json").read_text())
        assert provenance["jobs_by_one_program"] == 3
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        told = store.execute(
            "SELECT run_uuid, group_concat(m.key || m.step || ' ' || m.value) FROM metrics m JOIN tags t USING "
            "(run_uuid) WHERE t.key = 'mlflow.parentRunId' AND "
            "m.key IN ('progress/acceptance_rate', 'progress/objective') "
            "GROUP BY run_uuid"
        )
        histories = [history for _, history in told]
    assert len(histories) == 6
    assert len(set(histories)) == 3, "the metrics on the way are those of the run alone"


def test_a_launcher_that_is_not_installed_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("-m", "data=coin_flips", "model=bernoulli", "seed=1,2", "hydra/launcher=ray")
    if find_spec("ray") is None:
        said = credo(*words, cwd=tmp_path)
        assert said.code == 2
        assert said.err == f"credo: hydra/launcher=ray is not installed; pip install -e '{ROOT}[ray]' brings it\n"
    monkeypatch.chdir(ROOT)
    assert messages.installing("ray") == "pip install -e '.[ray]'"
    monkeypatch.setattr(messages.paths, "built_in", lambda: tmp_path)
    assert messages.installing("ray") == "pip install 'credo[ray]'"


def test_a_launcher_that_cannot_start_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    if shutil.which("srun"):
        pytest.skip("this is a cluster")
    words = ("-m", "data=coin_flips", "model=bernoulli", "seed=1,2", "hydra/launcher=submitit_slurm", *QUIET)
    said = credo(*words, cwd=tmp_path)
    assert said.code == 1
    assert re.fullmatch(
        r"credo: hydra/launcher: the launcher began none of its jobs: RuntimeError: Could not detect \"srun\".*; "
        "choose another one",
        said.err.splitlines()[-1],
    )
