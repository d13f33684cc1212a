"""What Tab makes of verbs and their flags."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from console import completed
from credo.cli.complete import FLAGS
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


@pytest.mark.parametrize("verb", FLAGS)
def test_the_flags_are_those_that_the_verb_knows(verb: str) -> None:
    known = Path(import_module(f"credo.cli.{verb}").__file__ or "").read_text() + TEXT
    for flag in FLAGS[verb]:
        name = flag.partition("=")[0]
        assert name in known or "without_flag" in known or f'"{name.removeprefix("--")}"' in _examples()


def _examples() -> str:
    from credo.experiment.longer import EXAMPLES

    return " ".join(f'"{name}"' for name in EXAMPLES)


def test_every_verb_of_the_help_is_completed() -> None:
    assert set(re.findall(r"^  credo (\w+) [A-Z{]", TEXT, re.MULTILINE)) <= set(VERBS)
