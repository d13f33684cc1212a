"""What an experiment asks, known before anything is loaded: equal questions have equal fingerprints."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from console import PYTHON, credo
from credo.config import loading, messages
from credo.runs import question
from registry import compose

COINS = ("data=coin_flips", "model=bernoulli", "inference=map", "inference.starts=2", "inference.steps=20")
FAST = ("report=none", "device.compilation_cache=null")
TABLE = ("data=csv", "data.path=table.csv", "data.target=y", "model=regression")

Ask = Callable[..., str | None]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """The question of what is typed in a folder with a table."""
    (tmp_path / "table.csv").write_text("x,y\n1,2\n2,3\n3,5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    loading.make_importable(tmp_path)

    def of(*words: str) -> str | None:
        config = compose(*words)
        messages.refuse(config)
        plain: Any = OmegaConf.to_container(config, enum_to_str=True)
        return question.of(plain, tmp_path)

    return of


def test_what_does_not_change_the_answer_does_not_change_the_question(ask: Ask) -> None:
    first = ask(*TABLE)
    assert first is not None
    assert ask(*TABLE, "name=another", "report=none", "tracking=none", "device.compilation_cache=null") == first


@pytest.mark.parametrize("word", ["seed=7", "inference.draws=7", "model.prior.beta.scale=7", "diagnostics=strict"])
def test_another_configuration_is_another_question(ask: Ask, word: str) -> None:
    assert ask(*TABLE, word) not in (None, ask(*TABLE))


def test_another_table_is_another_question(ask: Ask, tmp_path: Path) -> None:
    before = ask(*TABLE)
    file = tmp_path / "table.csv"
    file.write_text(file.read_text().replace("5", "6"))
    assert ask(*TABLE) not in (None, before)


@pytest.mark.parametrize("name", ["JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES"])
def test_another_device_is_another_question(ask: Ask, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ask(*TABLE)
    monkeypatch.setenv(name, "elsewhere")
    assert ask(*TABLE) not in (None, before)


def test_other_code_of_credo_is_another_question(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ask(*TABLE)
    monkeypatch.setattr(question, "_credo", lambda: iter([("data/csv.py", 1, 1)]))
    question.installed.cache_clear()
    try:
        assert ask(*TABLE) not in (None, before)
    finally:
        question.installed.cache_clear()


def test_code_of_ones_own_has_no_question(ask: Ask, tmp_path: Path) -> None:
    """Only what it has loaded tells what it does."""
    (tmp_path / "mine.py").write_text("def model(x, y): ...\n")
    assert ask("data=csv", "data.path=table.csv", "model=program", "model.function=mine:model") is None
    assert ask("data=csv", "data.path=table.csv", "model=program", "model.function=mine.py:model") is None


def test_a_folder_and_an_earlier_run_have_no_question(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert ask("data=uci", "data.path=set", "model=regression") is None
    assert ask(*TABLE, "model.prior_from=earlier") is None


def recorded(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        (count,) = store.execute("SELECT count(*) FROM runs").fetchone()
    return int(count)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished runs, recorded in MLflow."""
    folder = tmp_path_factory.mktemp("finished")
    said = credo("-m", *COINS, *FAST, "seed=0,1", "hydra.sweep.dir=first", cwd=folder)
    assert said.code == 0, said.err
    return folder


def test_a_sweep_whose_jobs_are_all_answered_loads_nothing_heavy(finished: Path) -> None:
    """Neither JAX nor MLflow, which take seconds; the same jobs, the same numbers, and nothing new in MLflow."""
    words = ["-m", *COINS, *FAST, "seed=0,1", "sweep.skip_finished=true", "hydra.sweep.dir=again"]
    script = f"""
import sys
from credo.cli import main
try:
    main.command({words!r})
finally:
    print(sorted({{"jax", "numpyro", "mlflow", "arviz_stats"}} & set(sys.modules)))
"""
    before = recorded(finished)
    said = subprocess.run([PYTHON, "-c", script], cwd=finished, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert said.stdout.splitlines()[-1] == "[]", said
    assert said.stdout.count("has the same fingerprint and is finished") == 2
    for number in range(2):
        job = json.loads((finished / "again" / str(number) / "job.json").read_text())
        assert (job["state"], job["reason"]) == ("SKIPPED", str(finished / "first" / str(number)))
    assert recorded(finished) == before


def test_what_another_version_of_credo_has_answered_is_found_at_once_the_second_time(finished: Path) -> None:
    """The question is new; its fingerprint is found by loading all, and kept."""
    words = (*COINS, "report=none", "device.compilation_cache=cache", "seed=1", "sweep.skip_finished=true")

    def known() -> Path | None:
        from credo.experiment import earlier

        config = compose(*words)
        messages.refuse(config)
        return earlier.asked(config, finished)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished)
        patch.setattr(question, "_credo", lambda: iter([("data/csv.py", 1, 1)]))
        question.installed.cache_clear()
        try:
            assert known() is None
            assert "has the same fingerprint" in credo(*words, cwd=finished).out
            assert known() == finished / "first" / "1"
            (kept,) = (finished / "cache" / question.FOLDER).iterdir()
            kept.write_text("0" * 64)
            assert known() is None
        finally:
            question.installed.cache_clear()


def test_the_page_of_an_answered_sweep_is_whole_and_loads_nothing_that_draws(tmp_path: Path) -> None:
    """Its picture is that of the first, and so is its comparison."""
    words = ["-m", *COINS, "report=none", "device.compilation_cache=cache", "seed=0,1", "sweep.skip_finished=true"]
    words += ["inference.chains=2", "inference=mh", "inference.warmup=20", "inference.draws=50"]
    words = [word for word in words if not word.startswith(("inference.st", "inference=map"))]
    said = credo(*words, "hydra.sweep.dir=first", cwd=tmp_path)
    assert said.code == 0, said.err
    script = f"""
import sys
from credo.cli import main
try:
    main.command({[*words, "hydra.sweep.dir=again"]!r})
finally:
    print(sorted({{"jax", "numpyro", "mlflow", "arviz_stats", "matplotlib"}} & set(sys.modules)))
"""
    again = subprocess.run([PYTHON, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert again.stdout.splitlines()[-1] == "[]", again
    first, second = ((tmp_path / name / "report.html").read_text() for name in ("first", "again"))
    (picture,) = re.findall(r'src="(data:image/png[^"]*)"', first)
    assert re.findall(r'src="(data:image/png[^"]*)"', second) == [picture]
    assert 'href="../first/comparison.html"' in second
    assert "compare first/comparison.html" in again.stdout
    (tmp_path / "first" / "comparison.html").unlink()
    third = credo(*words, "hydra.sweep.dir=third", cwd=tmp_path)
    assert "credo compare first compares them" in third.out


def test_one_run_that_is_answered_is_not_made(finished: Path) -> None:
    words = (*COINS, *FAST, "seed=1", "sweep.skip_finished=true", "hydra.run.dir=single")
    said = credo(*words, cwd=finished)
    assert said.code == 0, said.err
    assert "not run: first/1 has the same fingerprint" in said.out
    assert not (finished / "single" / "verdict.json").exists()


def test_a_folder_that_another_run_has_taken_answers_nothing(finished: Path) -> None:
    """MLflow still names the folder; the run in it says what it was asked."""
    file = finished / "first" / "0" / "provenance.json"
    kept = file.read_text()
    file.write_text(json.dumps({**json.loads(kept), "question": "another"}))
    try:
        from credo.experiment import earlier

        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(finished)
            config = compose(*COINS, *FAST, "seed=0")
            messages.refuse(config)
            assert earlier.asked(config, finished) is None
            file.write_text(kept)
            assert earlier.asked(config, finished) == finished / "first" / "0"
    finally:
        file.write_text(kept)
