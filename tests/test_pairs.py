"""Every data x model x inference is accepted before anything compiles, or refused in one sentence."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import hydra
import numpy as np
import pandas as pd
import pytest

from console import FEW, QUIET, credo
from credo.config import mistakes, paths, schema
from credo.config.build import build
from credo.data import dataset
from credo.errors import ConfigError
from credo.models.problem import Problem

DATA = {
    "coin_flips": (),
    "inline": ("data.values=[0.5,1.5,1.0,0.2]",),
    "eight_schools": (),
    "breast_cancer": ("data.features=[mean radius]",),
    "diabetes": ("data.features=[bmi]",),
    "synthetic": ("data.rows=12", "data.features=2", "data.groups=3", "data.sigma=1.0"),
    "csv": ("data.path=table.csv", "data.target=y"),
    "parquet": ("data.path=table.parquet", "data.target=y"),
    "json": ("data.path=table.json", "data.target=y"),
    "npz": ("data.path=table.npz", "data.target=y"),
}
MODELS = {
    "bernoulli": (),
    "gaussian": (),
    "hierarchical": (),
    "normal_inverse_gamma": (),
    "program": ("model.function=pairs_program:line",),
    "regression": (),
    "uniform": (),
}
METHODS = ("mle", "map", "nuts", "mh")
PAIRS = list(itertools.product(DATA, MODELS))

PROGRAM = """
import numpyro
import numpyro.distributions as dist


def line(y, x=None, **others):
    level = numpyro.sample("level", dist.Normal(0, 10))
    with numpyro.plate("obs", y.shape[0]):
        numpyro.sample("y", dist.Normal(level, 1.0), obs=y)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a table in every format, and a program."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    table = {"y": rng.integers(1, 3, 12).tolist(), "x": rng.normal(size=12).tolist()}
    pd.DataFrame(table).to_csv(folder / "table.csv", index=False)
    pd.DataFrame(table).to_parquet(folder / "table.parquet")
    (folder / "table.json").write_text(json.dumps(table))
    np.savez(folder / "table.npz", **{name: np.array(values) for name, values in table.items()})
    (folder / "pairs_program.py").write_text(PROGRAM)
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """In that folder, with the schemas registered."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    schema.register()
    paths.register()
    with hydra.initialize_config_dir(str(paths.built_in() / "conf"), version_base="1.3"):
        yield folder


def words(data: str, model: str, method: str) -> list[str]:
    return [f"data={data}", f"model={model}", f"inference={method}", *DATA[data], *MODELS[model], *QUIET]


@pytest.mark.parametrize(("data", "model"), PAIRS)
@pytest.mark.usefixtures("here")
def test_every_pair_is_accepted_or_refused_before_anything_compiles(data: str, model: str) -> None:
    for method in METHODS:
        config = hydra.compose("config", words(data, model, method))
        try:
            mistakes.refuse(config)
            parts = build(config)
            train, test = dataset.split(parts.source.load(parts.model, config.seed))
            problem = Problem(parts.model, train, test)
            parts.inference.check(problem)
        except ConfigError as refusal:
            sentence = str(refusal)
            assert "\n" not in sentence
            assert any(word in sentence for word in (f"model={model}", "model.", "data", "inference")), sentence


@pytest.mark.slow
@pytest.mark.parametrize(("data", "model"), PAIRS)
def test_every_accepted_pair_runs_by_every_method(data: str, model: str, folder: Path) -> None:
    for method in METHODS:
        said = credo(*words(data, model, method), *FEW[method], cwd=folder)
        assert said.code in (0, 2), said.err
        if said.code == 2:
            assert len(said.err.strip().splitlines()) == 1, said.err
            assert said.err.startswith("credo: ")
        else:
            assert "Traceback" not in said.err
