"""`import credo`: the words of the command or objects, and the same runs."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import credo
from credo.cli.main import command
from credo.config import paths

QUICK = ("inference.chains=2", "inference.warmup=100", "inference.draws=100", "report=none")
COINS = ("experiment=coin_flips", "inference=mh", *QUICK)
X = np.linspace(-1.0, 1.0, 12)
Y = 2.0 * X + np.cos(7.0 * X) / 5.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    """A folder in which these tests work."""
    folder = tmp_path_factory.mktemp("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def coins(place: Path) -> credo.Run:
    """A finished run, recorded in MLflow."""
    return credo.run(*COINS, seed=3)


def line(x, y=None):
    """A program of a file that Python imports."""
    slope = numpyro.sample("slope", dist.Normal(0.0, 3.0))
    numpyro.sample("y", dist.Normal(slope * x, 0.5), obs=y)


def within():
    """A program that is not: it reads a constant and a function around it."""
    scale = 3.0

    def predicted(slope, x):
        return slope * x

    def inner(x, y=None):
        slope = numpyro.sample("slope", dist.Normal(0.0, scale))
        numpyro.sample("y", dist.Normal(predicted(slope, x), 0.5), obs=y)

    return inner


def test_a_run_has_its_verdict_its_numbers_and_its_draws(coins: credo.Run) -> None:
    assert {check.name for check in coins.verdict.checks} > {"r_hat", "ess_bulk"}
    assert coins.summary.loc["p", "mean"] == coins.metrics["posterior/mean/p"]
    assert coins.posterior["posterior"]["p"].shape == (2, 100)
    assert coins.config.seed == 3
    assert coins.report is None


def test_the_same_words_give_the_same_draws_from_a_shell(coins: credo.Run, place: Path) -> None:
    assert command([*COINS, "seed=3", "hydra.run.dir=shell", "tracking=none"]) == 0
    shell = credo.load(place / "shell")
    one, other = (json.loads((run.folder / "provenance.json").read_text()) for run in (coins, shell))
    assert one["draws_hash"] == other["draws_hash"]
    assert one["fingerprint"] == other["fingerprint"]


def test_a_run_is_found_by_its_id_in_mlflow(coins: credo.Run) -> None:
    assert coins.mlflow_id is not None
    assert credo.load(coins.mlflow_id).folder == coins.folder


def test_a_mistake_is_one_sentence_and_leaves_nothing(place: Path) -> None:
    before = sorted(place.iterdir())
    for words, settings, sentence in (
        (("inference.drawz=3",), {}, "inference.drawz: there is no such key; did you mean 'draws'?"),
        (("seed=1,2",), {}, "seed=1,2: several values"),
        (("-m", "seed=1"), {}, "but got the flag -m"),
        ((3,), {}, "but got an object of the class int"),
        ((), {"inference": 3}, "a number is no option of a group; expected a word, as in inference=nuts"),
        (
            ("seed=1 inference=mh",),
            {},
            "expected one KEY=VALUE in each word; type seed=1 and inference=mh as two words",
        ),
        ((), {"modle": "gaussian"}, "did you mean 'model'?"),
        ((), {"data": [1.0]}, "data: expected the name of a source, a pandas table, or arrays by name"),
        ((), {"model": lambda x: x, "data": {"x": X}}, "is a lambda"),
        ((), {"seed": object()}, "seed: expected text, a number"),
    ):
        with pytest.raises(credo.ConfigError) as raised:
            credo.run(*words, **settings)
        assert sentence in str(raised.value)
    assert [file for file in sorted(place.iterdir()) if file not in before] == []


def test_ipython_shows_the_sentence_alone() -> None:
    assert credo.ConfigError("seed: wrong")._render_traceback_() == ["ConfigError: seed: wrong"]


def test_a_function_of_a_module_is_named_by_it_and_one_of_a_notebook_is_kept_by_its_source(place: Path) -> None:
    data = {"x": X, "y": Y}
    runs = [
        credo.run(*QUICK, model=model, inference="mh", data=data, tracking="none", seed=1) for model in (line, within())
    ]
    assert runs[0].config.model.function == f"{__name__}:line"
    module, _, name = runs[1].config.model.function.partition(":")
    assert (module.partition(".")[0], name) == ("credo_given", "inner")
    assert (runs[1].folder / "code" / module.replace(".", "/")).with_suffix(".py").exists()
    assert runs[0].posterior["posterior"].equals(runs[1].posterior["posterior"])


def test_a_table_gives_what_arrays_give(place: Path) -> None:
    runs = [
        credo.run(*QUICK, model=line, inference="mh", data=data, tracking="none", seed=1)
        for data in (pd.DataFrame({"x": X, "y": Y}), {"x": X, "y": Y})
    ]
    assert runs[0].posterior["posterior"].equals(runs[1].posterior["posterior"])
    assert len(list((place / "credo_given").glob("table_*.parquet"))) == 1


def test_a_function_that_reads_an_array_is_refused_by_its_name() -> None:
    weights = np.ones(3)

    def model(y=None):
        numpyro.sample("y", dist.Normal(weights.sum(), 1.0), obs=y)

    with pytest.raises(credo.ConfigError, match=r"it reads 'weights', which is an object of the class ndarray"):
        credo.run(model=model, data={"y": Y})


def test_a_formula_is_given_as_it_is_and_new_rows_are_predicted(place: Path) -> None:
    table = pd.DataFrame({"x": X, "group": ["a", "b"] * 6, "y": Y})
    run = credo.run(
        *QUICK, model="regression", inference="mh", data=table, tracking="none", **{"model.formula": "y ~ x + group"}
    )
    predicted = run.predict(pd.DataFrame({"x": [0.0, 1.0], "group": ["a", "b"]}))
    assert list(predicted.columns)[:2] == ["y_mean", "y_sd"]
    with pytest.raises(credo.ConfigError, match="x"):
        run.predict(pd.DataFrame({"group": ["a"]}))


def test_a_run_is_made_longer(place: Path) -> None:
    run = credo.run(*COINS, seed=4, tracking="none")
    before = run.posterior["posterior"]["p"]
    longer = run.extend(draws=50)
    assert longer.posterior["posterior"].sizes["draw"] == 150
    assert np.array_equal(longer.posterior["posterior"]["p"][:, :100], before)
    for wrong in ({}, {"draws": 0}, {"draws": 1, "steps": 1}, {"repeats": 2}):
        with pytest.raises(credo.ConfigError):
            longer.extend(**wrong)


def test_a_sweep_has_a_table_its_runs_and_a_comparison(place: Path) -> None:
    sweep = credo.sweep(*COINS, folder="sweep", seed=[1, 2])
    assert list(sweep.table["seed"]) == [1, 2]
    assert [run.config.seed for run in sweep.runs] == [1, 2]
    comparison = sweep.compare()
    assert comparison.report == place / "sweep" / "comparison.html"
    again = credo.compare(*sweep.runs, out=place / "again")
    assert again.headline == comparison.headline
    assert again.table.equals(comparison.table)


def test_what_runs_show_in_a_notebook_is_escaped(coins: credo.Run) -> None:
    html = coins._repr_html_()
    assert "<td>" in html
    assert "<script" not in html
    assert coins.verdict.checks[0].name in coins.to_json()


def test_what_a_program_raises_is_one_sentence_whatever_it_holds(place: Path) -> None:
    def broken(y=None):
        raise KeyError(y)

    def empty(y=None):
        raise KeyError

    for model in (broken, empty):
        with pytest.raises(credo.ConfigError, match="running the model raised KeyError"):
            credo.run(*QUICK, model=model, data={"y": Y})


def test_precision_logging_and_hydra_are_as_they_were(place: Path) -> None:
    import jax

    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        with initialize_config_dir(str(paths.built_in() / "conf"), version_base="1.3"):
            known = GlobalHydra.instance().hydra
            credo.run(*COINS, "device.precision=float32", tracking="none")
            assert GlobalHydra.instance().hydra is known
        assert jax.config.jax_enable_x64
        assert handler in logging.getLogger().handlers
    finally:
        logging.getLogger().removeHandler(handler)


def test_a_configuration_is_composed_changed_and_run(place: Path) -> None:
    config = credo.compose(*COINS, tracking="none")
    config.seed = 9
    run = credo.run(config)
    assert (run.config.seed, run.config.inference.draws, run.mlflow_id) == (9, 100, None)
    with pytest.raises(credo.ConfigError, match="compose it by"):
        credo.run(OmegaConf.create({"seed": 1}))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # SQLAlchemy, of MLflow
def test_a_run_within_an_active_run_of_mlflow_is_its_child(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "")
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    mlflow.set_tracking_uri(f"sqlite:///{place}/own.db")
    try:
        mlflow.set_experiment("mine")
        with mlflow.start_run() as parent:
            run = credo.run(*COINS)
        found = mlflow.get_run(run.mlflow_id)
    finally:
        mlflow.set_tracking_uri(None)
    assert found.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert found.info.experiment_id == parent.info.experiment_id


def test_importing_credo_loads_nothing() -> None:
    code = "import sys, credo; dir(credo); sys.exit(any(one in sys.modules for one in ('jax', 'hydra', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own words
