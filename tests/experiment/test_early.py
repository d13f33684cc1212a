"""What can be refused early is: by the head of a file, before NumPyro, ArviZ and MLflow are loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from console import QUIET, Said
from credo.data.csv import Csv
from credo.data.parquet import Parquet
from credo.errors import ConfigError
from tables import TABLE, TEXT

WATCHED = ("jax", "numpyro", "arviz_stats", "mlflow", "matplotlib")
RUN = f"""
import sys
from credo.cli.main import command
code = command(sys.argv[1:])
print("loaded", *[name for name in {WATCHED} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""
REGRESSION = ("model=regression", "inference=map", *QUIET[:2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a table in two formats."""
    here = tmp_path_factory.mktemp("early")
    table = pd.DataFrame({"y": [1.0, 2.0, 0.5], "x": [0.1, 0.2, 0.3]})
    table.to_csv(here / "table.csv", index=False)
    table.to_parquet(here / "table.parquet")
    return here


def run(*words: str, cwd: Path, **environment: str) -> Said:
    """Run the command in a process of its own, which says at its end what it has loaded."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", RUN, *words],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("words", "sentence", "loaded"),
    [
        (("data=csv", "data.path=tabel.csv", "data.target=y"), "data.path: the file", ""),
        (("data=csv", "data.path=table.csv", "data.target=z"), "data.target: the data has no column 'z'", ""),
        pytest.param(
            ("data=parquet", "data.path=table.parquet", "data.target=z"),
            "data.target: the data has no column 'z'",
            "",
            marks=pytest.mark.slow,
        ),
        (("data=diabetes", "tracking=mlflow", "tracking.uri=sqlite://"), "tracking.uri=sqlite://: expected a", ""),
        (("data=diabetes", "model.family=gama"), "model.family: expected one of gaussian", "jax numpyro"),
        pytest.param(
            ("data=diabetes", "model.prior.beta.scale=-1"),
            "model.prior.beta.scale: expected a",
            "jax numpyro",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("data=diabetes", "prior@model.prior.sigma=gaussian"),
            "model.prior.sigma: sigma must be",
            "jax numpyro",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_refusal_loads_no_more_than_it_needs(
    words: tuple[str, ...], sentence: str, loaded: str, folder: Path
) -> None:
    said = run(*REGRESSION, *words, cwd=folder)
    assert said.code == 2, said
    first, last = said.err.splitlines()
    assert first.startswith(f"credo: {sentence}")
    assert last == f"loaded {loaded}".strip()


def test_no_home_is_needed(tmp_path: Path) -> None:
    words = ("data=coin_flips", "model=bernoulli", "model.prior.p.concentration1=-1", *QUIET[:2])
    for home in ({"HOME": ""}, {"HOME": "/proc/nowhere"}):
        said = run(*words, cwd=tmp_path, **home)
        assert "credo: model.prior.p.concentration1: expected" in said.err


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        pytest.param(
            "JAX_ENABLE_X64",
            "maybe",
            "JAX cannot read a variable of the environment (.*JAX_ENABLE_X64",
            marks=pytest.mark.slow,
        ),
        ("JAX_PLATFORMS", "abacus", "device.platform=auto: JAX cannot start (.*JAX_PLATFORMS=abacus, so unset it"),
        ("MLFLOW_TRACKING_URI", "sqlite://", "tracking.uri=sqlite://: expected a database that lasts"),
    ],
)
def test_the_environment_is_refused_in_a_sentence(variable: str, value: str, sentence: str, tmp_path: Path) -> None:
    said = run("data=coin_flips", "model=bernoulli", QUIET[1], cwd=tmp_path, **{variable: value})
    assert said.code == 2, said
    first, _ = said.err.splitlines()
    for part in sentence.split(".*"):
        assert part in first


SETTINGS = TABLE | {"target": "y"}


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"target": ["y", "z"]}, r"data\.target\[1\]: the data has no column 'z'"),
        ({"features": ["x", "z"]}, r"data\.features\[1\]: the data has no column 'z'"),
        ({"features": ["y"]}, r"data\.features\[0\]: the column 'y' is already used as data\.target"),
        ({"group": "z"}, r"data\.group: the data has no column 'z'"),
        ({"target": None, "sigma": "x"}, r"data\.sigma: x needs a target"),
    ],
)
def test_both_formats_know_their_columns(setting: dict[str, object], sentence: str, folder: Path) -> None:
    for kind, file, more in ((Csv, "table.csv", TEXT), (Parquet, "table.parquet", {})):
        source = kind(path=str(folder / file), **(SETTINGS | more | setting))  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=sentence):
            source.precheck()


def test_a_named_index_is_a_column(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [0.1, 0.2]}, index=pd.RangeIndex(2, name="y"))
    table.to_parquet(tmp_path / "indexed.parquet")
    source = Parquet(path=str(tmp_path / "indexed.parquet"), **SETTINGS)  # type: ignore[arg-type]
    source.precheck()
    assert set(source.names(tmp_path / "indexed.parquet")) == set(source.read(tmp_path / "indexed.parquet"))
