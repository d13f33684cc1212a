"""A part of a user's own is one Python file and one YAML in the folder where credo is started, and nothing else.

Kernels, trackers, energies and launchers have their proofs in tests of their own.
"""

from pathlib import Path

import pytest

from console import QUIET, Said, completed, credo

FILES = {
    "drawn.py": """
from dataclasses import dataclass

import numpy as np
import xarray as xr

from credo.ranges import Count, Positive


@dataclass(frozen=True)
class Drawn:
    rows: Count
    scale: Positive

    def load(self, model, seed):
        return xr.Dataset({"y": ("obs", np.random.default_rng(seed).normal(1.0, self.scale, self.rows))})
""",
    "conf/data/drawn.yaml": """# credo data=drawn data.rows=50
_target_: drawn.Drawn
rows: 30
scale: 1.0
""",
    "spread.py": """
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

from credo.models.base import Model
from credo.ranges import Positive


class Spread(Model):
    formula = "y_i ~ Normal(0, width * sigma)"
    supports = {"sigma": (constraints.positive,)}

    width: Positive

    def __call__(self, y):
        sigma = numpyro.sample("sigma", self.prior["sigma"])
        with numpyro.plate("obs", len(y)):
            numpyro.sample("y", dist.Normal(0.0, self.width * sigma), obs=y)
""",
    "conf/model/spread.yaml": """# credo data=drawn model=spread model.width=2
defaults:
  - /prior@prior.sigma: heavy
  - _self_
_target_: spread.Spread
width: 1.0
""",
    "conf/prior/heavy.yaml": """# credo data=drawn model=spread prior@model.prior.sigma=heavy
_target_: numpyro.distributions.LogNormal
loc: 0.0
scale: 1.0
""",
    "narrow.py": """
from dataclasses import dataclass
from typing import ClassVar

from credo.diagnostics.base import Check
from credo.inference.kind import Kind, Of, of
from credo.ranges import Positive


@dataclass(frozen=True)
class Narrow:
    threshold: Positive

    of: ClassVar[Of] = of(Kind.CHAINS)

    def __call__(self, result, summary):
        widest = float(summary["sd"].max())
        status = "passed" if widest <= self.threshold else "failed"
        return Check("narrow", status, widest, self.threshold, "The posterior is narrow enough.")
""",
    "conf/diagnostics/check/narrow.yaml": """# credo diagnostics.checks.narrow.threshold=2
_target_: narrow.Narrow
threshold: 1.0 # at most
""",
    "dots.py": """
from credo.report.drawing.base import Drawing

TITLE = "Dots"


def draw(evidence):
    return Drawing(TITLE, "answer", "Dots of nobody.")
""",
    "conf/report/dotted.yaml": """# credo report=dotted
defaults:
  - html
  - _self_
plots: ["dots:draw"]
""",
    "tempered.py": """
from credo.inference.density import WithoutPriors, constrain, log_joint
from credo.inference.training.descent import Descent
from credo.ranges import Positive


class Tempered(Descent):
    curve = "tempered_nll"

    temperature: Positive

    def nll(self, batch, z):
        return -log_joint(WithoutPriors(batch.program), constrain(batch.program, z)) / len(batch.rows)

    def loss(self, method, batch, z, memory, key):
        value = self.nll(batch, z) / self.temperature
        return value, (value, memory)

    def judge(self, method, batch, z, key):
        return self.nll(batch, z) / self.temperature
""",
    "conf/training/tempered.yaml": """# credo data=branches model=mdn inference=mle training=tempered
defaults:
  - base/descent@_here_
  - _self_
_target_: tempered.Tempered
epochs: 3
batch_size: 32
temperature: 1.0
""",
    "columns.py": """
from dataclasses import dataclass

from credo.ranges import Count


@dataclass(frozen=True)
class Columns:
    most: Count

    def write(self, model, source, place):
        place.write_text(" ".join((*model.features, *model.targets)[: self.most]))
        return f"read it: cat {place}"
""",
    "conf/export/columns.yaml": """# credo data=branches model=mdn inference=mle export=columns
_target_: columns.Columns
most: 10
""",
}
"""A data source, a model, a prior, a check, a plot, a training objective and an exporter."""

SHORT = ("inference.chains=2", "inference.warmup=20", "inference.draws=20")


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mine")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip())
    return folder


def run(folder: Path, *words: str) -> Said:
    return credo("data=drawn", "model=spread", *SHORT, *words, cwd=folder)


def test_all_of_them_make_an_answer(mine: Path) -> None:
    said = run(mine, "tracking=none", "report=dotted", "hydra.run.dir=answer")
    assert said.code == 0, said.err
    assert '"narrow"' in (mine / "answer" / "verdict.json").read_text()
    assert "Dots of nobody." in (mine / "answer" / "report.html").read_text()


def train(folder: Path, *words: str) -> Said:
    small = ("data.rows=80", "model.hidden=[4]", "model.components=1")
    return credo("data=branches", "model=mdn", "inference=mle", "training=tempered", *small, *words, cwd=folder)


def test_a_training_makes_a_model_and_an_exporter_writes_it(mine: Path) -> None:
    said = train(mine, *QUIET, "export=columns", "hydra.run.dir=trained")
    assert said.code == 0, said.err
    assert (mine / "trained" / "export").read_text() == "x y"
    assert "export  trained/export\n" in said.out
    assert "tempered_nll" in (mine / "trained" / "metrics.json").read_text()


def test_a_finished_run_is_exported_by_it(mine: Path) -> None:
    assert train(mine, *QUIET, "hydra.run.dir=plain").code == 0
    said = credo("export", "plain", "written", "export=columns", "export.most=1", cwd=mine)
    assert (said.code, said.out) == (0, "read it: cat written\n")
    assert (mine / "written").read_text() == "x"
    refused = credo("export", "plain", "another", "export=columns", "export.most=none", cwd=mine)
    assert (refused.code, refused.err) == (2, "credo: export.most: expected a whole number, but got none\n")
    assert not (mine / "another").exists()


def test_a_model_that_cannot_predict_is_not_exported(mine: Path) -> None:
    said = run(mine, *QUIET, "export=columns", "hydra.run.dir=unfit")
    assert said.code == 2
    assert said.err.startswith("credo: export=columns: expected a model that predicts new rows, as model=mdn does")
    assert not (mine / "unfit").exists()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("training.temperature=hot", "credo: training.temperature: expected a number, but got hot"),
        ("training.temperature=0", "credo: training.temperature: expected a positive number, but got 0.0"),
        ("training.temprature=2", "credo: training.temprature: there is no such key; did you mean 'temperature'?"),
        ("export=colums", "credo: export=colums: there is no such option; did you mean 'columns'?"),
        ("export.most=0", "credo: export.most: expected a whole number of at least 1, but got 0"),
        ("export.mots=2", "credo: export.mots: there is no such key; did you mean 'most'?"),
    ],
)
def test_a_training_and_an_exporter_are_refused_by_their_keys(word: str, sentence: str, mine: Path) -> None:
    said = train(mine, *QUIET, *([] if word.startswith("export=") else ["export=columns"]), word)
    assert said.code == 2, said
    assert said.err.count("\n") == 1
    assert sentence in said.err


OWN = {
    "data": "drawn",
    "model": "spread",
    "prior": "heavy",
    "report": "dotted",
    "training": "tempered",
    "export": "columns",
}


@pytest.mark.parametrize("group", OWN)
def test_the_help_shows_them(group: str, mine: Path) -> None:
    (line,) = [line for line in credo("--help", cwd=mine).out.splitlines() if line.startswith(f"  {group} ")]
    assert OWN[group] in line


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("data.rows=many", "credo: data.rows: expected a whole number, but got many"),
        ("data.rows=0", "credo: data.rows: expected a whole number of at least 1, but got 0"),
        ("data.scael=2", "credo: data.scael: there is no such key; did you mean 'scale'?"),
        ("model.width=wide", "credo: model.width: expected a number, but got wide"),
        ("model.width=-1", "credo: model.width: expected a positive number, but got -1.0"),
        ("model.widht=2", "credo: model.widht: there is no such key; did you mean 'width'?"),
        ("model.prior.sigma.scale=-1", "credo: model.prior.sigma.scale: expected a positive number, but got -1"),
        ("model.prior.sigma.scale=x", "credo: model.prior.sigma.scale: expected a number, but got x"),
        ("model.prior.sigma.scael=1", "credo: model.prior.sigma.scael: there is no such key; did you mean 'scale'?"),
        ("diagnostics.checks.narrow.threshold=x", "credo: diagnostics.checks.narrow.threshold: expected a number"),
        ("diagnostics.checks.narrow.threshold=-1", "narrow.threshold: expected a positive number, but got -1.0"),
        ("diagnostics.checks.narrow.thresold=1", "narrow.thresold: there is no such key; did you mean 'threshold'?"),
    ],
)
def test_each_is_refused_by_its_keys(word: str, sentence: str, mine: Path) -> None:
    said = run(mine, *QUIET, word)
    assert said.code == 2, said
    assert said.err.count("\n") == 1
    assert sentence in said.err


def test_a_plot_that_is_not_there_is_refused(mine: Path) -> None:
    said = run(mine, "tracking=none", "report=dotted", "report.plots=['dots:drow']")
    assert said.code == 2, said
    assert "report.plots: dots:drow cannot be imported" in said.err


@pytest.mark.parametrize("group", ["data", "model", "report", "training", "export"])
def test_tab_completes_them(group: str, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"{group}={OWN[group]}" in completed(f"credo {group}={OWN[group][:2]}", mine, monkeypatch)
