"""Runs of the release before: their parts are found by the old names (`tests/runs/old` was written by that release)."""

import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console import credo
from credo.report.comparison import runs
from credo.runs import exported, renamed, saved

OLD = Path(__file__).parent / "old"
NAMES = (OLD / "names.txt").read_text().split()


@pytest.fixture
def coins(tmp_path: Path) -> Path:
    """A copy of an old run of NUTS that is finished and has its checkpoint."""
    return Path(shutil.copytree(OLD / "coins", tmp_path / "coins"))


@pytest.mark.parametrize("old", NAMES)
def test_every_old_name_leads_to_a_part(old: str) -> None:
    module, _, name = renamed.name(old).rpartition(".")
    assert hasattr(import_module(module), name)


def test_an_old_run_can_be_read_and_compared(coins: Path) -> None:
    run = runs.read(coins)
    assert run.is_finished
    assert run.config["inference"]["_target_"] == renamed.name("credo.inference.nuts.Nuts")
    config, _ = saved.composed(coins)
    assert config.tracking["_target_"] == renamed.name("credo.tracking.mlflow.MlflowTracker")
    assert saved.draws(coins)["posterior/p"].shape == (2, 10)
    said = credo("compare", coins, coins, "--out", "out", cwd=coins.parent)
    assert (said.code, said.err.count("\n")) == (2, 1)  # they are one run
    assert "Traceback" not in said.err


def test_an_old_network_predicts(tmp_path: Path) -> None:
    network = Path(shutil.copytree(OLD / "network", tmp_path / "network"))
    predicted = exported.load(network)(pd.DataFrame({"x": [0.0, 0.5]}))
    assert list(predicted)[:2] == ["y_mean", "y_sd"]
    assert np.isfinite(predicted.to_numpy()).all()


def test_an_old_checkpoint_is_refused_in_one_sentence(coins: Path) -> None:
    said = credo("extend", "--trust", coins, "--draws", "10", cwd=coins.parent)
    *_, sentence = said.err.splitlines()
    assert said.code == 2, said.err
    assert sentence.startswith("credo: ")
    assert "Traceback" not in said.err
    assert sentence.endswith("is a checkpoint of another version of credo, which this one cannot resume; run it again")
