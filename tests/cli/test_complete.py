"""What Tab makes of verbs and their flags."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from console import completed, credo
from credo.cli.complete import flags_of
from credo.cli.flags import VERBS
from credo.cli.help import TEXT


def test_verbs_come_before_the_groups_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = completed("credo re", tmp_path, monkeypatch)
    assert found[:2] == ["resume", "reproduce"]
    assert "report=" in found
    assert set(VERBS) < set(completed("credo ", tmp_path, monkeypatch))


def test_a_verb_has_its_flags_and_no_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed("credo show --", tmp_path, monkeypatch) == ["--json"]
    assert completed("credo extend run --re", tmp_path, monkeypatch) == ["--repeats", "--replications"]
    assert completed("credo show out", tmp_path, monkeypatch) == []  # the shell completes folders


def test_a_calibration_takes_the_words_of_an_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed("credo calibrate model=mi", tmp_path, monkeypatch) == ["model=mixture"]


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "calibrate"])
def test_every_flag_that_a_verb_tells_of_is_completed(verb: str) -> None:
    told = f"{import_module(f'credo.cli.{verb}').__doc__}\n" + "\n".join(
        line for line in TEXT.splitlines() if line.startswith(f"  credo {verb} ")
    )
    known = {flag.partition("=")[0] for flag in flags_of(verb)}
    assert set(re.findall(r"--[a-z-]+", told)) <= known


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_of_hydra_completes_verbs(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zsh calls the function of bash, by which its script begins."""
    script = credo("-sc", f"install={shell}", cwd=tmp_path).out
    query = "fish" if shell == "fish" else "bash"
    assert f"query={query}" in script
    monkeypatch.setenv("COMP_LINE", "credo predict run --gr")
    assert credo("-sc", f"query={query}", cwd=tmp_path).out.split() == ["--grid"]


def test_every_verb_of_the_help_is_completed() -> None:
    assert set(re.findall(r"^  credo (\w+) [A-Z{]", TEXT, re.MULTILINE)) <= set(VERBS)
