"""A user's own folder: what `credo init` writes runs, it wins over the built-in, and a model there is two files."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from console import QUIET, Said, credo
from credo.config.paths import built_in
from registry import few

Run = Callable[..., Said]

MODEL = '''
from typing import Any, ClassVar

import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

from credo.models.base import Model


class Counts(Model):
    """y_i ~ Poisson(offset rate)."""

    supports: ClassVar[dict[str, Any]] = {"rate": (constraints.positive,)}
    offset: float

    def __call__(self, y):
        rate = numpyro.sample("rate", self.prior["rate"])
        with numpyro.plate("obs", len(y)):
            numpyro.sample("y", dist.Poisson(self.offset * rate), obs=y)
'''
PRESET = """\
# credo model=counts data=inline data.values=[3,5,2]
defaults:
  - /prior@prior.rate: gamma
  - _self_
_target_: counts.Counts
offset: 2.0
"""
COUNTS = ("model=counts", "data=inline", "data.values=[3,5,2]", "inference=map", *QUIET, *few("map"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `credo init` writes, with a further model and two files that are named like credo's own."""
    here = tmp_path_factory.mktemp("own")
    said = credo("init", "mine", cwd=here)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("\nNext:\n  cd mine\n  credo experiment=my_experiment\n")
    mine = here / "mine"
    (mine / "counts.py").write_text(MODEL)
    (mine / "conf" / "model" / "counts.yaml").write_text(PRESET)
    (mine / "conf" / "model" / "gaussian.yaml").write_text(
        "defaults: [/schema/model/gaussian@_here_, /prior@prior.loc: laplace, _self_]\nsigma: 2.5\nhypotheses: [0, 1]\n"
    )
    (mine / "experiments" / "eight_schools.yaml").write_text("name: my schools\n")
    return mine


@pytest.fixture
def run(folder: Path) -> Run:
    return lambda *words: credo(*words, cwd=folder)


def commands(folder: Path) -> list[list[str]]:
    lines = (folder / "README.md").read_text().splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("    credo ")]


@pytest.mark.slow
def test_every_command_of_its_readme_runs(folder: Path, run: Run) -> None:
    for words in commands(folder):
        short = () if "-m" in words else few("nuts")
        before = len(list(folder.rglob("verdict.json")))
        said = run(*words, *short, *QUIET)
        assert said.code == 0, said
        assert "-m" in words or "midpoint" in said.out
        assert len(list(folder.rglob("verdict.json"))) == before + (3 if "-m" in words else 1)
    assert len(commands(folder)) == 4


def test_a_second_init_overwrites_nothing(folder: Path) -> None:
    said = credo("init", folder.name, cwd=folder.parent)
    assert said.code == 2
    assert said.err == "credo: init: mine/README.md exists already and is not overwritten; choose an empty folder\n"


@pytest.mark.parametrize("words", [(), ("a", "b"), ("--force",)])
def test_init_takes_one_folder(words: tuple[str, ...], tmp_path: Path) -> None:
    said = credo("init", *words, cwd=tmp_path)
    assert (said.code, said.err) == (2, "credo: init: expected one folder, as in credo init my_experiments\n")
    assert not list(tmp_path.iterdir())


def test_its_files_win_over_the_built_in(run: Run) -> None:
    config = run("--cfg", "job", "model=gaussian", "experiment=eight_schools").out
    assert "sigma: 2.5" in config
    assert "numpyro.distributions.Laplace" in config
    assert "name: my schools" in config


def test_the_help_lists_them(run: Run) -> None:
    said = run("--help")
    assert "my_model" in said.out
    assert "counts" in said.out
    assert "hierarchical" in said.out
    assert "my_experiment" in said.out


def test_a_model_is_one_python_file_and_one_yaml(folder: Path, run: Run) -> None:
    said = run(*COUNTS, "model.offset=0.5")
    assert said.code == 0, said
    assert "rate" in said.out


REFUSED = {
    "model.ofset=1": "model.ofset: there is no such key; did you mean 'offset'?",
    "+model.ofset=1": "model.ofset: there is no such key; did you mean 'offset'?",
    "~model.offset": "model.offset: this key is needed and cannot be deleted",
    "+prior@model.prior.rat=gamma": "model.prior.rat: the model reads no such prior; did you mean 'rate'?",
    "prior@model.prior.rate=gaussian": "model.prior.rate: rate must be a positive number, but the prior allows a ",
    "model.offset=far": "model.offset: expected a number, but got far",
    "model.offset=null": "model.offset: expected a value, but got null",
    "model._target_=count.Counts": "model._target_: count.Counts cannot be imported (No module named 'count'); ",
    "model=count": "model=count: there is no such option; did you mean 'counts'?",
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_wrong_key_of_its_model_is_refused(words: str, run: Run) -> None:
    said = run(*COUNTS, words)
    assert said.code == 2
    assert said.err.startswith(f"credo: {REFUSED[words]}")
    assert said.err.count("\n") == 1


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """The folder of another project that uses Hydra, too."""
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text("defaults: [{db: mysql}]\n")
    (tmp_path / "conf" / "data" / "mnist.yaml").write_text("lr: 0.1\n")
    return tmp_path


def test_the_configuration_of_another_project_is_not_taken(foreign: Path) -> None:
    said = credo("data=coin_flips", "model=bernoulli", "inference=map", *few("map"), *QUIET, cwd=foreign)
    assert said.code == 0, said
    assert said.err.startswith(f"{foreign}/conf/config.yaml is another project's; credo's own is used\n")


def test_an_own_configuration_that_builds_on_credos_wins(foreign: Path) -> None:
    own = (built_in() / "conf" / "config.yaml").read_text().replace("seed: 0", "seed: 71")
    (foreign / "conf" / "config.yaml").write_text(own)
    assert "seed: 71" in credo("--cfg", "job", cwd=foreign).out


def test_the_file_of_a_word_that_is_no_part_is_named(foreign: Path) -> None:
    said = credo("data=mnist", "model=bernoulli", *QUIET, cwd=foreign)
    file = foreign / "conf" / "data" / "mnist.yaml"
    sentence = f"data=mnist: expected a _target_ that names its class, a credo.data.base.Source, but {file} has none;"
    assert said.err.splitlines()[1:] == [f"credo: {sentence} choose another word, or add one"]
    assert said.code == 2
    assert not list(foreign.glob("outputs"))


def test_paths_start_where_credo_was_started_whatever_hydra_does(tmp_path: Path) -> None:
    (tmp_path / "y.csv").write_text("y,x\n1,0\n2,1\n4,2\n")
    words = ("data=csv", "data.path=y.csv", "data.target=y", "model=regression", "hydra.job.chdir=true", *QUIET)
    said = credo(*words, "inference=map", *few("map"), cwd=tmp_path)
    assert said.code == 0, said
    assert "hydra.job.chdir: credo works in the folder where it was started all the same\n" in said.err
    swept = credo("-m", *words, "inference=map", *few("map"), "seed=1,2", cwd=tmp_path)
    assert swept.code == 0, swept
    assert len(list(tmp_path.glob("multirun/*/*/*/verdict.json"))) == 2


@pytest.mark.slow
def test_settings_that_nobody_chose_follow_the_rows(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("y,x\n" + "".join(f"{i % 3},{i % 5}\n" for i in range(10)))
    words = (
        "data=csv",
        "data.path=few.csv",
        "data.target=y",
        "model=mdn",
        "inference=mle",
        "training.epochs=2",
        *QUIET,
    )
    said = credo(*words, "hydra.run.dir=run", cwd=tmp_path)
    assert said.code == 0, said
    assert "training.batch_size is 9 in place of 64: the rows are few\n" in said.out
    refused = credo(*words, "training.batch_size=64", cwd=tmp_path)
    assert (refused.code, refused.err) == (
        2,
        "credo: training.batch_size: expected at most the 9 rows that are trained on, but got 64; use a smaller one\n",
    )
