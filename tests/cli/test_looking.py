"""`credo list`, `show`, `open` and `ui`: looking at what is there."""

import json
import shutil
import socket
import webbrowser
from pathlib import Path

import pytest

from console import credo
from credo.cli import ui
from credo.tracking.mlflow import view

DRAWS = "draws"
"""A finished run by a Markov chain, of `folders.all_kinds`."""


def test_list_names_every_run_with_its_verdict_the_newest_first(runs: Path) -> None:
    said = credo("list", ".", cwd=runs)
    heads = said.out.splitlines()[0::2]
    assert said.code == 0
    assert {place.strip() for place in said.out.splitlines()[1::2]} >= {DRAWS, "cut"}
    assert any("failed" in head and "coin_flips bernoulli mh" in head for head in heads)
    assert any("not finished" in head for head in heads)
    assert [head[:16] for head in heads] == sorted((head[:16] for head in heads), reverse=True)


def test_list_without_runs_is_one_sentence(tmp_path: Path) -> None:
    assert credo("list", cwd=tmp_path).err == (
        "credo: list: expected runs in outputs and multirun, but there are none; name the folder that has them\n"
    )
    assert credo("list", "--newest", cwd=tmp_path).code == 2


def test_list_names_the_runs_of_a_store(tmp_path: Path) -> None:
    words = ("data=coin_flips", "model=bernoulli", "inference=map", "inference.starts=2", "inference.steps=10")
    assert credo(*words, "report=none", "hydra.run.dir=run", cwd=tmp_path).code == 0
    head, place = credo("list", "sqlite:///mlflow.db", cwd=tmp_path).out.splitlines()
    assert "coin_flips bernoulli map" in head
    assert "log_density" in head
    assert place == f"  {tmp_path / 'run'}"
    said = credo("list", "sqlite:///none/mlflow.db", cwd=tmp_path)
    assert (said.code, said.err.count("\n")) == (2, 1)


def test_show_prints_the_answer_once_more(runs: Path) -> None:
    said = credo("show", DRAWS, cwd=runs)
    assert said.code == 0
    assert "coin_flips bernoulli mh" in said.out
    assert "FAILED This answer failed its checks: do not rely on it yet." in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines() if "/" not in line)


def test_show_has_json_for_programs(runs: Path) -> None:
    found = json.loads(credo("show", DRAWS, "--json", cwd=runs).out)
    assert found["status"] == "failed"
    failed = next(check for check in found["checks"] if check["status"] == "failed")
    assert failed["value"] is None or isinstance(failed["value"], float)
    assert found["metrics"]["draws"] == 120


@pytest.mark.parametrize("verb", ["show", "open"])
def test_what_has_no_answer_or_no_page_is_one_sentence(runs: Path, verb: str) -> None:
    for words in ((), ("--json", "--json"), ("nowhere",), ("cut",), (DRAWS, DRAWS)):
        said = credo(verb, *words, cwd=runs)
        assert said.code == 2
        assert said.err.count("\n") == 1


def test_open_leads_a_browser_to_the_page(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(runs / DRAWS, tmp_path / "run")
    (tmp_path / "run" / "report.html").write_text("page")
    seen: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: seen.append(address) or False)
    said = credo("open", "run", cwd=tmp_path)
    assert seen == [(tmp_path / "run" / "report.html").as_uri()]
    assert "there is no browser here" in said.out


def test_ui_serves_the_store_of_a_folder_on_this_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlflow.db").touch()
    seen = {}
    monkeypatch.setattr(ui.os, "execve", lambda _, words, settings: seen.update(words=words, env=settings))
    said = credo("ui", ".", "--port", 5001, cwd=tmp_path)
    assert said.out.startswith("http://127.0.0.1:5001/#/experiments/1/runs?")
    assert seen["words"][seen["words"].index("--host") + 1] == "127.0.0.1"
    assert f"sqlite:///{tmp_path.resolve()}/mlflow.db" in seen["words"]
    assert seen["env"]["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_ui_refuses_a_port_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    with socket.create_server((view.HOST, 0)) as other:
        port = other.getsockname()[1]
        said = credo("ui", "--port", port, cwd=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"credo: ui: something listens on port {port} already (address already in use); ")


def test_ui_without_runs_or_with_no_port_is_one_sentence(tmp_path: Path) -> None:
    assert credo("ui", cwd=tmp_path).err == (
        "credo: ui: expected mlflow.db in ., but there is none; run an experiment there first\n"
    )
    for words in (("--port",), ("--port", "70000"), ("--port", "x"), ("a", "b"), ("--host", "localhost")):
        assert credo("ui", *words, cwd=tmp_path).code == 2


@pytest.mark.parametrize("verb", ["show", "open"])
def test_what_is_no_run_is_said_to_be_none(tmp_path: Path, verb: str) -> None:
    said = credo(verb, "nowhere", cwd=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"credo: there is no run {tmp_path / 'nowhere'}; give the folder of a run")


def test_a_folder_of_runs_is_shown_by_list(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    said = credo("show", "outputs", cwd=tmp_path)
    assert said.code == 2
    assert "outputs is no folder of a run: it has no .hydra/config.yaml; credo list" in said.err


@pytest.mark.parametrize("verb", [("show",), ("open",), ("export", "model"), ("predict", "rows.csv")])
def test_a_run_that_was_cut_short_is_to_be_resumed(runs: Path, verb: tuple[str, ...]) -> None:
    (runs / "rows.csv").write_text("y\n1\n")
    said = credo(verb[0], "cut", *verb[1:], cwd=runs)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.endswith("is not finished and has no answer; credo resume cut continues it\n")
