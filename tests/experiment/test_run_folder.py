"""A run's folder: made when the run is accepted, for its user alone."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from console import QUIET, credo, credo_process

COINS = ("data=coin_flips", "model=bernoulli", "inference=map", *QUIET)


def test_the_configuration_is_kept_as_it_was_composed_and_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEED", "3")
    said = credo(*COINS, "seed=${oc.env:SEED}", "hydra.run.dir=run", cwd=tmp_path)
    assert said.code == 0, said.err
    place = tmp_path / "run" / ".hydra"
    assert place.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in place.iterdir()} == {
        "config.yaml": 0o600,
        "signature.json": 0o600,
        "hydra.yaml": 0o600,
        "overrides.yaml": 0o600,
    }
    assert "oc.env:SEED" in (place / "config.yaml").read_text()
    hydra = OmegaConf.load(place / "hydra.yaml").hydra
    assert (hydra.run.dir, hydra.runtime.output_dir) == ("run", str(tmp_path / "run"))
    assert "hydra.run.dir=run" in hydra.overrides.hydra
    assert "console" in hydra.job_logging.handlers
    assert "inference=map" in OmegaConf.load(place / "overrides.yaml")


@pytest.mark.parametrize("place", ["new", "new/of/this/run", "there"])
@pytest.mark.parametrize("wrong", ["inference.steps=0", "tracking=mlflow tracking.uri=postgresql://a@127.0.0.1:9/b"])
def test_a_refused_run_leaves_no_folder(place: str, wrong: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    said = credo(*COINS, *wrong.split(), f"hydra.run.dir={place}", cwd=tmp_path)
    assert said.code == 2, said
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("hydra.run.dir=???", "hydra.run.dir: a value is needed"),
        ("hydra.run.dir=null", "hydra.run.dir: expected a value, but got null"),
        ("hydra.run.dir=", "hydra.run.dir: a value is needed"),
        ("hydra.run.dir=${nope}", "hydra.run.dir: interpolation key 'nope' not found"),
    ],
)
def test_a_folder_is_named(word: str, said: str, tmp_path: Path) -> None:
    told = credo(*COINS, word, cwd=tmp_path)
    assert told.code == 2
    assert told.err.startswith(f"credo: {said}"), told.err
    assert told.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_hydras_log_file_is_in_the_folder(tmp_path: Path) -> None:
    words = (*COINS, "hydra/job_logging=default")
    assert credo(*words, "inference.steps=0", cwd=tmp_path).code == 2
    assert not list(tmp_path.iterdir())
    assert credo_process(*words, "hydra.run.dir=run", cwd=tmp_path).code == 0
    assert (tmp_path / "run" / "credo.log").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("words", [(), ("-m", "seed=1,2")])
def test_hydra_writes_no_configuration_of_its_own(words: tuple[str, ...], tmp_path: Path) -> None:
    said = credo(*words, *COINS, "hydra.output_subdir=here", cwd=tmp_path)
    assert said.code == 2
    assert said.err.startswith("credo: hydra.output_subdir=here: a run has its configuration in the folder .hydra")
    assert not list(tmp_path.iterdir())
