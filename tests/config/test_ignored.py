"""Nothing that is typed is passed by: it is followed, or refused before anything is made."""

import re
import shlex
from pathlib import Path

import pytest

from console import QUIET, credo
from credo.sweeps import search
from registry import few

COINS = ("data=coin_flips", "model=bernoulli", "inference=map", *few("map"), *QUIET)
ONE_RUN = {
    "sweep.resume=earlier": r"sweep\.resume: only a sweep reads it, .*credo -m sweep\.resume=earlier",
    "sweep={fail_fast: true}": r"sweep\.fail_fast: only a sweep",
    "sweep.compare=false": r"sweep\.compare: only a sweep",
    "hydra.sweep.dir=x": r"hydra\.sweep\.dir: only a sweep",
    "hydra.sweep.subdir=x": r"hydra\.sweep\.subdir: only a sweep",
    "+hydra.sweeper.foo=1": r"hydra\.sweeper\.foo: only a sweep",
    "hydra/launcher=compiled": "hydra/launcher: only a sweep",
    "hydra/sweeper=optuna": "hydra/sweeper: only a sweep",
    "seed=range(0,3)": r"seed=range\(0,3\): several values.* credo -m 'seed=range\(0,3\)'",
    # keys that are not there
    "+hydra.run.dirr=x": r"hydra\.run\.dirr: there is no such key; did you mean 'dir'\?",
    "+hydra.run={dirr: x}": r"hydra\.run\.dirr: there is no such key",
    "+hydra.foo=1": r"hydra\.foo: there is no such key",
    "+hydra.job.foo=1": r"hydra\.job\.foo: there is no such key",
    "+hydra.job.config.override_dirname.foo=1": r"hydra\.job\.config\.override_dirname\.foo: there is no such",
    "+hydra.job_logging.foo=1": r"hydra\.job_logging\.foo: there is no such key",
    # what is filled in, or read by nobody
    "hydra.runtime.cwd=/tmp": r"hydra\.runtime\.cwd: it is filled in",
    "hydra.overrides.task=[seed]": r"hydra\.overrides\.task: it is filled in",
    "hydra.job.num=3": r"hydra\.job\.num: it is filled in",
    "hydra.job.env_set.CREDO_TRIAL=x": r"hydra\.job\.env_set\.CREDO_TRIAL: it is filled in",
    "hydra.help.template=x": r"hydra\.help\.template: credo does not read it",
    "~hydra.run": r"hydra\.run: this key is needed and cannot be deleted",
    # values
    "hydra.run.dir=???": r"hydra\.run\.dir: a value is needed",
    'hydra.run.dir=""': r"hydra\.run\.dir: a value is needed",
    "seed=???": "seed: a value is needed",
    "hydra.mode=sweep": r"hydra\.mode: invalid value 'sweep', expected one of \[RUN, MULTIRUN\]",
    "hydra.verbose=3": r"hydra\.verbose: expected true, false, or names of Python's loggers, but got 3",
    "hydra.job_logging.root.level=LOUD": r"hydra\.job_logging\.root\.level: expected one of .*WARNING.*got LOUD",
    "hydra.hydra_logging.root.level=LOUD": r"hydra\.hydra_logging\.root\.level: expected one of .*got LOUD",
    "hydra.job_logging.version=2": r"hydra\.job_logging\.version: expected 1, but got 2",
    "hydra.job.env_copy=[NOT_THERE]": r"hydra\.job\.env_copy: the environment variable NOT_THERE is not set",
    "hydra.searchpath=[file:///nowhere]": r"hydra\.searchpath: expected folders that can be read.*/nowhere",
    "+hydra.callbacks.x._target_=os.getcwd": r"hydra\.callbacks\.x: expected the _target_ of .*Callback, but got os",
    "+hydra.callbacks.x=3": r"hydra\.callbacks\.x: expected the _target_",
}
SWEEPS = {
    "hydra.run.dir=x seed=1,2": r"hydra\.run\.dir: only a single run reads it.* hydra\.sweep\.dir",
    "hydra.mode=RUN seed=1,2": r"hydra\.mode=RUN: expected one run, but -m asks",
    "hydra.sweep.dir=a,b": r"hydra\.sweep\.dir=a,b: expected one value",
    "hydra.sweep.dir=??? seed=1": r"hydra\.sweep\.dir: a value is needed",
    "hydra.sweep.subdir=../x seed=1": r"hydra\.sweep\.subdir: expected a folder inside the sweep's, but got \.\./x",
    "sweep.resume=???": r"sweep\.resume: a value is needed",
    # settings of sweepers and launchers
    "+hydra.sweeper.foo=1 seed=1": r"hydra\.sweeper\.foo: there is no such key",
    "+hydra.launcher.foo=1 seed=1": r"hydra\.launcher\.foo: there is no such key",
    "hydra/launcher=compiled +hydra.launcher.foo=1 seed=1": r"hydra\.launcher\.foo: .*'together'",
    "hydra/launcher=compiled hydra.launcher.together=x seed=1": r"hydra\.launcher\.together: expected a whole number",
    "hydra/launcher=joblib hydra.launcher.n_jobs=0 seed=1": r"hydra\.launcher\.n_jobs: expected a number of proc",
    "hydra.sweeper.max_batch_size=x seed=1": r"hydra\.sweeper\.max_batch_size: expected a whole number, but got x",
    "hydra.sweeper.params=3 seed=1": r"hydra\.sweeper\.params: expected keys and values",
    "hydra.sweeper=null seed=1": r"hydra\.sweeper: expected a choice of hydra/sweeper, but got None",
    # no jobs
    "seed=range(0,0)": r"seed=range\(0,0\): expected at least one value, but it gives none",
    "data=glob(zzz*)": r"data=glob\(zzz\*\): expected at least one value",
    "hydra/sweeper=basic seed=range(0,0)": r"seed=range\(0,0\): expected at least one value",
    "'hydra.sweeper.params={seed: \"range(0,0)\"}'": r"seed=range\(0,0\): expected at least one value",
    # code behind a name
    "hydra.sweeper._target_=os.system seed=1": r"hydra\.sweeper\._target_: expected one of .*but got os\.system",
    "hydra.launcher._target_=pandas.read_pickle seed=1": r"hydra\.launcher\._target_: .*got pandas\.read_pickle",
    "hydra.launcher._target_=hydra_plugins.mine.X seed=1": r"hydra\.launcher\._target_: .*got hydra_plugins\.mine\.X",
    "'hydra.sweeper={params: {x: {_target_: os.getcwd}}}' seed=1": r"hydra\.sweeper\.params\.x\._target_: .*os\.getcwd",
}
FLAGS = {
    "-m": "-m: expected values to vary",
    "--resolve seed=1": "--resolve and --package: expected --cfg with them",
    "--experimental-rerun x.pkl": "--experimental-rerun: there is no such flag",
    "-m --cfg job seed=1": "-m: expected to run a sweep, but another flag asks",
    "--config-dir nowhere seed=1": "--config-dir: expected a folder, but there is no nowhere",
}


def refused(*words: str, because: str, cwd: Path) -> None:
    """A command says one sentence, and leaves nothing."""
    said = credo(*words, cwd=cwd)
    assert said.code == 2, said
    assert re.fullmatch(rf"credo: {because}[^\n]*\n", said.err), said.err
    assert (said.out, list(cwd.iterdir())) == ("", [])


@pytest.mark.parametrize("word", ONE_RUN)
def test_one_run(word: str, tmp_path: Path) -> None:
    refused(*COINS, word, because=ONE_RUN[word], cwd=tmp_path)


@pytest.mark.parametrize("words", SWEEPS)
def test_a_sweep(words: str, tmp_path: Path) -> None:
    refused("-m", *COINS, *shlex.split(words), because=SWEEPS[words], cwd=tmp_path)


@pytest.mark.parametrize("words", FLAGS)
def test_flags(words: str, tmp_path: Path) -> None:
    refused(*words.split(), because=FLAGS[words], cwd=tmp_path)


NO_EFFECT = {
    "model.prior.cutpoints.scale=2": r"model\.prior\.cutpoints\.scale: model\.family=gaussian has no cutpoints; leave",
    "prior@model.prior.shape=exponential": r"model\.prior\.shape: model\.family=gaussian has no shape; .*gamma, weib",
    "model.prior.sd.scale=2": r"model\.prior\.sd\.scale: the formula has no groups, as in \(1 \| g\); leave it out",
    "model.lkj=2": r"model\.lkj: no group of the formula has two effects, as in \(1 \+ x \| g\); leave it out",
    "model.centred=true": r"model\.centred: the formula has no groups",
}


@pytest.mark.parametrize("word", NO_EFFECT)
def test_a_setting_of_a_regression_that_has_no_effect(word: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("y,x\n1,2\n2,4\n3,5\n")
    words = ("data=csv", "data.path=t.csv", "model=regression", "model.formula=y ~ x", "inference=map", *QUIET, word)
    said = credo(*words, cwd=tmp_path)
    assert said.code == 2, said
    assert re.fullmatch(rf"credo: {NO_EFFECT[word]}[^\n]*\n", said.err), said.err
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_sweep_without_jobs_is_recorded_nowhere(tmp_path: Path) -> None:
    words = [word for word in COINS if word != "tracking=none"]
    refused("-m", *words, "seed=range(0,0)", because=r"seed=range\(0,0\): expected at least one value", cwd=tmp_path)


def test_a_search_that_is_over_is_no_sweep(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = search.study(storage, "mine", ["minimize"], optuna.samplers.RandomSampler(), None)  # closes its connections
    study.add_trial(optuna.trial.create_trial(value=1.0))
    words = ("hydra.sweeper.study_name=mine", f"hydra.sweeper.storage={storage}", "hydra.sweeper.n_trials=1")
    asked = ("hydra/sweeper=optuna", "objective=seconds/total", "model.prior.p.concentration1=interval(1,2)")
    said = credo("-m", *COINS, *asked, *words, cwd=tmp_path)
    assert said.code == 2, said
    assert "credo: hydra.sweeper.n_trials: expected more than the 1 trials" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["study.db"]


@pytest.mark.parametrize("word", ["hydra.mode=MULTIRUN", "+experiment=swept"])
def test_a_configuration_may_ask_for_a_sweep(word: str, tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "swept.yaml").write_text(
        "hydra:\n  mode: MULTIRUN\n  sweeper:\n    params: {seed: '1,2'}\n"
    )
    said = credo(*COINS, *([word] if "hydra" in word else ["experiment=swept"]), cwd=tmp_path)
    assert said.code == 0, said
    assert len(list(tmp_path.glob("multirun/*/*/*/verdict.json"))) == (1 if "hydra" in word else 2)


@pytest.mark.parametrize("word", ["+hydra.job.env_set.MINE=3", "hydra.verbose=mine", "hydra/job_logging=disabled"])
def test_what_is_followed_is_taken(word: str, tmp_path: Path) -> None:
    assert credo(*COINS, word, cwd=tmp_path).code == 0
