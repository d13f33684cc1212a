"""Sweeps at their full size: many processes at one store, planted failures, a killed search. All take minutes."""

import contextlib
import csv
import json
import os
import shlex
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from console import start
from registry import few

pytestmark = pytest.mark.slow

COINS = (
    "data=coin_flips",
    "model=bernoulli",
    "inference=map",
    "inference.starts=2",
    "inference.steps=20",
    "report=none",
)
SCHOOLS = ("data=eight_schools", "model=hierarchical", "inference=nuts", *few("nuts"), "report=none")
MODEL = """
import os, signal
import numpyro, numpyro.distributions as dist


def model(y, deadly=0, scale=10.0):
    if deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    loc = numpyro.sample("loc", dist.Normal(0, scale))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(loc, 1), obs=y)
"""


def rows(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def asked(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return store.execute(query).fetchall()


def patient(*words: object, cwd: Path, seconds: float = 1500) -> Any:
    """A command in a process of its own, to its end."""
    process = start(*words, cwd=cwd)
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def test_eight_processes_record_two_hundred_runs_in_a_fresh_store(tmp_path: Path) -> None:
    words = ("-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=8", *COINS, "seed=range(200)", "hydra.sweep.dir=s")
    code, _, err = patient(*words, "sweep.compare=false", cwd=tmp_path)
    assert code == 0, err[-2000:]
    assert "locked" not in err
    assert "did not record" not in err
    assert asked(tmp_path, "SELECT status, count(*) FROM runs GROUP BY status") == [("FINISHED", 201)]
    counts = asked(tmp_path, "SELECT count(*) FROM latest_metrics GROUP BY run_uuid")
    parent, *children = sorted(count for (count,) in counts)
    expected = len(json.loads((tmp_path / "s" / "7" / "metrics.json").read_text()))
    running = {count - expected for count in children}
    assert len(children) == 200
    assert len(running) == 1, "every run has every metric"
    assert parent < expected
    assert [row["state"] for row in rows(tmp_path / "s")] == ["FINISHED"] * 200


def test_three_planted_failures_of_twelve(tmp_path: Path) -> None:
    """A job that kills its process, data with NaN and a prior of negative scale: then two are mended and resumed."""
    (tmp_path / "planted.py").write_text(MODEL)
    good = {"y": [1.0, 2.0, 3.0]}
    for name in range(9):
        (tmp_path / f"good{name}.json").write_text(json.dumps(good))
    (tmp_path / "nan.json").write_text('{"y": [1.0, NaN, 3.0]}')
    (tmp_path / "deadly.json").write_text(json.dumps(good | {"deadly": 1}))
    (tmp_path / "bad.json").write_text(json.dumps(good | {"scale": -1.0}))
    files = ",".join([*(f"good{name}.json" for name in range(9)), "nan.json", "deadly.json", "bad.json"])
    words = (
        "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "data=json", f"data.path={files}", "model=program",
        "model.function=planted:model", "inference=map", "inference.starts=2", "inference.steps=20", "report=none",
        "hydra.sweep.dir=s", "sweep.compare=false",
    )  # fmt: skip
    code, _, err = patient(*words, cwd=tmp_path)
    assert code == 3, err[-2000:]
    assert [row["state"] for row in rows(tmp_path / "s")] == ["FINISHED"] * 9 + ["FAILED"] * 3
    reasons = [row["reason"] for row in rows(tmp_path / "s")[9:]]
    assert "missing value" in reasons[0]
    assert reasons[1].startswith("the process ended without a word")
    assert reasons[2]
    errors = asked(
        tmp_path, "SELECT count(*) FROM runs JOIN tags USING (run_uuid) WHERE status = 'FAILED' AND key = 'error'"
    )
    assert errors == [(3,)]
    statuses = "SELECT status, count(*) FROM runs GROUP BY status ORDER BY status"
    assert asked(tmp_path, statuses) == [("FAILED", 3), ("FINISHED", 10)]  # the sweep's own, too
    for name in ("nan", "deadly"):
        (tmp_path / f"{name}.json").write_text(json.dumps(good))
    command = shlex.split(err.split("; credo ")[-1].split(" runs what is left")[0])
    code, _, err = patient(*command, "sweep.compare=false", cwd=tmp_path)
    assert code == 1, err[-2000:]
    assert [row["state"] for row in rows(tmp_path / "s")] == ["FINISHED"] * 11 + ["FAILED"]
    assert asked(tmp_path, statuses) == [("FAILED", 1), ("FINISHED", 12)]


def draws(folder: Path) -> dict[str, np.ndarray]:
    with xr.open_datatree(folder / "posterior.nc", engine="netcdf4") as tree:
        return {str(name): array.values for name, array in tree["posterior"].data_vars.items()}


@pytest.mark.parametrize(
    ("plugin", "launcher"),
    [
        ("hydra_plugins.hydra_joblib_launcher", ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")),
        ("hydra_plugins.hydra_submitit_launcher", ("hydra/launcher=submitit_local",)),
        ("ray", ("hydra/launcher=ray", "hydra.launcher.n_jobs=2")),
    ],
)
def test_every_launcher_gives_the_same_draws_under_one_parent(
    plugin: str, launcher: tuple[str, ...], tmp_path: Path
) -> None:
    pytest.importorskip(plugin)
    words = (*SCHOOLS, "seed=0,1,2", "sweep.compare=false", "device.compilation_cache=null")
    code, _, err = patient("-m", *words, "hydra.sweep.dir=basic", cwd=tmp_path)
    assert code == 0, err[-2000:]
    code, _, err = patient("-m", *launcher, *words, "hydra.sweep.dir=other", cwd=tmp_path)
    assert code == 0, err[-2000:]
    for number in range(3):
        one, other = draws(tmp_path / "basic" / str(number)), draws(tmp_path / "other" / str(number))
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name])
    parents = asked(tmp_path, "SELECT value, count(*) FROM tags WHERE key = 'mlflow.parentRunId' GROUP BY value")
    assert [count for _, count in parents] == [3, 3]


def test_a_search_finds_the_better_scale_though_it_is_killed_and_prunes(tmp_path: Path) -> None:
    """A network whose prior hardly lets it learn beside one that may: twenty trials, killed after the tenth began."""
    words = (
        "-m", "hydra/sweeper=optuna", "data=diabetes", "data.test_fraction=0.2", "model=mdn", "inference=map",
        "model.prior.weight.scale=0.002,2.0", "training.learning_rate=tag(log,interval(1e-4,1e-2))",
        "training.epochs=30", "objective=nll_test", "hydra.sweeper.pruner=median",
        "hydra.sweeper.prune_by=nll_validation", "hydra.sweeper.n_trials=20", "report=none", "tracking=none",
        "sweep.compare=false",
    )  # fmt: skip
    process = start(*words, "hydra.sweep.dir=s", cwd=tmp_path)
    until = time.monotonic() + 900
    while not (tmp_path / "s" / "10" / "job.json").exists():
        assert process.poll() is None, process.communicate()[1][-2000:]
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    kept = {n: (tmp_path / "s" / str(n) / "job.json").read_text() for n in range(10)}
    code, out, err = patient(*words, f"sweep.resume={tmp_path / 's'}", cwd=tmp_path)
    assert code == 0, err[-2000:]
    found = rows(tmp_path / "s")
    assert len(found) == 20
    assert {row["state"] for row in found} == {"FINISHED", "PRUNED"}
    assert {n: (tmp_path / "s" / str(n) / "job.json").read_text() for n in range(10)} == kept
    best = min((row for row in found if row["objective"]), key=lambda row: float(row["objective"]))
    assert best["model.prior.weight.scale"] == "2.0"
    assert f"the least nll_test: {float(best['objective']):.4g}" in out
