"""`credo resume` and `credo extend`: a run that was killed or is finished goes on, in the same MLflow run."""

import contextlib
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from omegaconf import OmegaConf

from console import QUIET, credo, credo_process, start
from folders import SHORT as COMMAND
from folders import cut, interrupted

FAST = ("report=none", "inference.checkpoint.every=0.05")
SHORT = ("data=coin_flips", "model=bernoulli", "inference=nuts", "inference.warmup=50", "inference.block=25")

PARTICLES = (*SHORT[:2], *QUIET, "inference=smc", "inference.particles=50", "inference.mutation=random_walk")


@pytest.fixture
def programs(pytestconfig: pytest.Config) -> str:
    cache: Any = pytestconfig.cache
    return f"device.compilation_cache={cache.mkdir('programs')}"


def assert_same_draws(one: Path, other: Path) -> None:
    with (
        xr.open_datatree(one / "posterior.nc", engine="netcdf4") as left,
        xr.open_datatree(other / "posterior.nc", engine="netcdf4") as right,
    ):
        assert left.children.keys() == right.children.keys()
        for group in left.children:
            xr.testing.assert_identical(left[group].to_dataset(), right[group].to_dataset())


def metrics(folder: Path, run: str) -> list[tuple[str, int]]:
    """Name and step of every metric that MLflow has of the run in a folder."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return store.execute(
            "SELECT metrics.key, step FROM metrics JOIN tags ON tags.run_uuid = metrics.run_uuid "
            "WHERE tags.key = 'folder' AND tags.value = ? ORDER BY metrics.key, step",
            [str(folder / run)],
        ).fetchall()


def statuses(folder: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return [status for (status,) in store.execute("SELECT status FROM runs ORDER BY start_time")]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_run_goes_on_to_the_same_bits(number: signal.Signals, tmp_path: Path, programs: str) -> None:
    words = ("experiment=eight_schools", "inference.draws=8000", *FAST, programs)
    assert credo_process(*words, "hydra.run.dir=whole", cwd=tmp_path).code == 0
    with start(*words, "hydra.run.dir=cut", cwd=tmp_path) as process:
        while not list(tmp_path.glob("cut/checkpoint/blocks-0.npz")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate()
    assert process.returncode == (-9 if number is signal.SIGKILL else 130)
    assert not (tmp_path / "cut" / "posterior.nc").exists()
    said = credo_process("resume", "cut", cwd=tmp_path)
    assert (said.code, "PASSED" in said.out) == (0, True), said
    assert_same_draws(tmp_path / "whole", tmp_path / "cut")
    assert statuses(tmp_path) == ["FINISHED", "FINISHED"]
    assert metrics(tmp_path, "cut") == metrics(tmp_path, "whole")
    assert [file.name for file in tmp_path.glob("cut/checkpoint/*")] == ["state.npz"]


@pytest.mark.slow
def test_a_finished_run_is_made_longer(tmp_path: Path) -> None:
    """As if it had been so long from the beginning; MLflow has both answers, one step apart."""
    words = (*SHORT, "report=none", QUIET[-1])
    assert credo(*words, "inference.draws=100", "hydra.run.dir=run", cwd=tmp_path).code == 0
    first = metrics(tmp_path, "run")
    assert credo("extend", "run", "--draws", 40, cwd=tmp_path).code == 0
    assert credo(*words, "inference.draws=140", "hydra.run.dir=whole", cwd=tmp_path).code == 0
    assert_same_draws(tmp_path / "run", tmp_path / "whole")
    after = metrics(tmp_path, "run")
    assert len(set(after)) == len(after)
    assert set(first) < set(after)
    assert ("ess_bulk_min", 1) in after
    assert statuses(tmp_path) == ["FINISHED", "FINISHED"]
    assert OmegaConf.load(tmp_path / "run" / ".hydra" / "config.yaml").inference.draws == 140
    said = credo("extend", "run", "--draws=60", cwd=tmp_path)
    assert said.code == 0
    assert ("ess_bulk_min", 2) in metrics(tmp_path, "run")


@pytest.mark.slow
def test_repeats_are_added_to_finished_particles(tmp_path: Path) -> None:
    """As if there had been so many from the beginning."""
    assert credo(*PARTICLES, "inference.repeats=2", "hydra.run.dir=run", cwd=tmp_path).code == 0
    assert credo("extend", "run", "--repeats", 2, cwd=tmp_path).code == 0
    assert credo(*PARTICLES, "inference.repeats=4", "hydra.run.dir=whole", cwd=tmp_path).code == 0
    assert_same_draws(tmp_path / "run", tmp_path / "whole")
    with xr.open_datatree(tmp_path / "run" / "posterior.nc", engine="netcdf4") as tree:
        assert tree["posterior"].sizes["chain"] == 4
    said = credo("extend", "run", "--draws", 10, cwd=tmp_path)
    assert said.code == 2
    assert said.err == (
        "credo: --draws: run is a run of inference=smc; credo extend run --repeats 8 adds repeats to it\n"
    )
    said = credo("resume", "run", cwd=tmp_path)
    assert said.err == "credo: run is finished; credo extend run --repeats 8 adds repeats to it\n"


@pytest.mark.slow
def test_nothing_is_added_to_what_has_no_state_to_go_on_from(tmp_path: Path) -> None:
    assert credo(*SHORT[:2], *QUIET, "inference=laplace", "hydra.run.dir=run", cwd=tmp_path).code == 0
    said = credo("extend", "run", "--draws", 10, cwd=tmp_path)
    assert said.err == "credo: run is a run of inference=laplace, which cannot be made longer; begin a new run\n"
    assert credo("resume", "run", cwd=tmp_path).err == "credo: run is finished; begin a new run of the same\n"


@pytest.mark.slow
def test_steps_are_added_to_a_fit_that_had_not_ended(tmp_path: Path) -> None:
    words = (*SHORT[:2], *QUIET, "inference=vi", "inference.starts=2", "inference.family=meanfield")
    assert credo(*words, "inference.steps=2000", "hydra.run.dir=run", cwd=tmp_path).code == 0
    assert credo("extend", "run", "--steps", 8000, cwd=tmp_path).code == 0
    assert credo(*words, "inference.steps=10000", "hydra.run.dir=whole", cwd=tmp_path).code == 0
    assert_same_draws(tmp_path / "run", tmp_path / "whole")
    said = credo("extend", "run", "--steps", 8000, cwd=tmp_path)
    assert said.code == 2
    assert said.err.startswith("credo: --steps: the fits of run have ended before their 10000 steps")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    chains = (*SHORT, *QUIET, "inference.draws=50")
    assert credo(*chains, "hydra.run.dir=draws", cwd=folder).code == 0
    assert credo(*chains, "hydra.run.dir=none", "inference.checkpoint.every=null", cwd=folder).code == 0
    assert credo(*SHORT[:2], *QUIET, "inference=map", "hydra.run.dir=point", cwd=folder).code == 0
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("resume", "resume: expected the folder or the MLflow id of one run, as in "),
        ("resume draws point", "resume: expected the folder or the MLflow id of one run, as in "),
        ("resume draws", "draws is finished; credo extend draws --draws 1000 adds draws to it"),
        ("resume nowhere", "there is no run {folder}/nowhere; give the folder of a run, or its MLflow id"),
        ("resume none", "{folder}/none has no checkpoint to go on from: "),
        ("extend draws", "extend: expected a run and a number of draws, as in "),
        ("extend draws --draws 0", "extend: expected a run and a number of draws, as in "),
        ("extend point --draws 10", "point is a point estimate (map), which has no draws to add to"),
        (
            "extend draws --repeats 4",
            "--repeats: draws is a run of inference=nuts; credo extend draws --draws 1000 adds",
        ),
        ("extend draws --chains 4", "extend: expected a run and a number of draws, as in "),
    ],
)
def test_what_cannot_go_on_is_one_sentence(words: str, said: str, finished: Path) -> None:
    answer = credo(*words.split(), cwd=finished)
    assert answer.code == 2
    assert answer.err.startswith(f"credo: {said.format(folder=finished)}")
    assert answer.err.count("\n") == 1


def change_config(folder: Path) -> None:
    file = folder / ".hydra" / "config.yaml"
    file.write_text(file.read_text().replace("concentration1: 1.0", "concentration1: 3.0"))


def change_data(folder: Path) -> None:
    (folder.parent / "coins.csv").write_text("y\n1\n1\n1\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_config, "config.model.prior.p.concentration1 was 1.0 and is 3.0"),
        (change_data, "data_hash was "),
    ],
)
def test_another_question_is_refused(change: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    (tmp_path / "coins.csv").write_text("y\n1\n0\n1\n")
    words = ("data=csv", "data.path=coins.csv", "data.target=y", *SHORT[1:], *QUIET, "inference.draws=50")
    assert credo(*words, "hydra.run.dir=run", cwd=tmp_path).code == 0
    before = (tmp_path / "run" / "posterior.nc").read_bytes()
    change(tmp_path / "run")
    answer = credo("extend", "run", "--draws", 10, cwd=tmp_path)
    assert answer.code == 2
    assert answer.err.startswith(f"credo: the run was configured otherwise than what is asked now: {said}")
    assert (tmp_path / "run" / "posterior.nc").read_bytes() == before


def test_an_interrupted_run_says_where_it_is_and_how_to_go_on(tmp_path: Path) -> None:
    assert cut(tmp_path).err.splitlines()[-1] == "credo: interrupted; credo resume cut continues it"
    assert credo("resume", "cut", cwd=tmp_path).code == 0


def test_an_interrupted_sweep_says_how_to_go_on(tmp_path: Path) -> None:
    with interrupted(4):
        said = credo("-m", *COMMAND, "seed=1,2", "hydra.sweep.dir=s", cwd=tmp_path)
    assert said.code == 130
    assert said.err.splitlines()[-1] == "credo: interrupted; credo -m sweep.resume=s runs what is left"
