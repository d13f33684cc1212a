"""A training objective of a user's own: one .py and one .yaml in the user's folder, and nothing else is touched."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console import QUIET, completed, credo

OBJECTIVE = '''
"""Least squares: `training=least_squares`."""

from typing import ClassVar

import jax.numpy as jnp

from credo.inference.density import constrain
from credo.inference.training.descent import Descent
from credo.ranges import Positive


class LeastSquares(Descent):
    """The squared error of the mean, in units of `unit`."""

    unit: Positive

    curve: ClassVar[str] = "squared_error"
    reading: ClassVar[str] = "squared error per row"

    def loss(self, method, batch, z, memory, key):
        error = self.judge(method, batch, z, key)
        return error, (error, memory)

    def judge(self, method, batch, z, key):
        arrays = batch.program.arrays
        found = batch.program.model.conditional(constrain(batch.program, z), arrays["x"])
        return jnp.square((arrays["y"] - found.mean) / self.unit).mean()
'''
PRESET = """\
# credo data=branches model=mdn training=least_squares training.unit=2 inference=mle
defaults:
  - base/descent@_here_
  - _self_
_target_: least.LeastSquares
epochs: 200
batch_size: 32
unit: 1.0
"""
WORDS = (
    *("data=csv", "data.path=rows.csv", "data.target=[y]", "data.test_fraction=0.2", "model=mdn", "inference=mle"),
    *("training=least_squares", "model.hidden=[8]", "model.components=1", "training.members=1", *QUIET[:1], QUIET[2]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a table and the objective's two files."""
    here = tmp_path_factory.mktemp("objective")
    a = np.random.default_rng(0).normal(size=200)
    pd.DataFrame({"a": a, "y": 2 * a}).to_csv(here / "rows.csv", index=False)
    (here / "conf" / "training").mkdir(parents=True)
    (here / "conf" / "training" / "least_squares.yaml").write_text(PRESET)
    (here / "least.py").write_text(OBJECTIVE.lstrip())
    return here


def test_it_trains_and_what_it_measures_is_told_in_its_own_words(folder: Path) -> None:
    said = credo(*WORDS, "hydra.run.dir=run", cwd=folder)
    assert said.code == 0, said.err
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert metrics["squared_error_validation"] < 0.1  # of a variance of 4
    assert metrics["rmse_test"] < 0.3
    assert "squared error per row" in (folder / "run" / "report.html").read_text()


@pytest.mark.slow
def test_a_search_knows_that_less_of_it_is_better(folder: Path) -> None:
    search = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "objective=squared_error_validation")
    few = ("training.epochs=2", "report=none", "hydra.sweep.dir=search", "training.learning_rate=interval(0.001,0.01)")
    said = credo("-m", *WORDS, *search, *few, cwd=folder)
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("training.unit=wide", "training.unit: expected a number, but got wide"),
        ("training.unit=0", "training.unit: expected a positive number, but got 0.0"),
        ("training.epochs=0", "training.epochs: expected a whole number of at least 1, but got 0"),
        ("training.unti=2", "training.unti: there is no such key; did you mean 'unit'?"),
        ("training=least_sqares", "training=least_sqares: there is no such option; did you mean 'least_squares'?"),
        ("training.validation=0.001", "training.validation: 0.001 of 160 rows is none; use a larger share, or 0"),
    ],
)
def test_it_is_refused_by_the_key_that_was_typed(word: str, sentence: str, folder: Path) -> None:
    said = credo(*WORDS, "report=none", word, "hydra.run.dir=refused", cwd=folder)
    assert (said.code, said.err) == (2, f"credo: {sentence}\n")
    assert not (folder / "refused").exists()


def test_the_help_and_tab_show_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "infonce, langevin, least_squares, likelihood" in credo("--help", cwd=folder).out
    assert completed("credo training=lea", folder, monkeypatch) == ["training=least_squares"]
